package bridge

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A patientListener accepts connections as fast as they come, whatever is done with those that are here already: the kernel's queue holds a
// few thousand, and a client that finds it full tries again after a second, at the earliest. It waits where a connection cannot be accepted
// for now, most of all because no file descriptor is free: the HTTP server takes every error but a time-out for the end of its listener,
// and with it of the bridge and all who are connected.
type patientListener struct {
	net.Listener
	log    *slog.Logger
	queue  chan net.Conn // closed when no more come
	err    error         // … because of this
	once   sync.Once
	closed chan struct{}
}

// acceptQueue is how many connections may wait for the HTTP server. The kernel has a queue of about as many.
const acceptQueue = 4096

func newPatientListener(ln net.Listener, log *slog.Logger) *patientListener {
	l := &patientListener{Listener: ln, log: log, queue: make(chan net.Conn, acceptQueue), closed: make(chan struct{})}
	go l.run()
	return l
}

func (l *patientListener) run() {
	defer close(l.queue)
	for {
		c, err := l.accept()
		if err != nil {
			l.err = err
			return
		}
		boundSending(c)
		select {
		case l.queue <- c:
		case <-l.closed:
			_ = c.Close()
		}
	}
}

// Accept returns the next connection, or an error that is not going to pass.
func (l *patientListener) Accept() (net.Conn, error) {
	runtime.Gosched() // those who are here already come first
	if c, ok := <-l.queue; ok {
		return lend(c), nil
	}
	return nil, l.err
}

// Close ends an Accept that waits, too. Whoever has not got through to it is not served any more.
func (l *patientListener) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		for c := range l.queue {
			_ = c.Close()
		}
	})
	return err
}

// sendBuffer bounds what the kernel holds for a peer that does not read: it is memory, and it hides a slow peer. The kernel doubles it.
const sendBuffer = 128 << 10

// boundSending bounds it. That the connection has it from its listener would save a call, but one that waits in the kernel's queue before the
// bridge serves would not have it: most of them, after a restart.
func boundSending(nc net.Conn) {
	if tcp, ok := innermost(nc).(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
}

// innermost is the connection under all that is wrapped around it.
func innermost(nc net.Conn) net.Conn {
	for around, ok := nc.(interface{ NetConn() net.Conn }); ok; around, ok = nc.(interface{ NetConn() net.Conn }) {
		nc = around.NetConn()
	}
	return nc
}

const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept waits for a connection, and for what it takes to accept it.
func (l *patientListener) accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		c, err := l.Listener.Accept()
		var passing interface{ Temporary() bool } // net/http decides by it, too
		if err == nil || !errors.As(err, &passing) || !passing.Temporary() {
			return c, err
		}
		if pause == 0 {
			l.log.Error("no connection can be accepted for now: raise the limit of open files (ulimit -n, LimitNOFILE), or lower --max-connections", "error", err)
		}
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		select {
		case <-time.After(pause):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

// A lent connection is with the HTTP server until it is taken back. What the HTTP server has for a connection, a buffer of 16 KiB above
// all, goes back to its pools when the handler that takes over has returned, and then it closes the connection. One that has been taken
// back stays open.
type lent struct {
	net.Conn
	taken atomic.Bool
}

// A lentTLS is a lent connection of which the HTTP server can see that it is TLS.
type lentTLS struct {
	*lent
	tls *tls.Conn
}

func lend(c net.Conn) net.Conn {
	l := &lent{Conn: c}
	if t, ok := c.(*tls.Conn); ok {
		return lentTLS{l, t}
	}
	return l
}

// Handshake and ConnectionState are what the HTTP server asks of TLS.
func (c lentTLS) Handshake() error                     { return c.tls.Handshake() }
func (c lentTLS) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// NetConn is the connection underneath, as of a [tls.Conn].
func (c *lent) NetConn() net.Conn { return c.Conn }

// Read implements [net.Conn]. Of a connection that has been taken back the HTTP server has what it has read already.
func (c *lent) Read(p []byte) (int, error) {
	if c.taken.Load() {
		return 0, io.EOF
	}
	return c.Conn.Read(p)
}

// Close implements [net.Conn].
func (c *lent) Close() error {
	if c.taken.Load() {
		return nil
	}
	return c.Conn.Close()
}

// take takes the connection back. Nothing but it may be used from then on.
func (c *lent) take() net.Conn {
	c.taken.Store(true)
	return c.Conn
}
