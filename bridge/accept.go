package bridge

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A patientListener waits where a connection cannot be accepted for now, most of all because no file descriptor is free. The HTTP server
// takes every error but a time-out for the end of its listener, and with it of the bridge and all who are connected.
type patientListener struct {
	net.Listener
	log    *slog.Logger
	once   sync.Once
	closed chan struct{}
}

func newPatientListener(ln net.Listener, log *slog.Logger) *patientListener {
	return &patientListener{Listener: ln, log: log, closed: make(chan struct{})}
}

const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Accept returns the next connection, or an error that is not going to pass.
func (l *patientListener) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		c, err := l.Listener.Accept()
		var passing interface{ Temporary() bool } // net/http decides by it, too
		if err == nil {
			return lend(c), nil
		}
		if !errors.As(err, &passing) || !passing.Temporary() {
			return nil, err
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

// Close ends an Accept that waits, too.
func (l *patientListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
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
