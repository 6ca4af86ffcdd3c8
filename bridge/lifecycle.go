package bridge

import (
	"errors"
	"io"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// closing is what makes a session end with a close code.
type closing struct {
	code     protocol.CloseCode
	answered bool // the client has sent its close frame
}

// Codes of RFC 6455, section 7.4.1, besides those of the protocol.
const (
	closeNormal   protocol.CloseCode = 1000
	closeAbnormal protocol.CloseCode = 1006 // never sent: the peer has gone without a close frame
)

func (c closing) Error() string { return c.code.String() }

// turn serves the session until it ends or is parked; what its client asks for is in session.go. The first turn counts it in, the last one
// cuts its connection. Where there is no poller it waits in read for most of its life, so the stack down to there is kept small: what
// needs much of it is called, and returns.
func (s *session) turn() {
	stays := false
	defer s.leave(&stays)
	s.reader = s.srv.readers.Get().(*ws.Reader)
	s.reader.Reset(s.reads)
	if s.entered = s.entered || s.enter(); s.entered {
		stays = s.serve()
	}
}

// serve reads until the connection ends, or returns true when the session is parked.
func (s *session) serve() bool {
	for {
		if err := s.read(); err != ws.ErrIdle {
			s.end(err)
			return false
		}
		r := s.reader
		s.reader = nil
		if s.srv.poller.park(s) {
			s.srv.readers.Put(r)
			return true
		}
		s.reader = r
		r.Reset(s.reads) // there may be no place for it, and then it waits
	}
}

// enter counts the session in, or sends it away.
func (s *session) enter() bool {
	s.srv.metrics.opened.WithLabelValues("ws").Inc()
	why, draining := s.srv.register(s.conn, "")
	switch {
	case draining:
		s.part(closing{code: protocol.CloseGoingAway})
	case why == "":
		s.srv.metrics.connections.WithLabelValues("ws").Inc()
		return true
	default:
		s.srv.refuse(why, s.remote)
		if s.srv.beginTelling() {
			defer s.srv.endTelling()
			s.part(closing{code: protocol.CloseTooMany})
		}
	}
	return false
}

// leave makes sure that the connection is closed, whatever became of it, unless the session stays.
func (s *session) leave(stays *bool) {
	if *stays {
		return
	}
	defer s.gone()
	if r := recover(); r != nil {
		s.panicked(r)
	}
}

// gone gives back what the session has to the last.
func (s *session) gone() {
	s.cut()
	if s.parking.name != 0 {
		s.srv.poller.forget(s)
	}
	if s.reader != nil {
		s.srv.readers.Put(s.reader)
		s.reader = nil
	}
}

// closed implements [user].
func (s *session) closed() {
	if s.srv.poller != nil {
		s.srv.poller.wake(s)
	}
}

// end gives back everything that the session holds, and ends the connection.
func (s *session) end(err error) {
	for _, e := range s.subs {
		s.stop(e)
	}
	s.publishes.wait()
	s.part(err)
	s.forgotten()
}

// forgotten counts the session out.
func (s *session) forgotten() {
	s.srv.forget(s.conn)
	s.srv.metrics.connections.WithLabelValues("ws").Dec()
	s.ended()
}

// read handles what the client sends until the connection ends, or until it is to be closed.
func (s *session) read() error {
	for {
		op, payload, err := s.reader.Next()
		if err != nil {
			return err
		}
		now := time.Now()
		s.lastRead.Store(now.UnixNano())
		if err := s.frame(op, payload, now); err != nil {
			return err
		}
	}
}

// part ends the connection: with a close frame where the client can still be told why, and never long after.
func (s *session) part(err error) {
	s.reader.Wait()
	var why closing
	var broken *ws.Error
	switch {
	case errors.As(err, &why):
		s.finish(why.code)
		s.awaitClose(why.answered)
	case errors.As(err, &broken):
		s.deaf.Store(true)
		s.finish(protocol.CloseCode(broken.Code))
		s.discard()
	case errors.Is(err, ws.ErrSlow):
		s.srv.refuse(overTime, s.remote)
		s.deaf.Store(true)
		s.finish(protocol.CloseTimeout)
		s.discard()
	}
	s.out.kill()
	s.cut()
}

// awaitClose waits until the close frame has been written and, unless it was itself the answer to one, answered.
func (s *session) awaitClose(answered bool) {
	for {
		if answered {
			s.peerClosed.Store(true)
			s.out.settle()
		}
		op, _, err := s.reader.Next()
		if errors.Is(err, io.EOF) && s.peerClosed.Load() {
			s.out.written() // the peer sends no more, and may still read
		}
		if err != nil {
			return // the peer has gone, or the server has cut the connection
		}
		answered = op == ws.Close
	}
}

// discard reads what is not understood any more until the server cuts the connection: a peer that is cut while it sends may lose the
// close frame.
func (s *session) discard() {
	_ = s.net.SetReadDeadline(time.Time{})
	_, _ = io.Copy(io.Discard, s.net)
}

// tick is called by the server every so often: time-outs and heartbeats.
func (s *session) tick(now time.Time) {
	ping := s.srv.cfg.Ping
	read, wrote := time.Unix(0, s.lastRead.Load()), time.Unix(0, s.out.lastWrite.Load())
	who := s.rights.Load()
	over := s.srv.over(who, now)
	switch {
	case over != nil:
		s.endWith(who, over)
		return
	case !s.connected.Load() && now.Sub(s.opened) > s.srv.cfg.ConnectTimeout:
		if !s.out.ending() {
			s.srv.refuse(overConnectTime, s.remote)
		}
		s.finish(protocol.CloseTimeout)
		return
	case now.Sub(read) > s.srv.silence():
		s.finish(protocol.CloseTimeout)
		return
	case now.Sub(read) > ping:
		s.out.ask(func(c *control) { c.ping = true })
	}
	if s.connected.Load() && now.Sub(wrote) >= ping {
		s.srv.cfg.Log.AtHead(func(head replay.Cursor) {
			at := head.String()
			if s.behind.Load() > 0 {
				at = "" // a replay has not come to the head yet
			}
			s.out.text(protocol.AppendPing(nil, at))
		})
	}
}

// finish begins the end of the connection with a close code. It may be called by anyone; the first call counts.
func (s *session) finish(code protocol.CloseCode) { s.out.close(code) }

// drain ends the connection because the bridge goes away, after what the client has published has been acknowledged.
func (s *session) drain() {
	s.publishes.stop()
	s.srv.spawn(func() {
		s.publishes.wait()
		s.finish(protocol.CloseGoingAway)
	})
}

// panicked ends a session whose code has a bug; the others live on.
func (s *session) panicked(r any) {
	defer s.forgotten()
	s.srv.bug(s.log(), r)
	for _, e := range s.subs {
		s.stop(e)
	}
	s.part(closing{code: protocol.CloseInternal})
}
