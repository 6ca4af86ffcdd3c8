package replay

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// A stream is rolled back, and its tail does not know of it yet, when a subscription begins: it is given what is in memory, or, where it
// must be read, what is stored now. Once the tail looks, whoever is there is told. But where all that took the place of what was lost has
// left the stream by then, and nothing else has, nothing shows that it was rolled back (ADR 0002), and they go on.
func TestRollBackWithoutATrace(t *testing.T) {
	const lost, inMemory, stored = "+ ^ 1. 2. 3. 4. 5. 6. 7. 8.", "+ 1 2 3 4 5 6 7 8 ^", "+ 1 2 3 4 15 16 17 18"
	for _, c := range []struct {
		memory      int
		purged      bool
		given, then string // to a subscription from the first event, before the tail looks and afterwards
	}{
		{64 << 20, false, inMemory, " !stream"},
		{64 << 20, true, inMemory, " 19."},
		{1, false, stored, " !stream"},
		{1, true, stored, " ^ 19."},
	} {
		t.Run(fmt.Sprint(c.memory, c.purged), func(t *testing.T) {
			s, nc := env(t)
			l := openLog(t, nc, Config{WindowBytes: c.memory})
			live := subscribe(t, l, everything, Start{})
			publishIDs(t, nc, 1, 4)
			live.until(t, "4.")
			r := &race{nats: s, saved: s.Saved()}
			held, release := holdAt(t, l, 8)
			publishIDs(t, s.Connect(), 5, 8)
			<-held
			r.rollBack()
			publishIDs(t, r.nc, 15, 19)
			answered(t, l)
			first := subscribe(t, l, everything, Start{Kind: First})
			first.until(t, c.given)
			if c.purged {
				r.purge(t, jetstream.WithPurgeSequence(9))
			}
			release()
			if got, want := first.until(t, c.then), c.given+c.then; got != want {
				t.Errorf("from the first event: %q, want %q", got, want)
			}
			then := map[bool]string{false: " !stream", true: " 19."}[c.purged]
			if got, want := live.until(t, then), lost+then; got != want {
				t.Errorf("live: %q, want %q", got, want)
			}
		})
	}
}

// What the tail had been brought before a roll-back still comes live before the reset, in its order, also to who came in between.
func TestBroughtBeforeARollBack(t *testing.T) {
	s, nc := env(t)
	l, held, release := openHeld(t, nc, Config{}, "5")
	publishIDs(t, s.Connect(), 1, 3)
	r := &race{nats: s, saved: s.Saved()}
	publishIDs(t, s.Connect(), 4, 4)
	cursorOf(t, l, 4)
	publishIDs(t, s.Connect(), 5, 5)
	<-held
	r.rollBack()
	publishIDs(t, r.nc, 14, 16)
	answered(t, l)
	first := subscribe(t, l, everything, Start{Kind: First})
	first.until(t, "+ 1 2 3 4 ^")
	release()
	if got, want := first.until(t, "!stream"), "+ 1 2 3 4 ^ 5. !stream"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// answered waits until the log has an answer of NATS as it was started again.
func answered(t *testing.T, l *Log) {
	waitFor(t, "NATS answers", func() bool {
		_, err := l.watch.fresh(t.Context())
		return err == nil
	})
}
