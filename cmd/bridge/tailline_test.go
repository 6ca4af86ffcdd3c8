package main

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/livebridge/livebridge/protocol"
)

func TestLine(t *testing.T) {
	at := time.Date(2026, 11, 25, 14, 0, 0, 123e6, time.UTC)
	full := protocol.Event{Cursor: "c", Resource: "products", Type: "updated", ID: "42", Date: at, Payload: []byte(`{"price":10}`)}
	with := func(change func(*protocol.Event)) []byte {
		e := full
		change(&e)
		return protocol.AppendEvent(nil, &e)
	}
	for _, c := range []struct {
		frame []byte
		want  string
	}{
		{with(func(*protocol.Event) {}), `2026-11-25T14:00:00.123Z  products updated 42  {"price":10}`},
		{with(func(e *protocol.Event) { e.ID, e.Payload = "", nil }), `2026-11-25T14:00:00.123Z  products updated _`},
		{with(func(e *protocol.Event) { e.ID, e.Resource = "_", "a b" }), `2026-11-25T14:00:00.123Z  "a b" updated "_"  {"price":10}`},
		{with(func(e *protocol.Event) { e.Meta, e.Origin = []byte(`{"user":"eva"}`), "shop" }), `2026-11-25T14:00:00.123Z  products updated 42  {"price":10}  meta {"user":"eva"}  origin shop`},
		{with(func(e *protocol.Event) { e.Payload = []byte("\xff") }), `2026-11-25T14:00:00.123Z  products updated 42  not JSON, base64: /w==`},
		// What could command a terminal is shown, not sent.
		{with(func(e *protocol.Event) { e.ID = "\x1b[2J" }), `2026-11-25T14:00:00.123Z  products updated "\x1b[2J"  {"price":10}`},
		{with(func(e *protocol.Event) { e.Payload = []byte("\"\u009b2J\u202e\"") }), `2026-11-25T14:00:00.123Z  products updated 42  "\u009b2J\u202e"`},
	} {
		if got := (lineStyle{}).line(c.frame, at); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	coloured := lineStyle{coloured: true}.line(with(func(e *protocol.Event) { e.Type, e.Payload = "deleted", nil }), at)
	if want := "\x1b[2m2026-11-25T14:00:00.123Z\x1b[0m  products \x1b[31mdeleted\x1b[0m 42"; coloured != want {
		t.Errorf("got %q, want %q", coloured, want)
	}
	local := lineStyle{local: true}
	if got, want := local.time(at, at.Add(time.Second)), at.Local().Format("15:04:05.000"); got != want {
		t.Errorf("today: %s, want %s", got, want)
	}
	if got, want := local.time(at, at.Add(48*time.Hour)), at.Local().Format("2006-01-02 15:04:05.000"); got != want {
		t.Errorf("another day: %s, want %s", got, want)
	}
}

// FuzzLine proves that whatever was published, `bridge tail` prints one line that commands no terminal.
func FuzzLine(f *testing.F) {
	f.Add("products", "updated", "42", []byte(`{"price":10}`), []byte(`{"user":"eva"}`), "shop")
	f.Add("\x1b[2J", "\u202e", "a\nb", []byte("\"\u009b2J\""), []byte("{\"\u200b\":1}"), "\x00")
	f.Add("a b", "_", "_", []byte("\xff\x1b"), []byte("{"), "\xff")
	f.Fuzz(func(t *testing.T, resource, kind, id string, payload, meta []byte, origin string) {
		at := time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)
		frame := protocol.AppendEvent(nil, &protocol.Event{Cursor: "c", Resource: resource, Type: kind, ID: id, Date: at, Payload: payload, Meta: meta, Origin: origin})
		line := (lineStyle{}).line(frame, at)
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("%q has %q in it", line, line[i:min(len(line), i+4)])
		}
		if !strings.HasPrefix(line, "2026-11-25T14:00:00.000Z  "+word(strings.ToValidUTF8(resource, "\uFFFD"))+" ") && strings.ToValidUTF8(resource, "") == resource {
			t.Fatalf("%q of resource %q", line, resource)
		}
	})
}
