package replay

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// What is encoded next leaves alone what was encoded before, whatever sizes there are, and whoever appends to a frame.
func TestSlab(t *testing.T) {
	l := &Log{cfg: Config{Encode: text, Logger: slog.New(slog.DiscardHandler)}}
	var s slab
	var events []*Event
	want := func(i int) string { return fmt.Sprintf("%d=%s", i, strings.Repeat(fmt.Sprint(i%10), i*i%5000)) }
	const n = 1000
	for i := range n {
		subject := fmt.Sprintf("live.a.b.%d", i)
		if i%7 == 0 {
			subject = "live.no"
		}
		data := strings.TrimPrefix(want(i), fmt.Sprintf("%d=", i))
		events = append(events, s.event(l, stored{&nats.Msg{Subject: subject, Data: []byte(data)}, position{uint64(i + 1), int64(i)}}, 1))
	}
	for i, e := range events {
		switch {
		case e.Seq != uint64(i+1) || e.Stored != int64(i):
			t.Fatalf("event %d is %d, stored at %d", i+1, e.Seq, e.Stored)
		case i%7 == 0:
			if e.Subject != "" || len(e.Frame) != 0 {
				t.Fatalf("%d is no event, and has %q and %q", i, e.Subject, e.Frame)
			}
		case string(e.Frame) != want(i):
			t.Fatalf("%d: %q, want %q", i, e.Frame, want(i))
		}
		e.Frame = append(e.Frame, "something else"...)
	}
}
