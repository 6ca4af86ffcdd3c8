package replay

import (
	"context"
	"sync"
	"time"
)

// watch asks the stream's leader for its state. Questions that come while one is under way share the next one, so that a
// thousand clients that resume at once cost a few requests.
type watch struct {
	log *Log

	mu      sync.Mutex
	current *look
	next    *look
}

// Where an answer was shared by a crowd there is a pause before the next question, for more of them to come.
const (
	aCrowdAsks = 8
	crowdPause = 2 * time.Millisecond
)

// A look is one answer.
type look struct {
	askers int // guarded by the watch's lock
	done   chan struct{}
	st     state
	err    error
}

// fresh returns a state that was asked for after the call began, and has already been taken into account by the log.
func (w *watch) fresh(ctx context.Context) (state, error) { return w.ask().wait(ctx) }

// ask asks for a state. It does not wait for the answer.
func (w *watch) ask() *look {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		w.next = &look{done: make(chan struct{})}
	}
	asked := w.next
	asked.askers++
	if w.current == nil {
		w.start()
	}
	return asked
}

// wait waits for the answer.
func (l *look) wait(ctx context.Context) (state, error) {
	select {
	case <-l.done:
		return l.st, l.err
	case <-ctx.Done():
		return state{}, ctx.Err()
	}
}

// start sends the next question. The caller holds the lock.
func (w *watch) start() {
	w.current, w.next = w.next, nil
	asked := w.current
	crowd := asked.askers >= aCrowdAsks
	spawned := w.log.spawn(func() {
		asked.st, asked.err = w.log.stream.state(w.log.ctx, false)
		if asked.err == nil && w.log.unclear(asked.st) {
			asked.st, asked.err = w.log.stream.state(w.log.ctx, true)
		}
		if asked.err == nil {
			w.log.observed(asked.st)
		}
		close(asked.done)
		if crowd {
			time.Sleep(crowdPause)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.current = nil
		if w.next != nil {
			w.start()
		}
	})
	if !spawned {
		asked.err = ErrUnavailable
		close(asked.done)
		w.current = nil
	}
}
