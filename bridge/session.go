package bridge

import (
	"sync/atomic"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

// A session is one WebSocket connection and what it has asked for. Its methods are called by the connection's reader, except where they
// say otherwise.
type session struct {
	*conn
	entered   bool // it is counted in
	parking   parking
	reads     ws.Conn    // what its reader reads from
	reader    *ws.Reader // nil while it is parked
	budget    budget     // of what comes in
	patience  budget     // of what comes in over the budget
	words     int        // ids and types of the subscriptions
	turns     replay.Turns
	connected atomic.Bool
	rights    atomic.Pointer[access] // nil where no tokens are asked for
	subs      map[string]*entry
	live      dedupe
	publishes publishQueue

	lastRead atomic.Int64 // Unix nanoseconds
	behind   atomic.Int32 // subscriptions that are being replayed to

	failed []*subscription // ended by themselves; guarded by the outbox's lock
}

type entry struct {
	mine  *subscription
	words int // ids and types
	its   *replay.Subscription
	asks  subjects.Filter // what it asks for; kept only where tokens are asked for
}

func (s *session) frame(op ws.Op, payload []byte, now time.Time) error {
	if op == ws.Close {
		code := protocol.CloseCode(ws.CloseCode(payload))
		if code == ws.CodeNone {
			code = closeNormal
		}
		return closing{code: code, answered: true}
	}
	if s.out.ending() {
		return nil // the close frame is on its way
	}
	over, err := s.spend(payload, now)
	if err != nil {
		return err
	}
	switch op {
	case ws.Text:
		return s.text(payload, over)
	case ws.Binary:
		return closing{code: protocol.CloseBinary}
	case ws.Ping:
		pong := append([]byte{}, payload...)
		s.out.ask(func(c *control) { c.pong = pong })
	}
	return nil
}

func (s *session) text(frame []byte, over string) error {
	empty := true
	for object := range protocol.SplitFrame(frame) {
		if empty = false; s.out.ending() {
			return nil
		}
		if err := s.object(object, over); err != nil {
			return err
		}
	}
	if empty {
		return s.refuse(protocol.Errorf(protocol.BadFrame, `a frame without an object: send JSON objects, one a line, such as {"op":"ping"}`))
	}
	return nil
}

func (s *session) object(object []byte, over string) error {
	m, perr := protocol.ParseMessage(object, s.srv.cfg.Limits)
	switch {
	case perr != nil && perr.Code == protocol.BadFrame:
		return s.refuse(perr)
	case !s.connected.Load() && (perr != nil || m.Op != protocol.OpConnect):
		return s.refuse(protocol.Errorf(protocol.BadRequest, `the first frame must be {"op":"connect"}`))
	case over == overFrames:
		return s.tell(m.Sub, m.Ref, protocol.Errorf(protocol.RateLimited, "more than %g frames a second: this one was not looked at, send it again later", s.srv.cfg.Rate))
	case over == overBytes:
		return s.tell(m.Sub, m.Ref, protocol.Errorf(protocol.RateLimited, "more than %d bytes a second: this frame was not looked at, send it again later", s.srv.cfg.ByteRate))
	case perr != nil:
		return s.tell(perr.Sub, perr.Ref, perr)
	}
	switch m.Op {
	case protocol.OpConnect:
		return s.connect(m)
	case protocol.OpSubscribe:
		return s.tell(m.Sub, "", s.subscribe(m))
	case protocol.OpUnsubscribe:
		return s.tell(m.Sub, "", s.unsubscribe(m.Sub))
	case protocol.OpPublish:
		if perr := s.rights.Load().mayPublish(m.Events); perr != nil {
			return s.tell("", m.Ref, perr)
		}
		s.publishes.add(s, m)
	case protocol.OpToken:
		return s.renew(m.Token)
	case protocol.OpPing:
		s.out.text(protocol.AppendPong(nil))
	}
	return nil
}

// refuse answers what cannot be gone on from.
func (s *session) refuse(e *protocol.Error) error {
	_ = s.tell("", "", e)
	return closing{code: protocol.CloseOrder}
}

// tell sends an error, if there is one.
func (s *session) tell(sub, ref string, e *protocol.Error) error {
	if e != nil {
		e.Sub, e.Ref = sub, ref
		s.refused(e.Code)
		s.out.text(protocol.AppendError(nil, e))
	}
	return nil
}

func (s *session) connect(m protocol.Message) error {
	if s.connected.Load() {
		return s.refuse(protocol.Errorf(protocol.BadRequest, "this connection is connected already: connect is the first frame, and comes once"))
	}
	if s.srv.cfg.Auth != nil {
		a, err := s.admit(m.Token)
		if err != nil {
			return err
		}
		if !s.srv.own(s.conn, a.Subject) {
			s.srv.refuse(overUser, s.remote)
			_ = s.tell("", "", s.srv.tooMany(overUser))
			return closing{code: protocol.CloseTooMany}
		}
		s.rights.Store(a)
	}
	s.connected.Store(true)
	s.sayConnected(nil)
	s.debug("connected")
	return nil
}

// sayConnected tells the client what it is connected with, and then what else it has to know.
func (s *session) sayConnected(more [][]byte) {
	cfg := &s.srv.cfg
	cfg.Log.AtHead(func(head replay.Cursor) {
		s.out.text(protocol.AppendConnected(nil, s.id, head.String(), cfg.Ping, cfg.Limits, s.rights.Load().expires()))
		for _, text := range more {
			s.out.text(text)
		}
	})
}

func (s *session) subscribe(m protocol.Message) *protocol.Error {
	s.forgetFailed()
	if s.subs[m.Sub] != nil {
		return protocol.Errorf(protocol.DuplicateSub, "there is a subscription %q on this connection: unsubscribe it first, or use another name", m.Sub)
	}
	filter := subjects.Filter{Resource: m.Subscribe.Resource, Types: m.Subscribe.Types, IDs: m.Subscribe.IDs}
	set, err := filter.Compile()
	if err != nil {
		return protocol.Errorf(protocol.BadRequest, "%s", err.Error())
	}
	words := len(filter.IDs) + len(filter.Types)
	if perr := s.roomFor(words); perr != nil {
		return perr
	}
	now := time.Now()
	start, perr := startOf(m.Subscribe.Start, now)
	if perr != nil {
		return perr
	}
	who := s.rights.Load()
	if perr := who.maySubscribe(filter, start, now); perr != nil {
		return perr
	}
	mine := &subscription{
		conn: s.conn, name: m.Sub, head: protocol.AppendTagged(nil, m.Sub, []byte(protocol.EventHead)), says: wsTeller{}, last: &s.live,
		done: s.noteFailed, caught: func() { s.behind.Add(-1) },
	}
	s.behind.Add(1) // until it is live
	e := &entry{mine: mine, words: words}
	s.subs[m.Sub] = e
	s.words += words
	opts := replay.SubscribeOptions{Set: set, Start: start, Chunk: s.out.chunk()}
	if start.Kind != replay.Now && s.turns == nil {
		s.turns = replay.NewTurns(s.srv.cfg.Replays)
	}
	opts.Turns = s.turns
	if who != nil {
		mine.rights, e.asks = &s.rights, filter
		opts.View = replay.View{Allows: s.shows, NotBefore: who.NotBefore(now)}
	}
	its, err := s.srv.cfg.Log.Subscribe(mine, opts)
	if err != nil {
		delete(s.subs, m.Sub)
		s.words -= words
		mine.settle()
		return s.srv.told(err)
	}
	e.its = its
	s.debug("subscribe", "sub", m.Sub, "resource", m.Subscribe.Resource, "types", len(m.Subscribe.Types), "ids", len(m.Subscribe.IDs), "after", m.Subscribe.Start.After)
	return nil
}

// roomFor is nil, or says which limit another subscription with so many ids and types would exceed.
func (s *session) roomFor(words int) *protocol.Error {
	if most := s.srv.cfg.Limits.Subscriptions; len(s.subs) >= most {
		s.srv.refuse(overSubscriptions, s.remote)
		return protocol.Errorf(protocol.TooMany, "a connection may have %d subscriptions", most)
	}
	if most := s.srv.cfg.IDs; s.words+words > most {
		s.srv.refuse(overIDs, s.remote)
		return protocol.Errorf(protocol.TooMany, "all subscriptions of a connection may name %d ids and types in all: there is room for %d more", most, most-s.words)
	}
	return nil
}

func (s *session) unsubscribe(name string) *protocol.Error {
	s.forgetFailed()
	e := s.subs[name]
	if e == nil {
		return protocol.Errorf(protocol.UnknownSub, "there is no subscription %q on this connection", name)
	}
	s.stop(e)
	s.out.text(protocol.AppendUnsubscribed(nil, name))
	return nil
}

// stop ends a subscription: nothing is queued for it after stop has returned.
func (s *session) stop(e *entry) {
	delete(s.subs, e.mine.name)
	s.words -= e.words
	e.mine.end()
	if e.its != nil { // nil only after a panic
		e.its.Close()
	}
	e.mine.settle()
}

// noteFailed is called, by a goroutine of the log, when a subscription ends by itself. The reader forgets it before it next looks. The
// caller holds the outbox's lock.
func (s *session) noteFailed(sub *subscription) { s.failed = append(s.failed, sub) }

// forgetFailed makes the names of failed subscriptions free again.
func (s *session) forgetFailed() {
	s.out.mu.Lock()
	failed := s.failed
	s.failed = nil
	s.out.mu.Unlock()
	for _, sub := range failed {
		if e := s.subs[sub.name]; e != nil && e.mine == sub {
			s.stop(e)
		}
	}
}
