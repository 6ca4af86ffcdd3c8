package protocol

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Publish is one event that a client wants stored, checked. It shares no memory
// with the bytes it was read from.
type Publish struct {
	Resource, Type string          // never empty; "*" is a literal here
	IDs            []string        // one message for each, without duplicates; nil = one message about no particular record
	Payload        json.RawMessage // compact JSON in one line; {} where it was missing
	Meta           json.RawMessage // a compact JSON object in one line; nil = none
	Date           time.Time       // when it happened, in UTC; zero = when it is stored
	Key            string          // names the event for deduplication, see [CheckKey]; "" = none
}

// Messages is how many messages the event makes: one for each id, at least one.
func (p *Publish) Messages() int { return max(1, len(p.IDs)) }

const (
	maxKey  = 128                     // bytes
	maxMeta = 64<<10 - 1 - maxHeaders // bytes: meta travels in a header, and NATS has 64 KiB of them
	// maxHeaders is what the other headers of a message take at most, in bytes.
	maxHeaders = 1 << 10
)

// CheckKey says whether key can be the id of a message in NATS: 1 to 128 bytes of
// printable UTF-8 without space at either end. It holds for the field `key` and
// for the header Idempotency-Key; the error is a bad_request.
func CheckKey(key string) *Error {
	switch {
	case key == "":
		return Errorf(BadRequest, "key is empty: send 1 to %d bytes, or leave it out", maxKey)
	case len(key) > maxKey:
		return Errorf(BadRequest, "key has %d bytes: the limit is %d", len(key), maxKey)
	case !utf8.ValidString(key):
		return Errorf(BadRequest, "key is not valid UTF-8: send well-formed Unicode")
	case strings.TrimSpace(key) != key:
		return Errorf(BadRequest, "key %s begins or ends with space: trim it", show(key))
	case strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }):
		return Errorf(BadRequest, "key %s has a character that cannot be printed: send letters, digits, punctuation, symbols and ASCII spaces", show(key))
	}
	return nil
}

// ParseEvents reads the body of POST /v1/events: one event object or an array of
// them, or with ndjson one object on each line. The error names the event by its
// index and is bad_request, too_many or too_large.
func ParseEvents(body []byte, ndjson bool, lim Limits) ([]Publish, *Error) {
	lim = lim.WithDefaults()
	if !utf8.Valid(body) {
		return nil, Errorf(BadRequest, "the body is not valid UTF-8: send well-formed Unicode")
	}
	body = bytes.Trim(body, space)
	if len(body) == 0 {
		return nil, Errorf(BadRequest, "the body is empty: send an event, an array of events, or one event per line (application/x-ndjson)")
	}
	if ndjson {
		return parseLines(body, lim)
	}
	if err := checkJSON(body); err != nil {
		return nil, Errorf(BadRequest, "the body is not JSON: %v: send an event or an array of events; one event per line needs Content-Type application/x-ndjson", err)
	}
	if body[0] == '[' {
		return parseArray("the array", body, lim)
	}
	event, err := parseEvent(body, lim)
	if err != nil {
		return nil, err.within("events[0]")
	}
	return checkTotal([]Publish{event}, lim)
}

func parseLines(body []byte, lim Limits) ([]Publish, *Error) {
	var events []Publish
	for line := range SplitFrame(body) {
		n := len(events)
		if n == lim.Publish {
			return nil, Errorf(TooMany, "more than %d events: the limit of one request is %d", n, n)
		}
		if err := checkJSON(line); err != nil {
			return nil, Errorf(BadRequest, "events[%d]: not JSON: %v: send one event object per line", n, err)
		}
		event, err := parseEvent(line, lim)
		if err != nil {
			return nil, err.within("events[%d]", n)
		}
		events = append(events, event)
	}
	return checkTotal(events, lim)
}

func (f *messageFields) parsePublish(lim Limits) ([]Publish, *Error) {
	if f.events == nil {
		return nil, Errorf(BadRequest, "events is missing: send an array of events")
	}
	if f.events[0] != '[' {
		return nil, Errorf(BadRequest, "events must be an array of events, not %s", kind(f.events))
	}
	return parseArray("events", f.events, lim)
}

func parseArray(what string, array []byte, lim Limits) ([]Publish, *Error) {
	n := count(array)
	if n == 0 {
		return nil, Errorf(BadRequest, "%s is empty: send at least one event", what)
	}
	if n > lim.Publish {
		return nil, Errorf(TooMany, "%d events: the limit of one request is %d", n, lim.Publish)
	}
	events := make([]Publish, 0, n)
	for element := range elements(array) {
		event, err := parseEvent(element, lim)
		if err != nil {
			return nil, err.within("events[%d]", len(events))
		}
		events = append(events, event)
	}
	return checkTotal(events, lim)
}

