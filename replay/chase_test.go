package replay

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
)

// A replay comes to the head, and at once, of a stream that goes on: although an event leaves the window each time that JetStream is asked
// for something, so that nothing that was found out about the window is true any more when the answer is there.
func TestReplayOfAStreamThatGoesOn(t *testing.T) {
	s, nc := env(t)
	wire := &tripwire{}
	l := openLog(t, s.Connect(nats.SetCustomDialer(wire)), Config{WindowBytes: 4 << 10})
	last := 200
	read(t, l, publishIDs(t, nc, 1, last))
	if n := l.Stats().WindowEvents; n < 20 || n > 100 {
		t.Fatalf("the window holds %d events: the test means some, and not all", n)
	}

	var over atomic.Bool
	var goOn func()
	goOn = func() {
		if !over.Load() {
			last++
			read(t, l, publishIDs(t, nc, last, last))
			wire.set("$JS.API.", 0, goOn)
		}
	}
	wire.set("$JS.API.", 0, goOn)
	r := subscribe(t, l, everything, Start{Kind: First})
	waitFor(t, "the subscription is live", func() bool { return l.Stats().Live == 1 })
	over.Store(true)
	got, _, _ := strings.Cut(r.String(), " ^")

	want := "+"
	for i := range len(strings.Fields(got)) - 1 {
		want += fmt.Sprint(" ", i+1)
	}
	if got != want {
		t.Errorf("replayed %q", got)
	}
}
