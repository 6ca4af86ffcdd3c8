package publish

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/livebridge/livebridge/subjects"
)

// Headers of an event besides those of NATS itself.
const (
	headerDate   = "Live-Date"
	headerMeta   = "Live-Meta"
	headerOrigin = "Live-Origin"
	headerBatch  = "Live-Batch"
)

// headerRoom is what the headers of a message but Live-Meta take at most, in
// bytes, with names and line ends: 133 for the key, 128 for the origin, 22 for a
// batch and 35 for a date, and what the publisher adds for NATS.
const headerRoom = 1024

// message is one message of the stream: an event, or one record of it.
type message struct {
	event     int // index of the event
	subject   string
	key       string // Nats-Msg-Id
	common    *common
	seq       uint64 // 0 until it is known to be stored
	duplicate bool
}

// common is what all messages of one event share.
type common struct {
	date, meta, origin, batch string // values of headers
	body                      []byte
}

// wire returns the message for NATS, with more headers given as pairs.
func (m *message) wire(more ...string) *nats.Msg {
	header := make(nats.Header, 5+len(more)/2)
	set := func(name, value string) {
		if value != "" {
			header[name] = []string{value}
		}
	}
	set(nats.MsgIdHdr, m.key)
	set(headerDate, m.common.date)
	set(headerMeta, m.common.meta)
	set(headerOrigin, m.common.origin)
	set(headerBatch, m.common.batch)
	for i := 0; i < len(more); i += 2 {
		set(more[i], more[i+1])
	}
	return &nats.Msg{Subject: m.subject, Header: header, Data: m.common.body}
}

// messages checks the events and returns their messages, in order. maxPayload is
// the server's limit in bytes, 0 if it is not known.
func messages(events []Event, maxPayload int64) ([]*message, error) {
	if n := count(events); n > MaxMessages {
		return nil, fmt.Errorf("%w: %d messages (one per event, or per id of an event with several), at most %d: split them", ErrTooMany, n, MaxMessages)
	}
	msgs := make([]*message, 0, count(events))
	for i := range events {
		ms, wrong := events[i].messages(maxPayload)
		if wrong != nil {
			wrong.Index = i
			return nil, wrong
		}
		for _, m := range ms {
			m.event = i
		}
		msgs = append(msgs, ms...)
	}
	if wrong := checkUnique(msgs); wrong != nil {
		return nil, wrong
	}
	return msgs, nil
}

func count(events []Event) int {
	n := 0
	for i := range events {
		n += max(1, len(events[i].IDs))
	}
	return n
}

// messages returns the messages of one event.
func (e *Event) messages(maxPayload int64) ([]*message, *EventError) {
	names, wrong := e.subjects()
	if wrong != nil {
		return nil, wrong
	}
	shared, wrong := e.common()
	if wrong == nil {
		wrong = shared.checkSize(maxPayload)
	}
	if wrong != nil {
		return nil, wrong
	}
	if len(names) > 1 {
		shared.batch = nuid.Next()
	}
	msgs := make([]*message, len(names))
	for i, subject := range names {
		m := &message{subject: subject, key: e.Key, common: shared}
		if e.Key != "" && i > 0 {
			m.key += "/" + strconv.Itoa(i)
		}
		msgs[i] = m
	}
	return msgs, nil
}

// subjects returns the subject of each record.
func (e *Event) subjects() ([]string, *EventError) {
	ids := e.IDs
	switch {
	case ids == nil:
		ids = []string{e.ID}
	case len(ids) == 0:
		return nil, wrong("ids", "is an empty list: name a record, or leave it out if no particular one is meant")
	case e.ID != "":
		return nil, wrong("ids", "is set beside id: use one of them")
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		subject, err := subjects.Name{Resource: e.Resource, Type: e.Type, ID: id}.Subject()
		if err != nil {
			return nil, e.wrongName(i, err)
		}
		out[i] = subject
	}
	return out, nil
}

// wrongName gives the error of a subject the field of the event.
func (e *Event) wrongName(i int, err error) *EventError {
	var name *subjects.Error
	if !errors.As(err, &name) {
		return &EventError{Field: "id", Problem: err.Error(), Err: err}
	}
	out := &EventError{Field: name.Field, Problem: name.Problem, Err: err}
	if e.IDs != nil && name.Field == subjects.FieldID {
		out.Field, out.Problem = "ids", fmt.Sprintf("entry %d %s", i, name.Problem)
	}
	return out
}

// common checks and encodes what the messages of the event share.
func (e *Event) common() (*common, *EventError) {
	body, wrong := payload(e.Payload)
	if wrong != nil {
		return nil, wrong
	}
	meta, wrong := meta(e.Meta)
	if wrong != nil {
		return nil, wrong
	}
	date, wrong := date(e.Date)
	if wrong != nil {
		return nil, wrong
	}
	if wrong := checkText("key", e.Key); wrong != nil {
		return nil, wrong
	}
	if wrong := checkText("origin", e.Origin); wrong != nil {
		return nil, wrong
	}
	return &common{body: body, meta: meta, date: date, origin: e.Origin}, nil
}

func date(t time.Time) (string, *EventError) {
	if t.IsZero() {
		return "", nil
	}
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return "", wrong("date", "is in the year %d: RFC 3339 has the years 0 to 9999", t.Year())
	}
	return t.Format(time.RFC3339Nano), nil
}

// checkSize refuses what the server would refuse: a header block of more than
// 64 KiB, or a message of more than its max_payload.
func (c *common) checkSize(maxPayload int64) *EventError {
	if most := math.MaxUint16 - headerRoom; len(c.meta) > most {
		return wrong("meta", "is %d bytes long: use at most %d", len(c.meta), most)
	}
	if size := int64(len(c.body) + len(c.meta) + headerRoom); maxPayload > 0 && size > maxPayload {
		return wrong("payload", "is %d bytes long: it may have %d beside this meta (max_payload of the NATS server, less the headers)",
			len(c.body), max(0, maxPayload-int64(len(c.meta)+headerRoom)))
	}
	return nil
}

// checkUnique refuses a key that two messages have.
func checkUnique(msgs []*message) *EventError {
	seen := make(map[string]int, len(msgs))
	for _, m := range msgs {
		if m.key == "" {
			continue
		}
		if other, ok := seen[m.key]; ok {
			return &EventError{Index: m.event, Field: "key",
				Problem: fmt.Sprintf("%q is taken by event %d: a key names one event (one with several ids has key, key/1, key/2 …)", m.key, other)}
		}
		seen[m.key] = m.event
	}
	return nil
}

func wrong(field, format string, args ...any) *EventError {
	return &EventError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
