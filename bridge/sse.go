package bridge

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// An sse is one stream of Server-Sent Events: a connection with one subscription.
type sse struct {
	*conn
	query query
	live  atomic.Bool // nothing is being replayed any more
}

// getSSE checks the request, and takes over its connection: the HTTP server's own streaming costs three times the memory and notices a
// client that has gone only by writing to it.
func (s *Server) getSSE(c *fiber.Ctx) error {
	who, perr := s.authorizeStream(c)
	if perr != nil {
		return perr
	}
	q, perr := s.query(c, who)
	if perr != nil {
		return perr
	}
	if last := c.Get("Last-Event-ID"); last != "" {
		if q.start, perr = startOf(protocol.Start{Kind: protocol.After, After: last}, q.now); perr != nil {
			return perr
		}
	}
	if perr := who.maySubscribe(q.filter, q.start, q.now); perr != nil {
		return perr
	}
	here := s.visitor(c)
	if err := s.turnedAway(here.from, who.user(), false); err != nil {
		return err
	}
	if s.isDraining() {
		c.Set(fiber.HeaderRetryAfter, "1")
		return fiber.NewError(fiber.StatusServiceUnavailable, "this bridge goes away: connect again")
	}
	if c.Method() == fiber.MethodHead {
		c.Set(fiber.HeaderContentType, "text/event-stream")
		return nil
	}
	head := sseHead(c)
	c.Context().HijackSetNoResponse(true)
	c.Context().Hijack(func(hijacked net.Conn) {
		nc := socket(hijacked)
		_ = nc.SetDeadline(time.Time{})
		if !s.spawn(func() { s.serveSSE(nc, here, head, q) }) {
			_ = nc.Close()
		}
	})
	return nil
}

// retryAfter is how long a browser waits before it connects again.
const retryAfter = 2 * time.Second

// sseHead is the head of the answer. There is no length and no chunking: it ends with the connection.
func sseHead(c *fiber.Ctx) []byte {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nConnection: close\r\n")
	for h := range securityHeaders(c.Context().IsTLS(), string(c.Context().Host())) {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" {
		fmt.Fprintf(&b, "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n", origin)
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

func (s *Server) serveSSE(nc net.Conn, from visitor, head []byte, q query) {
	c := s.newConn(newSessionID(), nc, sseFraming{}, from)
	defer c.cut()
	st := &sse{conn: c, query: q}
	c.user = st
	if c.raw != nil {
		loseAfter(c.raw, s.silence()) // an EventSource answers no heartbeat, but its kernel does
	}
	s.metrics.opened.WithLabelValues("sse").Inc()
	if why, draining := s.register(c, q.who.user()); why != "" || draining {
		s.sendAway(c, why)
		return
	}
	defer s.forget(c)
	open := s.metrics.connections.WithLabelValues("sse")
	open.Inc()
	defer open.Dec()
	c.out.text(head)
	mine := &subscription{conn: c, says: st, done: func(*subscription) { c.out.finish(protocol.CloseInternal) }, caught: func() { st.live.Store(true) }}
	its, err := s.cfg.Log.Subscribe(mine, replay.SubscribeOptions{Set: q.set, Start: q.start, Chunk: c.out.chunk(), View: q.who.view(q.now)})
	if err != nil {
		return
	}
	ignore(nc) // until the client goes, or the connection is cut
	mine.end()
	its.Close()
	c.out.kill()
	c.ended()
}

// sendAway answers a stream that became one too many, or that the bridge drains for ("" as the reason), after its request had been looked
// at.
func (s *Server) sendAway(c *conn, why reason) {
	status, e, retry := fiber.StatusServiceUnavailable, protocol.Errorf(protocol.Unavailable, "this bridge goes away: connect again"), time.Second
	code := protocol.CloseGoingAway
	if why != "" {
		code = protocol.CloseTooMany
		s.refuse(why, c.remote)
		status, e, retry = (&refusal{why}).status(), s.tooMany(why), refusalRetry
	}
	c.refused(e.Code)
	c.out.text(fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nConnection: close\r\nRetry-After: %s\r\nContent-Type: application/json\r\n\r\n%s",
		status, utils.StatusMessage(status), retrySeconds(retry), protocol.AppendErrorBody(nil, e)))
	c.out.ask(func(last *control) {
		last.close, last.code = true, code
		c.out.end(code)
	})
	ignore(c.net) // until that is written
}

// ignore reads to the end. Unlike io.Copy it holds no large buffer meanwhile.
func ignore(r io.Reader) {
	var b [64]byte
	for {
		if _, err := r.Read(b[:]); err != nil {
			return
		}
	}
}

// notice implements [teller]. Only what an EventSource can use is sent: the id is the cursor with which it comes back.
func (st *sse) notice(_ *subscription, n replay.Notice) []byte {
	switch n.Kind {
	case replay.Subscribed:
		return fmt.Appendf(nil, "retry: %d\nid: %s\n\n", retryAfter.Milliseconds(), n.At)
	case replay.Live:
		return fmt.Appendf(nil, ": live\nid: %s\n\n", n.At)
	case replay.Reset:
		return fmt.Appendf(nil, "event: reset\nid: %s\ndata: %s\n\n", n.At, protocol.AppendResetBody(nil, protocol.Reason(n.Reason), n.At.String()))
	default:
		return fmt.Appendf(nil, "event: error\ndata: %s\n\n", protocol.AppendErrorBody(nil, st.srv.told(n.Err)))
	}
}

// tick ends the stream with its token, and sends a comment after some silence, with the cursor up to which everything has been told.
func (st *sse) tick(now time.Time) {
	if over := st.srv.over(st.query.who, now); over != nil {
		if st.out.expire(fmt.Appendf(nil, "event: error\ndata: %s\n\n", protocol.AppendErrorBody(nil, unauthorized(true)))) {
			st.noteRevoked(st.query.who, over)
		}
		return
	}
	if now.Sub(time.Unix(0, st.out.lastWrite.Load())) < st.srv.cfg.Ping {
		return
	}
	st.srv.cfg.Log.AtHead(func(head replay.Cursor) {
		if !st.live.Load() {
			st.out.text([]byte(": \n\n"))
			return
		}
		st.out.text(fmt.Appendf(nil, ": \nid: %s\n\n", head))
	})
}

func (st *sse) closed() {} // its reader is there, and notices

// drain ends the stream; an EventSource comes back by itself, to another bridge or to this one's successor.
func (st *sse) drain() { st.out.close(protocol.CloseGoingAway) }