// checkTotal bounds the messages of a request, which are stored as one batch.
func checkTotal(events []Publish, lim Limits) ([]Publish, *Error) {
	total := 0
	for i := range events {
		total += events[i].Messages()
	}
	if total > lim.Publish {
		return nil, Errorf(TooMany, "the events make %d messages, one per id: the limit of one request is %d", total, lim.Publish)
	}
	return events, nil
}

// eventFields are the members of an event to publish as they came; nil = missing.
type eventFields struct {
	resource, typ, id, ids, payload, meta, date, key []byte
}

func (f *eventFields) slot(name string) *[]byte {
	switch name {
	case "resource":
		return &f.resource
	case "type":
		return &f.typ
	case "id":
		return &f.id
	case "ids":
		return &f.ids
	case "payload":
		return &f.payload
	case "meta":
		return &f.meta
	case "date":
		return &f.date
	case "key":
		return &f.key
	}
	return nil
}

func parseEvent(object []byte, lim Limits) (p Publish, err *Error) {
	if object[0] != '{' {
		return p, Errorf(BadRequest, "must be an event object, not %s", kind(object))
	}
	var f eventFields
	if err = members(object, f.slot); err != nil {
		return p, err
	}
	if p.Resource, err = parseWord("resource", f.resource, "send its name, for example products"); err != nil {
		return p, err
	}
	if p.Type, err = parseWord("type", f.typ, "send created, updated, deleted or a word of your own"); err != nil {
		return p, err
	}
	if p.IDs, err = f.parseIDs(lim); err != nil {
		return p, err
	}
	if p.Payload, err = f.parsePayload(lim); err != nil {
		return p, err
	}
	if p.Meta, err = f.parseMeta(lim); err != nil {
		return p, err
	}
	if p.Date, err = f.parseDate(); err != nil {
		return p, err
	}
	p.Key, err = f.parseKey()
	return p, err
}

func (f *eventFields) parseIDs(lim Limits) ([]string, *Error) {
	switch {
	case f.id != nil && f.ids != nil:
		return nil, Errorf(BadRequest, "both id and ids: send one of them, or neither for an event about no particular record")
	case f.id != nil:
		id, err := idText(f.id)
		if err != nil {
			return nil, Errorf(BadRequest, "id %v", err)
		}
		if id == "" {
			return nil, nil
		}
		return []string{id}, nil
	case f.ids == nil:
		return nil, nil
	}
	ids, err := parseIDs(f.ids, lim.Publish)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(ids, func(id string) bool {
		twice := seen[id]
		seen[id] = true
		return twice
	}), nil
}

func (f *eventFields) parsePayload(lim Limits) (json.RawMessage, *Error) {
	if f.payload == nil {
		return json.RawMessage("{}"), nil
	}
	return compactCopy("payload", f.payload, lim.Payload)
}

func (f *eventFields) parseMeta(lim Limits) (json.RawMessage, *Error) {
	if f.meta == nil {
		return nil, nil
	}
	if f.meta[0] != '{' {
		return nil, Errorf(BadRequest, "meta must be an object, not %s", kind(f.meta))
	}
	return compactCopy("meta", f.meta, min(lim.Payload, maxMeta))
}

func compactCopy(field string, value []byte, limit int) (json.RawMessage, *Error) {
	compact := appendCompact(make([]byte, 0, len(value)), value)
	if len(compact) > limit {
		return nil, Errorf(TooLarge, "%s has %d bytes: the limit is %d", field, len(compact), limit)
	}
	return compact, nil
}

func (f *eventFields) parseDate() (time.Time, *Error) {
	if f.date == nil {
		return time.Time{}, nil
	}
	s, err := text(f.date)
	if err != nil {
		return time.Time{}, Errorf(BadRequest, "date %v: send RFC 3339, for example 2026-11-25T14:00:00Z", err)
	}
	date, ok := parseTime(s)
	if !ok {
		return time.Time{}, Errorf(BadRequest, "date %s is not a time: send RFC 3339, for example 2026-11-25T14:00:00Z", show(s))
	}
	return date, nil
}

func (f *eventFields) parseKey() (string, *Error) {
	if f.key == nil {
		return "", nil
	}
	key, err := text(f.key)
	if err != nil {
		return "", Errorf(BadRequest, "key %v", err)
	}
	return key, CheckKey(key)
}

func itoa(n int) string { return strconv.Itoa(n) }
