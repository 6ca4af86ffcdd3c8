package bridge

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// A sealed connection is what a tls.Conn of ours reads from and writes to. Through the handshake and HTTP it is the socket itself. From
// collect on, a write to the tls.Conn never waits for the peer: what it has encrypted is collected, and goes to the socket the way
// everything does, by a shard that tries, or by a goroutine that waits where the peer is slow. So a shard can write to many connections
// with TLS, one after another, and an idle one holds no buffer.
//
// There is one writer at a time, the one to which the outbox belongs. But TLS itself writes, too, while it reads: the answer to an update
// of keys, an alert. That has to go out in the order in which it was encrypted, so it waits in out until the writer comes for it.
type sealed struct {
	net.Conn // the socket

	mu      sync.Mutex
	raw     syscall.RawConn // of the socket; nil where writing cannot be tried
	wake    func()          // asks for the writer; nil = nothing is collected
	out     []byte          // encrypted, and not yet taken by the writer
	sealing bool            // the writer encrypts, and takes what is in out
	owes    bool            // the writer has taken something that is not yet with the kernel
}

// asideMax is how many bytes TLS may have to say of its own before the writer comes. A peer that asks for new keys over and over, and
// does not read the answers, gets no further than this.
const asideMax = 4 << 10

var errAside = errors.New("tls: the peer asks for more than it reads")

// sealedUnder is the connection under one that [Server.ServeTLS] has accepted, nil for any other.
func sealedUnder(nc net.Conn) *sealed {
	if t, ok := nc.(*tls.Conn); ok {
		s, _ := t.NetConn().(*sealed)
		return s
	}
	return nil
}

// NetConn is the socket.
func (s *sealed) NetConn() net.Conn { return s.Conn }

// collect begins to collect. wake is called when there is something to write that the writer does not know of, by a goroutine that must
// not be kept waiting. Nobody may be writing.
func (s *sealed) collect(raw syscall.RawConn, wake func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw, s.wake = raw, wake
}

// Write implements [net.Conn] for the tls.Conn above, which calls it for one record at a time.
func (s *sealed) Write(b []byte) (int, error) {
	s.mu.Lock()
	switch {
	case s.wake == nil:
		s.mu.Unlock()
		return s.Conn.Write(b)
	case s.sealing:
		s.out = append(s.out, b...)
		s.mu.Unlock()
	case len(s.out)+len(b) > asideMax:
		s.mu.Unlock()
		return 0, errAside
	default:
		s.out = append(s.out, b...)
		s.mu.Unlock()
		s.wake()
	}
	return len(b), nil
}

// seal encrypts text into buf, behind what TLS had to say of its own, and returns what is to be written. Only the writer calls it.
func (s *sealed) seal(conn net.Conn, text, buf []byte) ([]byte, error) {
	s.mu.Lock()
	s.out = append(buf[:0], s.out...)
	s.sealing, s.owes = true, true
	s.mu.Unlock()
	var err error
	if len(text) > 0 {
		_, err = conn.Write(text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	buf, s.out, s.sealing = s.out, nil, false
	return buf, err
}

// written notes that the kernel has all that the writer had taken.
func (s *sealed) written() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owes = false
}

// SetWriteDeadline implements [net.Conn]. What collects never waits; the deadlines of the socket are its writer's.
func (s *sealed) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	collects := s.wake != nil
	s.mu.Unlock()
	if collects {
		return nil
	}
	return s.Conn.SetWriteDeadline(t)
}

// Close implements [net.Conn]. The tls.Conn above has just written that it closes, perhaps: that goes out, if it can.
func (s *sealed) Close() error {
	s.say()
	return s.Conn.Close()
}

// say writes what TLS has to say of its own, if the kernel takes it now, and if nothing is missing before it. No writer comes after it.
func (s *sealed) say() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw != nil && !s.owes && len(s.out) > 0 {
		_ = s.raw.Write(func(fd uintptr) bool {
			_, _ = tryWrite(fd, s.out)
			return true
		})
		s.out = nil
	}
}

// seal returns what has to be written to the socket so that the peer gets b. It is valid until buf is used again.
func (c *conn) seal(b []byte, buf *[]byte) ([]byte, error) {
	if c.sealed == nil {
		return b, nil
	}
	var err error
	*buf, err = c.sealed.seal(c.net, b, *buf)
	return *buf, err
}

// written is called by the writer when the socket has taken all that seal returned.
func (c *conn) written() {
	if c.sealed != nil {
		c.sealed.written()
	}
}

// A sealedListener accepts connections with TLS.
type sealedListener struct {
	net.Listener
	config *tls.Config
}

// Accept implements [net.Listener]. The handshake is done later, with the connection's first read.
func (l sealedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(&sealed{Conn: nc}, l.config), nil
}
