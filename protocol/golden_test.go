package protocol

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// A golden is one frame that every implementation of the protocol agrees on.
type golden struct {
	Name      string
	Direction string // client, server or http (the body of an answer)
	Frame     string
	Valid     bool
	Code      Code // of the first object that is refused
	Note      string
}

func goldens(tb testing.TB) []golden {
	tb.Helper()
	data, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		tb.Fatal(err)
	}
	var frames []golden
	if err := json.Unmarshal(data, &frames); err != nil {
		tb.Fatalf("read frames.json: %v", err)
	}
	return frames
}

func TestGoldenClientFrames(t *testing.T) {
	for _, g := range goldens(t) {
		if g.Direction != "client" {
			continue
		}
		t.Run(g.Name, func(t *testing.T) {
			var first *Error
			for object := range SplitFrame([]byte(g.Frame)) {
				if _, first = ParseMessage(object, Limits{}); first != nil {
					break
				}
			}
			switch {
			case g.Valid && first != nil:
				t.Errorf("refused: %v", first)
			case !g.Valid && first == nil:
				t.Errorf("taken, want %s", g.Code)
			case !g.Valid && first.Code != g.Code:
				t.Errorf("got %v, want %s", first, g.Code)
			}
		})
	}
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

var replayed = Event{Cursor: "5kQ2-413-k1", Resource: "products", Type: "updated", ID: "42",
	Date: at("2026-11-25T15:00:00.123+01:00"), Payload: []byte(`{"price":10}`)}

// written is what this package writes for each golden frame of a bridge.
func written() map[string][]byte {
	event := func(e Event) []byte { return AppendEvent(nil, &e) }
	full := replayed
	full.Cursor, full.Meta, full.Origin, full.Batch = "5kQ2-415-c4", []byte(`{"user":"eva"}`), "s7Vd2", "Zk3"
	tagged := AppendTagged(nil, "a", event(replayed))
	live := AppendLive(nil, "a", "5kQ2-414-w0")
	one := []Ack{{Cursor: "5kQ2-415-c4"}}
	return map[string][]byte{
		"connected":                          AppendConnected(nil, "s7Vd2", "5kQ2-410-m3", 25*time.Second, Limits{}, time.Time{}),
		"connected with an expiry":           AppendConnected(nil, "s7Vd2", "5kQ2-410-m3", 25*time.Second, Limits{}, at("2026-11-25T15:00:00Z")),
		"subscribed":                         AppendSubscribed(nil, "a", true, "5kQ2-412-x7"),
		"subscribed, not recovered":          AppendSubscribed(nil, "a", false, "5kQ2-510-b8"),
		"live event":                         event(full),
		"replayed event":                     tagged,
		"event about no particular record":   event(Event{Cursor: "5kQ2-416-d9", Resource: "products", Type: "imported", Date: at("2026-11-25T14:00:01Z")}),
		"event with a body that is not JSON": event(Event{Cursor: "5kQ2-417-e2", Resource: "products", Type: "updated", ID: "42", Date: at("2026-11-25T14:00:01.5Z"), Payload: []byte("price=10")}),
		"event with names that need escapes": event(Event{Cursor: "5kQ2-418-f5", Resource: "blog/posts", Type: `say "hi"`, ID: "a\\b\né😀\u2028", Date: at("2026-11-25T14:00:02Z"), Payload: []byte(`["\n", 1.50]`)}),
		"live":                               live,
		"unsubscribed":                       AppendUnsubscribed(nil, "a"),
		"reset":                              AppendReset(nil, "a", ReasonExpired, "5kQ2-510-b8"),
		"reset by the stream":                AppendReset(nil, "a", ReasonStream, "9wB1-3-h6"),
		"reset by the limit":                 AppendReset(nil, "a", ReasonLimit, "5kQ2-510-b8"),
		"published":                          AppendPublished(nil, "p1", one),
		"published, one of two stored before": AppendPublished(nil, "p4",
			[]Ack{{Cursor: "5kQ2-415-c4", Duplicate: true}, {Cursor: "5kQ2-419-g7"}}),
		"heartbeat":                 AppendPing(nil, "5kQ2-419-g7"),
		"heartbeat during a replay": AppendPing(nil, ""),
		"pong":                      AppendPong(nil),
		"error about a subscription": AppendError(nil, &Error{Code: DuplicateSub, Sub: "a",
			Message: "this connection already has a subscription a: choose another name, or unsubscribe first"}),
		"error about a publish": AppendError(nil, &Error{Code: TooLarge, Ref: "p1",
			Message: "events[0]: payload has 70000 bytes: the limit is 65536"}),
		"error about a frame":                  AppendError(nil, Errorf(BadFrame, "not an object but an array: send an object with an op")),
		"two objects in a frame of the server": append(append(append([]byte{}, tagged...), '\n'), live...),
		"event object":                         AppendObject(nil, event(replayed)),
		"history":                              AppendHistoryBody(nil, [][]byte{event(replayed)}, "5kQ2-413-k1", true),
		"empty history":                        AppendHistoryBody(nil, nil, "5kQ2-419-g7", false),
		"published body":                       AppendPublishedBody(nil, one),
		"reset data":                           AppendResetBody(nil, ReasonExpired, "5kQ2-510-b8"),
		"ticket body":                          AppendTicketBody(nil, "u3Jq0nVZx7cB2m9KfL5tYw8RsE1dGhPa", at("2026-11-25T14:00:30Z")),
		"forbidden subscription":               AppendError(nil, &Error{Code: Forbidden, Sub: "a", Message: "the token does not allow this subscription: all that is asked for has to be allowed"}),
		"error body":                           AppendErrorBody(nil, Errorf(Expired, "the events after this cursor are no longer stored: read everything again")),
	}
}

func TestGoldenServerFrames(t *testing.T) {
	left := written()
	for _, g := range goldens(t) {
		if g.Direction == "client" {
			continue
		}
		t.Run(g.Name, func(t *testing.T) {
			got, ok := left[g.Name]
			if !ok {
				t.Fatal("nothing writes this frame")
			}
			if string(got) != g.Frame {
				t.Errorf("wrote\n%s\nwant\n%s", got, g.Frame)
			}
			for object := range SplitFrame(got) {
				if !json.Valid(object) {
					t.Errorf("not JSON: %s", object)
				}
			}
		})
		delete(left, g.Name)
	}
	for name := range left {
		t.Errorf("frames.json lacks %q", name)
	}
}
