package bridge

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/livebridge/livebridge/internal/ws"
)

// A poller lets WebSockets be idle without a goroutine: its stack would be half of what an idle connection costs, and each new one has to
// grow it. A session that has taken all that has come is parked; when more comes, or when its connection is cut, a worker goes on with
// it, one of a few goroutines whose stacks have grown long ago. For the rest of a message that has begun the worker waits.
//
// There is a poller where there is epoll. It looks after plain TCP. Over TLS, and on other systems, each session has a goroutine, which
// waits in a read.
type poller struct {
	srv *Server
	set pollSet

	mu   sync.Mutex
	last uint64              // name of the newest place; none is used twice
	all  map[uint64]*session // those that have been parked once and are not over

	turns chan *session // for workers that have nothing to do; nil sends one away
	idle  atomic.Int32  // how many these are
	rest  chan struct{} // closed when there will be no turns any more
}

// mostIdle is how many workers are kept for what comes next.
const mostIdle = 64

// A parking is the place of a session with the poller.
type parking struct {
	name  uint64 // 0 = it has not been parked yet
	state atomic.Int32
	ends  atomic.Bool // no more will come than has come, and then the end, of which nothing else tells
}

// States of a parking.
const (
	atWork int32 = iota // a goroutine serves the session
	news                // … and something has come, perhaps after it looked
	parked              // none does
)

// An arrival says that something has come from a client.
type arrival struct {
	name uint64 // of the session's place
	ends bool   // nothing more will come
}

// newPoller is nil where there is no epoll.
func newPoller(srv *Server) *poller {
	set, err := newPollSet()
	if err != nil {
		return nil
	}
	return &poller{srv: srv, set: set, all: make(map[uint64]*session), turns: make(chan *session), rest: make(chan struct{})}
}

// run wakes sessions until close is called.
func (p *poller) run() {
	var ready []*session
	p.set.wait(func(all []arrival) {
		p.mu.Lock()
		for _, a := range all {
			if s := p.all[a.name]; s != nil {
				if a.ends {
					s.parking.ends.Store(true)
				}
				ready = append(ready, s)
			}
		}
		p.mu.Unlock()
		for _, s := range ready {
			p.wake(s)
		}
		clear(ready)
		ready = ready[:0]
	})
}

// close ends run, and the workers when they have done what they do.
func (p *poller) close() {
	p.set.close()
	close(p.rest)
}

// park lets the goroutine that serves a session end its turn. If it returns false, the session has to be read from again. The session is
// another goroutine's as soon as it returns true.
func (p *poller) park(s *session) bool {
	k := &s.parking
	if k.name == 0 && !p.add(s) {
		return false
	}
	if k.state.CompareAndSwap(atWork, parked) {
		return true
	}
	k.state.Store(atWork)
	return false
}

// add gives a session a place. One for which there is none is read from by a goroutine that waits.
func (p *poller) add(s *session) bool {
	p.mu.Lock()
	p.last++
	s.parking.name = p.last
	p.all[p.last] = s
	p.mu.Unlock()
	var failed error
	if err := s.raw.Control(func(fd uintptr) { failed = p.set.add(fd, s.parking.name) }); err == nil && failed == nil {
		return true
	}
	s.reads = s.net
	return false
}

// forget takes the place of a session that is over.
func (p *poller) forget(s *session) {
	p.mu.Lock()
	delete(p.all, s.parking.name)
	p.mu.Unlock()
}

// wake makes sure that a session is read from after now. It may be called by anyone.
func (p *poller) wake(s *session) {
	for k := &s.parking; ; {
		switch k.state.Load() {
		case news:
			return
		case atWork:
			if k.state.CompareAndSwap(atWork, news) {
				return
			}
		case parked:
			if k.state.CompareAndSwap(parked, atWork) {
				p.turn(s)
				return
			}
		}
	}
}

// turn has a worker serve a session.
func (p *poller) turn(s *session) bool {
	select {
	case p.turns <- s:
		return true
	default:
		return p.srv.spawn(func() { p.work(s) })
	}
}

// dismiss sends half of the workers away that have nothing to do. It is called every so often.
func (p *poller) dismiss() {
	for range (p.idle.Load() + 1) / 2 {
		select {
		case p.turns <- nil:
		default:
			return
		}
	}
}

// work serves one session after another, until there are none for a while.
func (p *poller) work(s *session) {
	for {
		s.turn()
		if p.idle.Add(1) > mostIdle {
			p.idle.Add(-1)
			return
		}
		select {
		case s = <-p.turns:
		case <-p.rest:
			return
		}
		if p.idle.Add(-1); s == nil {
			return
		}
	}
}

// A polled connection can be asked whether something has come.
type polled struct {
	ws.Conn
	raw   syscall.RawConn
	place *parking
	dry   bool // whatever has not been read, the poller tells: nothing was left, or it is new and not with epoll yet
}

// TryRead implements [ws.Trier].
func (c *polled) TryRead(p []byte) (n int, err error) {
	if e, ok := c.Conn.(*earlyConn); ok && len(e.early) > 0 {
		return e.Read(p)
	}
	if c.dry {
		c.dry = false // once: who asks again has heard something
		return 0, ws.ErrIdle
	}
	var tried error
	err = c.raw.Read(func(fd uintptr) bool {
		n, tried = tryRead(fd, p)
		return true
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(tried, syscall.EAGAIN):
		return 0, ws.ErrIdle
	case tried != nil:
		return 0, tried
	case n == 0:
		return 0, io.EOF
	default:
		c.dry = n < len(p) && !c.place.ends.Load() // epoll(7), questions and answers, 9
		return n, nil
	}
}
