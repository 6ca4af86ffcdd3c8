package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/livebridge/livebridge/protocol"
)

// A conn is one connection to a browser, WebSocket or SSE, after its handshake. Its reader goroutine owns it.
type conn struct {
	srv     *Server
	id      string          // the session
	net     net.Conn        // what is read from, and closed
	sealed  *sealed         // under net, where that is TLS of ours; nil otherwise
	socket  net.Conn        // what is written to
	raw     syscall.RawConn // of the socket; nil where writing to it cannot be tried without waiting
	shard   *shard
	framing framing
	out     outbox
	opened  time.Time
	remote  fmt.Stringer // where the client is, for the log
	from    netip.Addr   // the client's household, by which connections are counted
	owner   string       // the user as whose it is counted, "" = nobody's; guarded by the server's lock

	closeOnce  sync.Once
	peerClosed atomic.Bool // the peer has sent its close frame
	deaf       atomic.Bool // what the peer sends is not understood any more, its close frame included
	user       user
}

// A user is what a connection is used for.
type user interface {
	tick(now time.Time) // called by the server every so often: heartbeats, time-outs
	drain()             // called by the server when it shuts down
	closed()            // called once, by anyone, when the bridge has closed the connection
}

const (
	closeWait = 5 * time.Second  // how long a peer may take to answer a close frame, or a slow one to take what it was sent before
	closeTime = 30 * time.Second // how long a close may take in all
)

func (s *Server) newConn(id string, nc net.Conn, f framing, who visitor) *conn {
	c := &conn{srv: s, id: id, net: nc, socket: nc, framing: f, remote: who.remote, from: who.from, opened: time.Now()}
	if c.sealed = sealedUnder(nc); c.sealed != nil {
		c.socket = c.sealed.Conn
	}
	if tcp, ok := c.socket.(*net.TCPConn); ok && canTry {
		c.raw, _ = tcp.SyscallConn()
	}
	c.shard = s.shards[s.nextShard.Add(1)%uint64(len(s.shards))]
	c.out.conn, c.out.limit = c, s.cfg.Outbox
	c.out.lastWrite.Store(time.Now().UnixNano())
	if c.sealed != nil {
		c.sealed.collect(c.raw, func() { c.out.ask(func(c *control) { c.flush = true }) })
	}
	return c
}

// ended writes into the log how the connection ended. Ends that somebody should look into, if there are many, are told without being asked
// for: a peer that was too slow, silent or too busy, and a bug. What costs a peer nothing to cause is told now and then.
func (c *conn) ended() {
	c.out.mu.Lock()
	code := c.out.code
	c.out.mu.Unlock()
	level := slog.LevelDebug
	switch code {
	case 0:
		code = closeAbnormal
	case protocol.CloseSlow, protocol.CloseInternal:
		level = slog.LevelInfo
	case protocol.CloseTimeout:
		level = c.srv.complaints.level(goneTimeout, slog.LevelInfo)
	case protocol.CloseTooMany:
		level = c.srv.complaints.level(goneTooMany, slog.LevelInfo)
	}
	c.note(level, "disconnected", "code", int(code), "why", code.String(),
		"lived", time.Since(c.opened).Round(time.Millisecond).String(), "head", c.srv.cfg.Log.Head().String())
}

// refused notes an error that the client is told.
func (c *conn) refused(code protocol.Code) {
	c.srv.metrics.refused(code)
	c.debug("refused", "code", code)
}

// note writes into the log, with what names the connection. A logger of its own would be a tenth of an idle connection's memory.
func (c *conn) note(level slog.Level, msg string, args ...any) {
	if c.srv.log.Enabled(context.Background(), level) {
		c.log().Log(context.Background(), level, msg, args...)
	}
}

func (c *conn) debug(msg string, args ...any) { c.note(slog.LevelDebug, msg, args...) }

func (c *conn) log() *slog.Logger {
	return c.srv.log.With("session", c.id, "remote", fmt.Sprint(c.remote))
}

// cut closes the connection at once. It may be called by anyone, any number of times; the reader notices and ends it.
func (c *conn) cut() {
	c.closeOnce.Do(func() {
		_ = c.net.Close()
		if c.user != nil {
			c.user.closed()
		}
	})
}

// broken is called by a writer that could not write.
func (c *conn) broken() {
	c.out.kill()
	c.cut()
}

// closeSent is called by the writer that has written the last bytes. A WebSocket's peer answers, and is not waited for long; one whose
// answer would not be understood sees the end of the connection at once, which it then has to end, too (RFC 6455, section 7.1.1).
func (c *conn) closeSent() {
	c.out.mu.Lock()
	c.out.sent = true
	c.out.wake()
	c.out.mu.Unlock()
	if !c.closesByFrame() || c.peerClosed.Load() {
		c.cut()
		return
	}
	time.AfterFunc(c.srv.closeWait, c.cut)
	if half, ok := c.net.(interface{ CloseWrite() error }); ok && c.deaf.Load() {
		_ = half.CloseWrite()
		if c.sealed != nil {
			c.sealed.say()
		}
	}
}

// closesByFrame says whether the peer is told why the connection is closed.
func (c *conn) closesByFrame() bool {
	_, ok := c.framing.(wsFraming)
	return ok
}

// patience is how long a write may wait for the peer. One that was too slow is only waited for so that it can be told.
func (c *conn) patience(slow bool) time.Duration {
	switch {
	case !slow:
		return stuckTimeout
	case c.closesByFrame():
		return closeWait
	default:
		return 0
	}
}

// hurry makes a write that waits wait no longer than that of a peer that was too slow.
func (c *conn) hurry() { _ = c.socket.SetWriteDeadline(time.Now().Add(c.patience(true))) }

// pumpMax is how many bytes a pump encodes at once: a slow peer takes no more, and there may be many of them.
const pumpMax = 32 << 10

// pump writes for a peer that is slow, or whose socket cannot be tried, until nothing waits any more.
func (c *conn) pump(p pending) {
	var buf, sealed []byte
	for {
		for !p.done() {
			if len(p.rest) == 0 {
				if c.out.dropped() {
					p.dropItems()
				}
				frame, size, _ := p.next(c.framing, &buf, pumpMax)
				var err error
				p.restSize = size
				if p.rest, err = c.seal(frame, &sealed); err != nil {
					p.drop()
					c.broken()
					return
				}
			}
			if err := c.writeAll(p.rest); err != nil {
				p.drop()
				c.broken()
				return
			}
			p.rest = nil
			c.written()
			c.out.wrote(p.restSize, time.Now().UnixNano())
		}
		closes := p.control.close && p.sent
		p.drop()
		if closes {
			c.closeSent()
			return
		}
		items, asked, ok := c.out.take()
		if !ok {
			return
		}
		p = takeover(items, asked)
	}
}

// takesEnough is how many bytes a peer has to take in the time of [conn.patience], or all there is.
const takesEnough = 16 << 10

// writeAll waits for the peer to take b, as long as it takes enough.
func (c *conn) writeAll(b []byte) error {
	for len(b) > 0 {
		if err := c.socket.SetWriteDeadline(time.Now().Add(c.patience(c.out.dropped()))); err != nil {
			return err
		}
		n, err := c.socket.Write(b)
		b = b[n:]
		if err != nil && (n < takesEnough || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return c.socket.SetWriteDeadline(time.Time{})
}
