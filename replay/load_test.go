package replay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/livebridge/livebridge/subjects"
)

// An order is a sink that wants every sequence after its start, and says so as soon as one is missing or comes twice.
type order struct {
	mu    sync.Mutex
	next  uint64 // 0 = not begun
	wrong error
	lives int
	seen  chan struct{} // closed after a few live events, or when something is wrong
	done  bool
}

func (o *order) take(seq uint64, what string) {
	o.want(seq, what)
	o.next = seq + 1
}

func (o *order) want(seq uint64, what string) {
	if o.next != seq && o.wrong == nil {
		o.wrong = fmt.Errorf("%s: %d instead of %d", what, seq, o.next)
	}
	if (o.wrong != nil || o.lives >= 3) && !o.done {
		o.done = true
		close(o.seen)
	}
}

func (o *order) Notice(n Notice) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch n.Kind {
	case Subscribed:
		o.next = n.At.floor() + 1
	case Live:
		o.want(n.At.floor()+1, "live from")
	default:
		o.want(0, fmt.Sprintf("notice %+v", n))
	}
}

func (o *order) Live(e *Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lives++
	o.take(e.Seq, "live")
}

func (o *order) Replayed(events []*Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range events {
		o.take(e.Seq, "replayed")
	}
}

func (o *order) Wait(ctx context.Context) error { return ctx.Err() }

// Subscriptions that begin and end as fast as they can, in a log whose head moves as fast as it can: the seam is passed thousands of
// times, and often in the midst of a delivery.
func TestSeamUnderLoad(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l := bareLog(256 << 20)
	l.ctx, l.cfg = ctx, Config{MaxReplay: 1 << 40}
	fill(l, 1000)
	began := time.Now()
	var feeder, subscribers sync.WaitGroup
	feeder.Go(func() { feed(ctx, l) })
	for range 4 {
		subscribers.Go(func() {
			for i := uint64(0); i < 3000 && time.Since(began) < 4*time.Second; i++ {
				if err := passTheSeam(l, set(t, everything), i%3*20); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	subscribers.Wait()
	cancel()
	feeder.Wait()
	if len(l.live) != 0 || len(l.routes.byPat) != 0 {
		t.Errorf("%d subscriptions and %d patterns are left", len(l.live), len(l.routes.byPat))
	}
}

func feed(ctx context.Context, l *Log) {
	for seq := l.win.head.seq + 1; ctx.Err() == nil; runtime.Gosched() {
		var some []*Event
		for range 1 + seq%40 {
			some = append(some, &Event{Seq: seq, Stored: int64(seq), Subject: "live.a.b.c"})
			seq++
		}
		l.append(some)
	}
}

// passTheSeam subscribes so many events before the head, sees some live events, and leaves.
func passTheSeam(l *Log, all *subjects.Set, back uint64) error {
	o := &order{seen: make(chan struct{})}
	var sub *Subscription
	if back == 0 {
		var err error
		if sub, err = l.Subscribe(o, SubscribeOptions{Set: all}); err != nil {
			return err
		}
	} else {
		ctx, cancel := context.WithCancel(l.ctx)
		sub = &Subscription{log: l, set: all, sink: o, exact: true, cancel: cancel}
		r := &replayer{log: l, set: sub.set, chunk: defaultChunk}
		l.mu.Lock()
		r.begin(Cursor{seq: l.win.head.seq - back})
		l.mu.Unlock()
		sub.notice(ctx, Notice{Kind: Subscribed, At: r.at})
		sub.replay(ctx, r)
	}
	defer sub.Close()
	select {
	case <-o.seen:
		return o.wrong
	case <-l.ctx.Done():
		return errors.New("still not live")
	}
}
