package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/subjects"
)

func itoa(i int) string { return strconv.Itoa(i) }

func TestOneEvent(t *testing.T) {
	p, stream := start(t)
	date := time.Date(2026, 11, 25, 16, 30, 0, 123456789, time.FixedZone("CET", 3600))
	acks := publish(t, p, Event{
		Resource: "products", Type: "updated", ID: "a.b@c", Payload: map[string]int{"price": 10},
		Meta: json.RawMessage("{\n\t\"reason\": \"import\"\n}"), Date: date, Key: "k 1", Origin: "session-ä",
	})
	if diff := cmp.Diff([]Ack{{Seq: 1}}, acks); diff != "" {
		t.Error(diff)
	}
	m := read(t, stream, 1)
	if m.Subject != "live.products.updated.a%2Eb%40c" || string(m.Data) != `{"price":10}` {
		t.Errorf("stored %s %s", m.Subject, m.Data)
	}
	want := nats.Header{
		"Nats-Msg-Id": {"k 1"}, "Live-Date": {"2026-11-25T15:30:00.123456789Z"}, "Live-Meta": {`{"reason":"import"}`},
		"Live-Origin": {"session-ä"}, "Nats-Expected-Stream": {"LIVE"},
	}
	if diff := cmp.Diff(want, sent(m)); diff != "" {
		t.Error(diff)
	}
}

// sent returns the headers of a stored message without those that a direct get adds.
func sent(m *jetstream.RawStreamMsg) nats.Header {
	for _, added := range []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp"} {
		m.Header.Del(added)
	}
	return m.Header
}

func TestBareEvent(t *testing.T) {
	p, stream := start(t)
	publish(t, p, Event{Resource: "products", Type: "imported"})
	m := read(t, stream, 1)
	if m.Subject != "live.products.imported._" || string(m.Data) != "{}" {
		t.Errorf("stored %s %s", m.Subject, m.Data)
	}
	if diff := cmp.Diff(nats.Header{"Nats-Expected-Stream": {"LIVE"}}, sent(m)); diff != "" {
		t.Error(diff)
	}
}

func TestNoEvents(t *testing.T) {
	p, _ := start(t)
	if acks, err := p.Publish(t.Context()); acks != nil || err != nil {
		t.Errorf("got %v, %v", acks, err)
	}
}

func TestPayloads(t *testing.T) {
	p, stream := start(t)
	for _, c := range []struct {
		payload any
		want    string
	}{
		{nil, "{}"},
		{json.RawMessage(nil), "{}"},
		{[]byte{}, "{}"},
		{[]byte(" [1,\n2] "), " [1,\n2] "},
		{json.RawMessage(`"text"`), `"text"`},
		{"text", `"text"`},
		{(*int)(nil), "null"},
		{7, "7"},
	} {
		acks := publish(t, p, Event{Resource: "r", Type: "t", Payload: c.payload})
		if got := string(read(t, stream, acks[0].Seq).Data); got != c.want {
			t.Errorf("payload %#v was stored as %q, want %q", c.payload, got, c.want)
		}
	}
}

func TestMetas(t *testing.T) {
	for _, c := range []struct {
		meta any
		want string
	}{
		{nil, ""},
		{json.RawMessage(nil), ""},
		{map[string]any(nil), ""},
		{json.RawMessage("null"), ""},
		{map[string]string{"a": "x\r\ny"}, `{"a":"x\r\ny"}`},
		{json.RawMessage("{ \"a\" :\r\n\t1 }"), `{"a":1}`},
		{json.RawMessage("{\"del\":\"\x7f\"}"), `{"del":"\u007f"}`},
	} {
		if got, err := meta(c.meta); got != c.want || err != nil {
			t.Errorf("meta %#v became %q, %v, want %q", c.meta, got, err, c.want)
		}
	}
}

