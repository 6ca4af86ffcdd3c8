package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/publish"
	"github.com/livebridge/livebridge/replay"
)

// publish stores events, all or none, and says where.
func (s *Server) publish(ctx context.Context, events []protocol.Publish, origin string) ([]protocol.Ack, *protocol.Error) {
	messages := 0
	list := make([]publish.Event, len(events))
	for i, e := range events {
		messages += e.Messages()
		list[i] = publish.Event{Resource: e.Resource, Type: e.Type, IDs: e.IDs, Payload: e.Payload, Date: e.Date, Key: e.Key, Origin: origin}
		if len(e.Meta) > 0 {
			list[i].Meta = e.Meta
		}
	}
	if most := s.cfg.Limits.Publish; messages > most {
		return nil, protocol.Errorf(protocol.TooMany, "%d messages, one for each id: a request may have %d", messages, most)
	}
	mark, began := s.cfg.Log.Mark(), time.Now()
	stored, err := s.cfg.Publisher.Publish(ctx, list...)
	if err != nil {
		return nil, s.publishError(err)
	}
	s.storing.acknowledged()
	s.metrics.published.Add(float64(messages))
	s.metrics.publishTime.Observe(time.Since(began).Seconds())
	return s.acks(ctx, mark, stored), nil
}

// cursorTimeout is how long the cursors of what was stored may be looked for. They are known at once, unless the tail is behind.
const cursorTimeout = 4 * time.Second

// acks says where events are stored. The cursor of one is "" where it cannot be found out in time.
func (s *Server) acks(ctx context.Context, mark replay.Mark, stored []publish.Ack) []protocol.Ack {
	ctx, cancel := context.WithTimeout(ctx, cursorTimeout)
	defer cancel()
	acks := make([]protocol.Ack, len(stored))
	var unknown error
	for i, a := range stored {
		cursor, err := mark.CursorOf(ctx, a.Seq)
		if err != nil {
			unknown = err
		}
		acks[i].Duplicate = a.Duplicate
		if !cursor.IsZero() {
			acks[i].Cursor = cursor.String()
		}
	}
	if unknown != nil {
		s.log.Warn("events were stored, but not all of their cursors are known", "error", unknown)
	}
	return acks
}

// publishError is what a client is told; the cause goes to the log.
func (s *Server) publishError(err error) *protocol.Error {
	var event *publish.EventError
	switch {
	case errors.As(err, &event):
		return protocol.Errorf(protocol.BadRequest, "%s", event.Error())
	case errors.Is(err, publish.ErrTooMany):
		return protocol.Errorf(protocol.TooMany, "%s", err.Error())
	case errors.Is(err, publish.ErrBatchDisabled):
		return protocol.Errorf(protocol.BadRequest, "this stream takes one message a request: %s", err.Error())
	}
	s.metrics.publishFailed.Inc()
	s.log.Warn("publish", "error", err)
	var unavailable *publish.UnavailableError
	if errors.As(err, &unavailable) && !unavailable.MaybeStored {
		return protocol.Errorf(protocol.Unavailable, "the event store does not answer: nothing was stored, send the events again")
	}
	if errors.As(err, &unavailable) && s.cfg.Log.Ready() == nil {
		s.storing.failed(s.cfg.Log.Stats().Head, time.Now())
	}
	if errors.Is(err, publish.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return protocol.Errorf(protocol.Unavailable, "the event store did not acknowledge: it may have stored the events all the same; send them again with the same key, and they are stored once")
	}
	return protocol.Errorf(protocol.Internal, "the events were not stored: the bridge's log says why")
}

// A publishQueue publishes what one client sends, one request after another, so that its events are stored in its order. Its reader waits
// while the queue is full.
type publishQueue struct {
	mu      sync.Mutex
	changed sync.Cond
	list    []protocol.Message
	busy    bool
	stopped bool
}

const publishesWaiting = 16

func (q *publishQueue) add(s *session, m protocol.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.list) >= publishesWaiting {
		q.changed.Wait()
	}
	if s.out.ending() {
		return // the client has been told to go, and what it sent last is as if it had not arrived
	}
	if q.stopped {
		_ = s.tell("", m.Ref, protocol.Errorf(protocol.Unavailable, "this bridge goes away: nothing was stored, publish again after you have reconnected"))
		return
	}
	q.list = append(q.list, m)
	if !q.busy {
		q.busy = s.srv.spawn(func() { q.run(s) })
	}
}

func (q *publishQueue) run(s *session) {
	for {
		m, ok := q.next()
		if !ok {
			return
		}
		s.answer(m)
	}
}

// next takes the next request. Where there is none, the queue is no longer busy.
func (q *publishQueue) next() (m protocol.Message, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
	if len(q.list) == 0 {
		q.busy, q.list = false, nil
		return m, false
	}
	m = q.list[0]
	q.list = q.list[1:]
	return m, true
}

// answer publishes what one request asks for and answers it, even where that has a bug.
func (s *session) answer(m protocol.Message) {
	defer func() {
		if r := recover(); r != nil {
			s.srv.bug(s.log(), r)
			_ = s.tell("", m.Ref, internal())
		}
	}()
	acks, err := s.srv.publish(s.srv.ctx, m.Events, s.id)
	if err != nil {
		_ = s.tell("", m.Ref, err)
		return
	}
	s.out.text(protocol.AppendPublished(nil, m.Ref, acks))
}

// stop refuses what comes later.
func (q *publishQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
}

// wait waits until everything accepted has been published.
func (q *publishQueue) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.busy {
		q.changed.Wait()
	}
}
