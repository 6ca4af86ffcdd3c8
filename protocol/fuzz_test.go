package protocol

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/livebridge/livebridge/internal/fuzztest"
)

func FuzzParseMessage(f *testing.F) {
	for _, g := range goldens(f) {
		if g.Direction == "client" {
			f.Add([]byte(g.Frame))
		}
	}
	f.Add([]byte(`{"op":"publish","ref":"r","events":[{"resource":"p","type":"t","ids":[1,1e5,"\ud83d\ude00"],"payload":[ 1 ],"meta":{}}]}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		for object := range SplitFrame(frame) {
			var msg Message
			var err *Error
			fuzztest.Bounded(t, len(object), func() { msg, err = ParseMessage(object, Limits{}) })
			if err != nil {
				checkRefusal(t, err)
				continue
			}
			if !json.Valid(object) || !utf8.Valid(object) {
				t.Fatalf("took %q", object)
			}
			checkMessage(t, msg)
		}
	})
}

func FuzzParseEvents(f *testing.F) {
	f.Add([]byte(`{"resource":"p","type":"t","id":1,"payload":{"a":[]},"date":"2026-11-25T14:00:00Z","key":"k"}`), false)
	f.Add([]byte(`[{"resource":"p","type":"t"},{"resource":"p","type":"t","ids":["a","b"]}]`), false)
	f.Add([]byte("{\"resource\":\"p\",\"type\":\"t\"}\n\n{\"resource\":\"p\",\"type\":\"t\"}"), true)
	f.Fuzz(func(t *testing.T, body []byte, ndjson bool) {
		var events []Publish
		var err *Error
		fuzztest.Bounded(t, len(body), func() { events, err = ParseEvents(body, ndjson, Limits{}) })
		if err != nil {
			checkRefusal(t, err)
			return
		}
		checkEvents(t, events)
	})
}

func FuzzParseStart(f *testing.F) {
	f.Add("c", "", "")
	f.Add("", "-1d2h", "")
	f.Add("", "2026-11-25T14:00:00+14:00", "")
	f.Add("", "", "50")
	f.Fuzz(func(t *testing.T, after, since, last string) {
		start, err := ParseStart(after, since, last, Limits{})
		if err != nil {
			checkRefusal(t, err)
			return
		}
		checkStart(t, start)
	})
}

func checkRefusal(t *testing.T, err *Error) {
	t.Helper()
	if err.Code.Help() == "" || err.Message == "" || len(err.Message) > 500 {
		t.Fatalf("a poor error: %q", err.Error())
	}
	checkLine(t, AppendError(nil, err))
}

func checkMessage(t *testing.T, msg Message) {
	t.Helper()
	if msg.Op == OpSubscribe {
		if msg.Subscribe.Resource == "" || len(msg.Subscribe.IDs) > 1000 {
			t.Fatalf("took %+v", msg)
		}
		checkStart(t, msg.Subscribe.Start)
	}
	if msg.Op == OpPublish {
		checkEvents(t, msg.Events)
	}
	for _, s := range append([]string{msg.Sub, msg.Ref, msg.Token, msg.Subscribe.Resource}, append(msg.Subscribe.Types, msg.Subscribe.IDs...)...) {
		if !utf8.ValidString(s) {
			t.Fatalf("took the text %q", s)
		}
	}
}

func checkStart(t *testing.T, s Start) {
	t.Helper()
	ok := s.Kind == Now && s == Start{} ||
		s.Kind == After && s.After != "" ||
		s.Kind == Since && (s.Ago > 0 || s.Since.Year() >= 0 && s.Since.Year() <= 9999) ||
		s.Kind == Last && s.Last > 0 && s.Last <= 100_000
	if !ok {
		t.Fatalf("took the start %+v", s)
	}
}

func checkEvents(t *testing.T, events []Publish) {
	t.Helper()
	total := 0
	for _, p := range events {
		total += p.Messages()
		if p.Resource == "" || p.Type == "" || p.Key != "" && CheckKey(p.Key) != nil {
			t.Fatalf("took %+v", p)
		}
		checkLine(t, p.Payload)
		if p.Meta != nil {
			checkLine(t, p.Meta)
		}
		for _, id := range p.IDs {
			if !utf8.ValidString(id) {
				t.Fatalf("took the id %q", id)
			}
		}
	}
	if len(events) == 0 || total > 1000 {
		t.Fatalf("took %d events, %d messages", len(events), total)
	}
}
