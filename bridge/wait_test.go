package bridge

import (
	"bufio"
	"net"
	"testing"
	"time"
)

// await waits for a state.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// caughtUp waits until the bridge has heard of everything that is stored.
func (r *rig) caughtUp(t testing.TB) {
	t.Helper()
	last := r.stored(t)
	await(t, "the tail is at the end", func() bool { return r.log.Stats().Head >= last })
}

// connections is how many connections the server has.
func (r *rig) connections() int {
	r.srv.mu.Lock()
	defer r.srv.mu.Unlock()
	return len(r.srv.conns)
}

// session is the server's side of the only WebSocket.
func (r *rig) session() *session {
	r.t.Helper()
	r.srv.mu.Lock()
	defer r.srv.mu.Unlock()
	for c := range r.srv.conns {
		if s, ok := c.user.(*session); ok {
			return s
		}
	}
	r.t.Fatal("no session")
	return nil
}

// shutdown drains in the background: clients have to read, or each is waited for.
func (r *rig) shutdown() <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.srv.Shutdown(r.t.Context()) }()
	return done
}

// A wire is a connection without a client's library.
type wire struct {
	net.Conn
	in *bufio.Reader
}

// wire connects, and sends what is given. buffer bounds what the client's kernel takes without it; 0 = as it is.
func (r *rig) wire(send string, buffer int) *wire {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	if buffer > 0 {
		if err := c.(*net.TCPConn).SetReadBuffer(buffer); err != nil {
			r.t.Fatal(err)
		}
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write([]byte(send)); err != nil {
		r.t.Fatal(err)
	}
	return &wire{c, bufio.NewReader(c)}
}
