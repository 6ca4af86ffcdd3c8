package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

// A reader that takes nothing while more is published than may wait is given every event all the same, once and in order.
func TestFollowerThatFallsBehind(t *testing.T) {
	nc := natstest.Start(t).Connect()
	log, err := replay.Open(t.Context(), nc, replay.Config{Encode: bridge.Encode, WindowBytes: tailWindow})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	set, err := subjects.Filter{Resource: subjects.Wildcard}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	f := newFollower(log, set)
	defer f.close()
	f.most = 256 << 10
	if err := f.begin(replay.Start{}); err != nil {
		t.Fatal(err)
	}
	body := []byte(`"` + strings.Repeat("x", 8<<10) + `"`)
	const count = 100
	for i := range count {
		if _, err := nc.Request(fmt.Sprintf("live.r.t.%d", i), body, patience); err != nil {
			t.Fatal(err)
		}
	}
	until(t, func() bool { return log.Stats().Head == count }) // everything has been handed out
	next, resumed := 0, false
	for next < count {
		batch, behind := f.take()
		for _, i := range batch {
			if i.notice.Kind == replay.Reset {
				t.Fatalf("reset: %v", i.notice)
			}
			if i.event == nil {
				continue
			}
			if want := fmt.Sprintf("live.r.t.%d", next); i.event.Subject != want {
				t.Fatalf("got %s, want %s", i.event.Subject, want)
			}
			next++
		}
		if behind {
			resumed = true
			if err := f.resume(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if next < count {
			<-f.wake
		}
	}
	if !resumed {
		t.Error("nothing was let go: the queue is not bounded")
	}
}
