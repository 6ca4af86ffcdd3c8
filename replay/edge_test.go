package replay

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// slow subscribes with a sink that takes one chunk of one event for each token.
func slow(t testing.TB, l *Log, start Start) (*recorder, chan<- struct{}) {
	t.Helper()
	r := record()
	room := make(chan struct{}, 100)
	r.room = room
	s, err := l.Subscribe(r, SubscribeOptions{Set: set(t, everything), Start: start, Chunk: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return r, room
}

// What a consumer said of the stream's end some time ago is not the end now.
func TestStreamGoesOnWhileASlowReplayReads(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{WindowBytes: 1})
	publishIDs(t, nc, 1, 5)
	cursorOf(t, l, 5)
	r, room := slow(t, l, Start{Kind: First})
	for range 4 {
		room <- struct{}{}
	}
	r.until(t, "+ 1 2 3 4")
	cursorOf(t, l, publishIDs(t, nc, 6, 9)) // out of the window, but for the last
	for range 6 {
		room <- struct{}{}
	}
	if got := r.until(t, "^"); got != "+ 1 2 3 4 5 6 7 8 9 ^" {
		t.Errorf("got %q", got)
	}
}

// A subscription that begins in the future is given what comes meanwhile, whether it is live already or not.
func TestSinceTheFuture(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	cursorOf(t, l, publishIDs(t, nc, 1, 1))
	r, room := slow(t, l, Start{Kind: Since, Since: time.Now().Add(time.Hour)})
	r.until(t, "+")
	cursorOf(t, l, publishIDs(t, nc, 2, 2))
	close(room)
	if got := r.until(t, "^"); got != "+ 2 ^" {
		t.Errorf("got %q", got)
	}
	publishIDs(t, nc, 3, 3)
	r.until(t, "+ 2 ^ 3.")
}

// Headers that look like those of JetStream's own replies do not make a stored event one of them.
func TestEventWithTheHeadersOfAStatus(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{WindowBytes: 1})
	r := subscribe(t, l, everything, Start{})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, status := range []string{"100", "404", "408", "409", "503"} {
		for i, body := range []string{"", "x"} {
			m := nats.NewMsg(fmt.Sprintf("live.products.updated.%s-%d", status, i))
			m.Header.Set("Status", status)
			m.Header.Set("Nats-Last-Consumer", "77")
			m.Data = []byte(body)
			if _, err := js.PublishMsg(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			want += fmt.Sprintf(" %s-%d", status, i)
		}
	}
	cursorOf(t, l, publishIDs(t, nc, 1, 1)) // the tail has read it
	if got := subscribe(t, l, everything, Start{Kind: First}).until(t, "1 ^"); got != "+"+want+" 1 ^" {
		t.Errorf("replayed: %q", got)
	}
	r.until(t, " 1.")
	if n := l.Stats().TailRestarts; n != 0 {
		t.Errorf("the tail was restarted %d times", n)
	}
}

func TestCloseDuringReplays(t *testing.T) {
	_, nc := env(t)
	publishTo := openLog(t, nc, Config{})
	publishIDs(t, nc, 1, 20)
	for range 20 {
		l := openLog(t, nc, Config{WindowBytes: 1})
		for range 50 {
			subscribe(t, l, everything, Start{Kind: First})
		}
		l.Close()
		if _, err := l.History(t.Context(), set(t, everything), View{}, Start{Kind: First}, 10, 1000); !errors.Is(err, ErrUnavailable) {
			t.Errorf("history of a closed log: %v", err)
		}
		for _, start := range []Start{{}, {Kind: First}} {
			if _, err := l.Subscribe(record(), SubscribeOptions{Set: set(t, everything), Start: start}); !errors.Is(err, ErrUnavailable) {
				t.Errorf("subscription of a closed log: %v", err)
			}
		}
	}
	publishTo.Close()
}

// waits waits until somebody waits for the head to move.
func waits(t testing.TB, l *Log) {
	t.Helper()
	waitFor(t, "somebody waits for the head", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.waiting > 0
	})
}

func deleteConsumers(t testing.TB, l *Log) {
	t.Helper()
	names := jsStream(t, l).ConsumerNames(t.Context())
	for name := range names.Name() {
		if err := jsStream(t, l).DeleteConsumer(t.Context(), name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) { // a replay's may have gone by itself
			t.Fatal(err)
		}
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
}

// What the tail has missed is told to those who were live. A replay that is ahead of the tail misses nothing, and is told nothing.
func TestExpiryThatTheTailMissed(t *testing.T) {
	s, nc := env(t)
	other := openLog(t, s.Connect(), Config{})
	l, held, release := openHeld(t, nc, Config{}, "4")
	live := subscribe(t, l, everything, Start{})
	publisher := s.Connect()
	publishIDs(t, publisher, 1, 4)
	<-held
	deleteConsumers(t, other) // so that this one brings nothing any more
	publishIDs(t, publisher, 5, 9)
	c7 := cursorOf(t, other, 7)
	if err := jsStream(t, other).Purge(t.Context(), jetstream.WithPurgeSequence(8)); err != nil {
		t.Fatal(err)
	}
	ahead := subscribe(t, l, everything, Start{Kind: After, After: c7})
	waits(t, l)
	release()
	if got := ahead.until(t, "^"); got != "+ 8 9 ^" {
		t.Errorf("ahead of the tail: %q", got)
	}
	if got := live.until(t, "expired"); got != "+ ^ 1. 2. 3. 4. !expired" {
		t.Errorf("live: %q", got)
	}
	publishIDs(t, publisher, 10, 10)
	ahead.until(t, "^ 10.")
	live.until(t, "!expired 10.")
}
