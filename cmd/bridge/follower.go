package main

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

// What waits to be printed, in bytes: a replay is held up at the first, and beyond the second live events are let go, to be replayed later.
const (
	replayWaits = 1 << 20
	liveWaits   = 16 << 20
)

// An item is an event, or a notice.
type item struct {
	event  *replay.Event
	notice replay.Notice
}

// A follower is a subscription whose events wait until they are taken. A taker that is too slow misses nothing and costs bounded memory:
// the subscription is given up, and resumed after the last event that was taken.
type follower struct {
	log  *replay.Log
	set  *subjects.Set
	sub  *replay.Subscription
	most int           // bytes of live events that may wait
	wake chan struct{} // something waits
	room chan struct{} // something was taken

	mu     sync.Mutex
	queue  []item
	bytes  int
	behind bool          // events were let go
	last   *replay.Event // the newest that was taken
}

// newFollower makes a follower of the events of a set. It must be closed.
func newFollower(log *replay.Log, set *subjects.Set) *follower {
	return &follower{log: log, set: set, most: liveWaits, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// begin subscribes.
func (f *follower) begin(start replay.Start) (err error) {
	f.sub, err = f.log.Subscribe(f, replay.SubscribeOptions{Set: f.set, Start: start})
	return err
}

// resume subscribes anew after the last event that was taken.
func (f *follower) resume() error {
	f.sub.Close()
	f.mu.Lock()
	last := f.last
	f.queue, f.bytes, f.behind = nil, 0, false
	f.mu.Unlock()
	cursor, err := cursorOf(last.Frame)
	if err != nil {
		return err
	}
	return f.begin(replay.Start{Kind: replay.After, After: cursor})
}

func cursorOf(frame []byte) (replay.Cursor, error) {
	var e struct{ Cursor string }
	if err := json.Unmarshal(frame, &e); err != nil {
		return replay.Cursor{}, err
	}
	return replay.ParseCursor(e.Cursor)
}

func (f *follower) close() {
	if f.sub != nil {
		f.sub.Close()
	}
}

// take returns what waits, and whether what follows it was let go.
func (f *follower) take() (batch []item, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	batch, f.queue, f.bytes = f.queue, nil, 0
	for i := len(batch) - 1; i >= 0; i-- {
		if e := batch[i].event; e != nil {
			f.last = e
			break
		}
	}
	poke(f.room)
	return batch, f.behind
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (f *follower) add(i item, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.behind || most > 0 && f.bytes > most {
		f.behind = true
		return
	}
	f.queue = append(f.queue, i)
	if i.event != nil {
		f.bytes += len(i.event.Frame) + len(i.event.Subject)
	}
	poke(f.wake)
}

// Notice implements [replay.Sink].
func (f *follower) Notice(n replay.Notice) { f.add(item{notice: n}, 0) }

// Live implements [replay.Sink].
func (f *follower) Live(e *replay.Event) { f.add(item{event: e}, f.most) }

// Replayed implements [replay.Sink].
func (f *follower) Replayed(events []*replay.Event) {
	for _, e := range events {
		f.add(item{event: e}, 0)
	}
}

// Wait implements [replay.Sink].
func (f *follower) Wait(ctx context.Context) error {
	for {
		f.mu.Lock()
		room := f.bytes <= replayWaits
		f.mu.Unlock()
		if room {
			return nil
		}
		select {
		case <-f.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
