//go:build linux

package bridge

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livebridge/livebridge/internal/ws"
)

// Sessions that are idle have no goroutine, and each of them is still there when something comes.
func TestIdleSessionsHaveNoGoroutine(t *testing.T) {
	const clients = 500
	r := start(t, nil)
	wires := make([]*wire, clients)
	for i := range wires {
		wires[i] = r.wire(hello()+masked(ws.Text, `{"op":"connect"}`)+masked(ws.Text, `{"op":"subscribe","sub":"a","resource":"products"}`), 0)
	}
	await(t, "all are live", func() bool { return r.log.Stats().Live == clients })
	await(t, "there are no goroutines for them", func() bool {
		stacks := make([]byte, 16<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !bytes.Contains(stacks, []byte("bridge.(*session)")) && !bytes.Contains(stacks, []byte("bridge.(*poller).work"))
	})
	for _, w := range wires {
		if _, err := fmt.Fprint(w, masked(ws.Text, `{"op":"unsubscribe","sub":"a"}`)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all are heard", func() bool { return r.log.Stats().Live == 0 })
	for _, w := range wires {
		_ = w.Close()
	}
	await(t, "all have gone", func() bool { return r.connections() == 0 })
	await(t, "none is remembered", func() bool {
		p := r.srv.poller
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.all) == 0
	})
}

// Whatever comes is answered, however it is cut into pieces and whenever they come: a wake-up that got lost would leave a client waiting.
func TestEverythingThatComesIsRead(t *testing.T) {
	const clients, pings = 40, 250
	r := start(t, func(c *Config) { c.Rate = 1e6; c.ByteRate = 1 << 30 })
	var all sync.WaitGroup
	for i := range clients {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		w := r.wire(hello(), 0)
		if status, body := w.response(t); status != 101 {
			t.Fatal(status, body)
		}
		all.Go(func() {
			out := masked(ws.Text, `{"op":"connect"}`)
			answers := 1 // pongs, and that it is connected
			for answered, left := 0, pings; left > 0 || answered < answers; {
				for n := min(left, rng.IntN(4)); n > 0; n, left, answers = n-1, left-1, answers+1 {
					out += masked(ws.Text, `{"op":"ping"}`)
				}
				for len(out) > 0 {
					n := 1 + rng.IntN(len(out))
					if _, err := w.Write([]byte(out[:n])); err != nil {
						t.Error(err)
						return
					}
					if out = out[n:]; rng.IntN(3) == 0 {
						runtime.Gosched()
					}
				}
				if left > 0 && rng.IntN(2) == 0 {
					continue
				}
				for answered < answers {
					op, payload, err := readFrame(w.in)
					if err != nil {
						t.Errorf("client %d: %d of %d answers: %v", i, answered, answers, err)
						return
					}
					if op == ws.Text {
						answered += strings.Count(string(payload), `{"op":`)
					}
				}
			}
		})
	}
	all.Wait()
}

// What comes after a session has looked, and before it is parked, makes it look again.
func TestNewsBeforeParking(t *testing.T) {
	p := start(t, nil).srv.poller
	s := &session{parking: parking{name: 1}}
	for range 2 {
		p.wake(s)
	}
	if p.park(s) {
		t.Error("it is parked although something has come")
	}
	if !p.park(s) {
		t.Error("it is not parked although nothing has come since")
	}
}

// A session that epoll does not take is read from by a goroutine that waits.
func TestSessionThatCannotBePolled(t *testing.T) {
	r := start(t, nil)
	r.srv.poller.set.close()
	b := r.connect()
	for range 3 {
		b.send(`{"op":"ping"}`)
		b.want(`"op":"pong"`)
	}
	_ = b.ws.Close()
	await(t, "it has gone", func() bool { return r.connections() == 0 })
}

// Who goes away with its first words is missed, whether or not the session was with epoll when they came.
func TestGoneWithItsFirstWord(t *testing.T) {
	const clients = 200
	reg := prometheus.NewRegistry()
	r := start(t, func(c *Config) { c.Registry = reg })
	for range clients {
		w := r.wire(hello(), 0)
		if status, body := w.response(t); status != 101 {
			t.Fatal(status, body)
		}
		if _, err := fmt.Fprint(w, masked(ws.Text, `{"op":"connect"}`)); err != nil {
			t.Fatal(err)
		}
		if err := w.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all have gone", func() bool {
		return r.connections() == 0 && value(t, reg, "livebridge_connections_opened_total") == clients
	})
}

// Who sends something and goes away with it is both heard and missed: epoll tells of the two at once, and only once.
func TestGoneWithItsLastWord(t *testing.T) {
	const clients = 200
	r := start(t, nil)
	wires := make([]*wire, clients)
	for i := range wires {
		wires[i] = r.wire(hello()+masked(ws.Text, `{"op":"connect"}`), 0)
	}
	await(t, "all are connected", func() bool { return r.connections() == clients })
	for _, w := range wires {
		if _, err := fmt.Fprint(w, masked(ws.Text, `{"op":"ping"}`)); err != nil {
			t.Fatal(err)
		}
		if err := w.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all have gone", func() bool { return r.connections() == 0 })
}
