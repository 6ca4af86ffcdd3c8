package bridge

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// A subscription is one subscription of one connection: the log's sink, and the client's name for it.
type subscription struct {
	conn *conn
	name string
	head []byte // how its replayed events begin
	says teller

	last *dedupe // what the connection was given last, shared by its subscriptions; nil = every event is tagged

	rights *atomic.Pointer[access] // what the connection may do now; nil = what is handed over needs no second look

	over     bool // nothing is queued for it any more; guarded by the outbox's lock
	reserved bool // it may add a chunk; guarded by the outbox's lock

	done    func(*subscription) // called once when it ends by itself, with the outbox's lock held
	caught  func()              // called once when it is no longer being replayed to
	settled sync.Once
}

// settle notes that the subscription is no longer being replayed to.
func (s *subscription) settle() { s.settled.Do(s.caught) }

// A teller words notices for a connection.
type teller interface {
	notice(s *subscription, n replay.Notice) []byte
}

// dedupe remembers which live event a connection was given last, so that it is sent once however many of its subscriptions match. It
// does not point to the event, which would keep one in memory for each idle connection. The log's lock guards it.
type dedupe struct {
	seq    uint64
	stored int64
}

// Notice implements [replay.Sink].
func (s *subscription) Notice(n replay.Notice) {
	s.debug(n)
	text := s.says.notice(s, n)
	if n.Kind == replay.Failed {
		s.conn.out.ask(func(*control) { s.conclude(text) })
	} else {
		s.send(text)
	}
	if n.Kind != replay.Subscribed {
		s.release()
		s.settle()
	}
}

// debug logs a notice. It may write with the log's lock held, which the debug level is worth, and no other.
func (s *subscription) debug(n replay.Notice) {
	if !s.conn.srv.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	attrs := []any{"sub", s.name, "cursor", n.At.String()}
	if n.Reason != "" {
		attrs = append(attrs, "reason", n.Reason)
	}
	if n.Err != nil {
		attrs = append(attrs, "error", n.Err)
	}
	s.conn.debug(n.Kind.String(), attrs...)
}

// send queues a text for this subscription, unless it is over.
func (s *subscription) send(text []byte) {
	o := &s.conn.out
	o.mu.Lock()
	over := s.over
	o.mu.Unlock()
	if !over && len(text) > 0 {
		o.text(text)
	}
}

// conclude queues the last texts for a subscription that ends by itself, unless it is over. The client may use its name again as soon as
// it has read them, so the name is free from now on. The caller holds the outbox's lock, and has seen that the connection is not closing.
func (s *subscription) conclude(texts ...[]byte) {
	if s.over {
		return
	}
	for _, text := range texts {
		s.conn.out.add(item{text: &text})
	}
	s.over = true
	s.done(s)
}

// Live implements [replay.Sink].
func (s *subscription) Live(e *replay.Event) {
	if s.last == nil {
		s.conn.out.push(item{text: &e.Frame, sub: s})
		return
	}
	if this := (dedupe{e.Seq, e.Stored}); *s.last != this {
		*s.last = this
		s.conn.out.push(item{text: &e.Frame})
	}
}

// Replayed implements [replay.Sink].
func (s *subscription) Replayed(events []*replay.Event) {
	o := &s.conn.out
	o.mu.Lock()
	s.giveBack()
	if s.over || o.closing {
		o.mu.Unlock()
		return
	}
	over := false
	if s.rights != nil {
		events, over = s.rights.Load().permitted(events)
	}
	if s.head != nil {
		s.conn.srv.stretches.split(s.head, events, func(c *stretch) { o.add(item{stretch: c}) })
	} else {
		for _, e := range events {
			o.add(item{text: &e.Frame, sub: s})
		}
	}
	if over {
		s.cutShort()
	}
	start := o.begin()
	o.mu.Unlock()
	if start {
		s.conn.shard.add(o)
	}
	if over {
		s.settle()
	}
}

// cutShort tells the client that its replay is older than a fresh token allows. What follows would have a gap before it, so the
// subscription ends. The caller holds the outbox's lock.
func (s *subscription) cutShort() {
	e := protocol.Errorf(protocol.Forbidden, "the token allows to replay the last %s, and this replay began before: subscribe again", s.rights.Load().History)
	e.Sub = s.name
	s.conn.srv.metrics.refused(e.Code)
	s.conclude(protocol.AppendError(nil, e), protocol.AppendUnsubscribed(nil, s.name))
}

// Wait implements [replay.Sink].
func (s *subscription) Wait(ctx context.Context) error {
	s.release()
	return s.conn.out.reserve(ctx, s)
}

func (s *subscription) release() {
	s.conn.out.mu.Lock()
	s.giveBack()
	s.conn.out.mu.Unlock()
}

// giveBack ends a reservation. The caller holds the outbox's lock.
func (s *subscription) giveBack() {
	if s.reserved {
		s.reserved = false
		s.conn.out.release()
	}
}

// end makes sure that nothing more is queued for the subscription.
func (s *subscription) end() {
	s.conn.out.mu.Lock()
	defer s.conn.out.mu.Unlock()
	s.over = true
	s.giveBack()
}

// wsTeller words notices as the WebSocket's frames.
type wsTeller struct{}

func (wsTeller) notice(s *subscription, n replay.Notice) []byte {
	switch n.Kind {
	case replay.Subscribed:
		return protocol.AppendSubscribed(nil, s.name, n.Recovered, n.At.String())
	case replay.Live:
		return protocol.AppendLive(nil, s.name, n.At.String())
	case replay.Reset:
		return protocol.AppendReset(nil, s.name, protocol.Reason(n.Reason), n.At.String())
	default:
		e := s.conn.srv.told(n.Err)
		s.conn.refused(e.Code)
		e.Sub = s.name
		return protocol.AppendError(nil, e)
	}
}

// told is what a client is told of an error of the log.
func (s *Server) told(err error) *protocol.Error {
	var lost *replay.LostError
	switch {
	case errors.As(err, &lost):
		return protocol.Errorf(protocol.Expired, "%s", lost.Error())
	case errors.Is(err, replay.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.Unavailable, "the event store does not answer now: try again in a moment")
	default:
		s.log.Error("replay", "error", err)
		return internal()
	}
}

// Between these times the log can tell times apart: it counts nanoseconds in 64 bits.
var oldest, newest = time.Unix(0, 0), time.Unix(0, math.MaxInt64)

// startOf turns a client's start into the log's.
func startOf(s protocol.Start, now time.Time) (replay.Start, *protocol.Error) {
	switch s.Kind {
	case protocol.After:
		c, err := replay.ParseCursor(s.After)
		if err != nil {
			return replay.Start{}, protocol.Errorf(protocol.BadCursor, "%s", err.Error())
		}
		return replay.Start{Kind: replay.After, After: c}, nil
	case protocol.Since:
		t := s.Time(now)
		if t.Before(oldest) {
			t = oldest
		} else if t.After(newest) {
			t = newest
		}
		return replay.Start{Kind: replay.Since, Since: t}, nil
	case protocol.Last:
		return replay.Start{Kind: replay.Last, Last: s.Last}, nil
	default:
		return replay.Start{}, nil
	}
}