func TestOddIDs(t *testing.T) {
	p, stream := start(t)
	ids := []string{"", "_", "*", ">", "a.b", "a b", "%41", "ä", "日本", "\x00", "\r\n", "0", strings.Repeat("x", 900)}
	acks := publish(t, p, Event{Resource: "re source", Type: "t.y", IDs: ids})
	for i, id := range ids {
		m := read(t, stream, acks[0].Seq-uint64(len(ids)-1-i))
		name, err := subjects.Parse(m.Subject)
		if want := (subjects.Name{Resource: "re source", Type: "t.y", ID: id}); err != nil || name != want {
			t.Errorf("id %q was stored as %s = %+v, %v", id, m.Subject, name, err)
		}
	}
}

func TestInvalidEvents(t *testing.T) {
	p, stream := start(t)
	long := strings.Repeat("x", 129)
	good := Event{Resource: "products", Type: "updated", ID: "1"}
	with := func(change func(*Event)) Event { e := good; change(&e); return e }
	for _, c := range []struct {
		name  string
		bad   Event
		field string
		text  string
	}{
		{"no resource", with(func(e *Event) { e.Resource = "" }), "resource", "is empty"},
		{"no type", with(func(e *Event) { e.Type = "" }), "type", "is empty"},
		{"resource not UTF-8", with(func(e *Event) { e.Resource = "\xff" }), "resource", "UTF-8"},
		{"long id", with(func(e *Event) { e.ID = strings.Repeat("x", 1000) }), "id", "too long"},
		{"id not UTF-8", with(func(e *Event) { e.ID = "\xff" }), "id", "UTF-8"},
		{"id and ids", with(func(e *Event) { e.IDs = []string{"2"} }), "ids", "beside id"},
		{"empty ids", with(func(e *Event) { e.ID, e.IDs = "", []string{} }), "ids", "empty list"},
		{"one of the ids", with(func(e *Event) { e.ID, e.IDs = "", []string{"1", "\xff"} }), "ids", "entry 1"},
		{"payload not JSON", with(func(e *Event) { e.Payload = []byte("{") }), "payload", "not valid JSON"},
		{"payload not UTF-8", with(func(e *Event) { e.Payload = json.RawMessage("\"\xff\"") }), "payload", "UTF-8"},
		{"payload blank", with(func(e *Event) { e.Payload = []byte(" ") }), "payload", "not valid JSON"},
		{"payload cannot be marshalled", with(func(e *Event) { e.Payload = make(chan int) }), "payload", "cannot be written as JSON"},
		{"payload NaN", with(func(e *Event) { e.Payload = math.NaN() }), "payload", "cannot be written as JSON"},
		{"payload too large", with(func(e *Event) { e.Payload = strings.Repeat("x", 1<<20) }), "payload", "max_payload"},
		{"meta an array", with(func(e *Event) { e.Meta = []int{1} }), "meta", "not a JSON object"},
		{"meta text", with(func(e *Event) { e.Meta = "x" }), "meta", "not a JSON object"},
		{"meta not JSON", with(func(e *Event) { e.Meta = []byte("{") }), "meta", "not valid JSON"},
		{"meta too large", with(func(e *Event) { e.Meta = map[string]string{"a": strings.Repeat("x", 1<<16)} }), "meta", "at most"},
		{"late date", with(func(e *Event) { e.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), "date", "10000"},
		{"early date", with(func(e *Event) { e.Date = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }), "date", "-1"},
		{"long key", with(func(e *Event) { e.Key = long }), "key", "129 bytes"},
		{"key with line break", with(func(e *Event) { e.Key = "a\r\nNats-Rollup: all" }), "key", "cannot be printed"},
		{"key with DEL", with(func(e *Event) { e.Key = "a\x7fb" }), "key", "cannot be printed"},
		{"key with space at the end", with(func(e *Event) { e.Key = "a " }), "key", "trim"},
		{"key not UTF-8", with(func(e *Event) { e.Key = "\xff" }), "key", "UTF-8"},
		{"long origin", with(func(e *Event) { e.Origin = long }), "origin", "129 bytes"},
		{"origin with line break", with(func(e *Event) { e.Origin = "a\nb" }), "origin", "cannot be printed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := p.Publish(t.Context(), good, good, c.bad, good)
			var wrong *EventError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v", err)
			}
			if wrong.Index != 2 || wrong.Field != c.field || !strings.Contains(wrong.Error(), c.text) {
				t.Errorf("got %v, want field %s of event 2 and %q", wrong, c.field, c.text)
			}
		})
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestKeyTwiceInOneCall(t *testing.T) {
	p, stream := start(t)
	several := Event{Resource: "r", Type: "t", IDs: []string{"1", "2"}, Key: "k"}
	for _, events := range [][]Event{
		{event("1", "k"), event("2", ""), event("3", "k")},
		{several, event("3", ""), event("4", "k/1")},
	} {
		_, err := p.Publish(t.Context(), events...)
		var wrong *EventError
		if !errors.As(err, &wrong) || wrong.Index != 2 || wrong.Field != "key" {
			t.Errorf("got %v", err)
		}
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestNewRefuses(t *testing.T) {
	nc := connect(t, startNATS(t).ClientURL())
	for name, err := range map[string]error{
		"no connection":     second(New(nil, Options{})),
		"stream name":       second(New(nc, Options{Stream: "live.x"})),
		"negative time-out": second(New(nc, Options{Timeout: -1})),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestConcurrentPublishers(t *testing.T) {
	const publishers, rounds = 16, 20
	p, stream := start(t)
	var (
		mu   sync.Mutex
		seen = map[uint64]string{} // sequence → id that was acknowledged there
		wg   sync.WaitGroup
	)
	note := func(seq uint64, id string) {
		mu.Lock()
		defer mu.Unlock()
		if other, ok := seen[seq]; ok {
			t.Errorf("sequence %d was acknowledged for %s and %s", seq, other, id)
		}
		seen[seq] = id
	}
	for i := range publishers {
		wg.Go(func() {
			for j := range rounds {
				events := make([]Event, 1+(i+j)%4)
				for k := range events {
					events[k] = event(fmt.Sprintf("%d-%d-%d", i, j, k), "")
				}
				acks, err := p.Publish(t.Context(), events...)
				if err != nil {
					t.Error(err)
					return
				}
				for k, a := range acks {
					note(a.Seq, events[k].ID)
				}
			}
		})
	}
	wg.Wait()
	if n, _ := stored(t, stream); n != uint64(len(seen)) {
		t.Errorf("%d messages stored, %d acknowledged", n, len(seen))
	}
	for seq, id := range seen {
		if m := read(t, stream, seq); m.Subject != "live.products.updated."+id {
			t.Errorf("sequence %d is %s, acknowledged for %s", seq, m.Subject, id)
		}
	}
}

func TestAnotherStream(t *testing.T) {
	p, stream := start(t, func(c *jetstream.StreamConfig) { c.Name = "OTHER" })
	for _, events := range [][]Event{eventsOf(1, ""), eventsOf(3, "")} {
		_, err := p.Publish(t.Context(), events...)
		if code(err) != codeWrongStream || !strings.Contains(err.Error(), "Options.Stream") {
			t.Errorf("got %v", err)
		}
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	q := newPublisher(t, p.nc, Options{Stream: "OTHER"})
	publish(t, q, eventsOf(1, "")...)
	publish(t, q, eventsOf(3, "")...)
}

func TestStreamRefusesSize(t *testing.T) {
	p, stream := start(t, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 })
	large := event("1", "")
	large.Payload = strings.Repeat("x", 2000)
	for at, events := range [][]Event{{large}, {event("2", ""), large, event("3", "")}, {event("2", ""), event("3", ""), large}} {
		_, err := p.Publish(t.Context(), events...)
		var wrong *EventError
		if !errors.As(err, &wrong) || wrong.Index != at || wrong.Field != "payload" || code(err) != codeMessageTooLarge {
			t.Errorf("large event at %d: got %v", at, err)
		}
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestCanceled(t *testing.T) {
	p, stream := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, events := range [][]Event{eventsOf(1, "k"), eventsOf(3, "k")} {
		_, err := p.Publish(ctx, events...)
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "nothing was stored") {
			t.Errorf("got %v", err)
		}
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}
