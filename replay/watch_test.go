package replay

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
)

// infoRequests counts how often the stream is asked for its state.
func infoRequests(t testing.TB, nc *nats.Conn) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	if _, err := nc.Subscribe("$JS.API.STREAM.INFO.LIVE", func(*nats.Msg) { n.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return &n
}

// Those who ask while a question is under way share the next one.
func TestWatchShares(t *testing.T) {
	s, nc := env(t)
	l := openLog(t, nc, Config{})
	asked := infoRequests(t, s.Connect())
	l.watch.mu.Lock() // everybody comes to the same door
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if _, err := l.watch.fresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	l.watch.mu.Unlock()
	all.Wait()
	if n := asked.Load(); n > 100 {
		t.Errorf("1,000 looks cost %d requests", n)
	}
}

// An answer is younger than the question, also where it is shared.
func TestWatchIsFresh(t *testing.T) {
	s, nc := env(t)
	l := openLog(t, nc, Config{})
	var all sync.WaitGroup
	for range 8 {
		publisher := s.Connect()
		all.Go(func() {
			for range 50 {
				seq := publish(t, publisher, "live.a.b.c", "x")
				if st, err := l.watch.fresh(t.Context()); err != nil || st.last.seq < seq {
					t.Errorf("after %d was stored the stream ends at %d: %v", seq, st.last.seq, err)
				}
			}
		})
	}
	all.Wait()
}

func TestWatchEnds(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.watch.fresh(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	l.Close()
	for range 2 {
		if _, err := l.watch.fresh(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("closed: %v", err)
		}
	}
}
