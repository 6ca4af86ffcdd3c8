package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/publish"
	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

// Clients that publish without a pause are told of each event that is stored, and of no other, before they are sent away.
func TestDrainAmidPublishing(t *testing.T) {
	r := start(t, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
	const clients = 10
	var mu sync.Mutex
	var told []string
	var wg sync.WaitGroup
	for c := range clients {
		b, open := r.connect(), make(chan struct{}, 2*publishesWaiting) // requests without an answer: more than the bridge's queue takes
		gone := make(chan struct{})
		wg.Go(func() { // it publishes until it cannot
			for i := 0; ; i++ {
				select {
				case open <- struct{}{}:
				case <-gone:
					return
				}
				frame := fmt.Sprintf(`{"op":"publish","ref":"%d","events":[{"resource":"products","type":"created","id":"%d.%d"}]}`, i, c, i)
				if b.ws.WriteMessage(websocket.TextMessage, []byte(frame)) != nil {
					return
				}
			}
		})
		wg.Go(func() {
			defer close(gone)
			for ; ; <-open {
				line, err := b.next()
				if err != nil {
					if !websocket.IsCloseError(err, 1001) {
						t.Errorf("client %d: %v", c, err)
					}
					_ = b.ws.Close()
					return
				}
				switch ref := field(t, line, "ref"); field(t, line, "op") {
				case "published":
					mu.Lock()
					told = append(told, fmt.Sprintf("%d.%s", c, ref))
					mu.Unlock()
				case "error":
					if field(t, line, "code") != "unavailable" {
						t.Errorf("client %d: %s", c, line)
					}
				}
			}
		})
	}
	await(t, "they publish", func() bool { return r.log.Stats().Head > 200 })
	if err := r.srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	set, err := subjects.Filter{Resource: "*"}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	r.caughtUp(t)
	all, err := r.log.History(t.Context(), set, replay.View{}, replay.Start{Kind: replay.First}, 1<<20, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var stored []string
	for _, e := range all.Events {
		stored = append(stored, field(t, string(e.Frame), "id"))
	}
	slices.Sort(told)
	slices.Sort(stored)
	if d := cmp.Diff(stored, told); d != "" {
		t.Errorf("stored, told: %s", d)
	}
}

// A relay stands between the publisher and NATS, and can hold everything back.
type relay struct {
	ln   net.Listener
	gate sync.RWMutex // locked = nothing passes
	work sync.WaitGroup
	mu   sync.Mutex
	open []net.Conn
}

func startRelay(t *testing.T, url string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &relay{ln: ln}
	p.work.Go(func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
			if err != nil {
				_ = a.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, a, b)
			p.mu.Unlock()
			p.work.Go(func() { p.copy(a, b) })
			p.work.Go(func() { p.copy(b, a) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.work.Wait()
	})
	return p
}

func (p *relay) copy(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			_ = to.Close()
			return
		}
		p.gate.RLock()
		_, _ = to.Write(buf[:n])
		p.gate.RUnlock()
	}
}

// An event store that hangs does not keep a bridge from going away in its time.
func TestDrainTimesOut(t *testing.T) {
	ns := natstest.Start(t)
	through := startRelay(t, ns.URL())
	r := startOn(t, ns, func(c *Config) {
		nc, err := nats.Connect("nats://" + through.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		if c.Publisher, err = publish.New(nc, publish.Options{Timeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
	})
	b := r.connect()
	through.gate.Lock()
	defer through.gate.Unlock()
	for i := range 40 { // more than the queue takes: the reader waits
		b.send(fmt.Sprintf(`{"op":"publish","ref":"%d","events":[{"resource":"products","type":"created"}]}`, i))
	}
	q := &r.session().publishes
	await(t, "the queue is full", func() bool { q.mu.Lock(); defer q.mu.Unlock(); return len(q.list) == publishesWaiting })
	posted := make(chan int, 1)
	go func() { status, _ := r.post(`{"resource":"products","type":"created"}`); posted <- status }()
	await(t, "the POST is under way", func() bool { return r.srv.app.Server().GetCurrentConcurrency() > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shut down: %v", err)
	}
	if n := r.connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
	if status := <-posted; status != 503 {
		t.Errorf("the POST: %d", status)
	}
}

// Connections without a request do not hold up a drain.
func TestDrainOfIdleConnections(t *testing.T) {
	r := start(t, nil)
	kept := r.wire("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 0)
	if status, _ := kept.response(t); status != 200 {
		t.Fatal(status)
	}
	if err := r.srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("it is not closed: %v", err)
	}
	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Error("a connection is taken")
	}
}

func TestServeAfterShutdown(t *testing.T) {
	r := start(t, nil)
	if err := r.srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.srv.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Error("a connection is taken")
	}
	if err := r.srv.Shutdown(t.Context()); err == nil {
		t.Error("shut down twice")
	}
	if err := r.srv.Ready(); err == nil {
		t.Error("it is ready")
	}
}

// Whoever comes while the bridge drains is sent away.
func TestNewcomersWhileDraining(t *testing.T) {
	r := start(t, nil)
	b := r.connect() // it keeps the drain from ending
	r.srv.mu.Lock()
	r.srv.draining = true
	r.srv.mu.Unlock()
	for _, path := range []string{"/v1/sse", "/readyz"} {
		status, body := r.get(path)
		wantError(t, status, body, 503, "unavailable", "")
	}
	w := r.wire(hello(), 0)
	status, body := w.response(t)
	wantError(t, status, body, 503, "unavailable", "")
	r.srv.mu.Lock()
	r.srv.draining = false
	r.srv.mu.Unlock()
	b.send(`{"op":"ping"}`)
	b.want("pong")
}

// A peer that answers the close frame is let go at once; it does not wait for the time that others have.
func TestCloseHandshake(t *testing.T) {
	r := start(t, nil)
	for _, tc := range []struct{ name, send, reply string }{
		{"the client closes", masked(ws.Close, "\x03\xe8"), ""},
		{"the client closes without a code", masked(ws.Close, ""), ""},
		{"the client closes with a code of its own", masked(ws.Close, "\x0f\xa1bye"), ""},
		{"the bridge closes", masked(ws.Text, "hello"), masked(ws.Close, "\x11\x30")},
		{"the bridge closes, and more comes", masked(ws.Text, "hello") + masked(ws.Text, "hello") + masked(ws.Ping, ""), masked(ws.Ping, "") + masked(ws.Close, "\x11\x30")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := r.wire(hello()+masked(ws.Text, `{"op":"connect"}`)+tc.send, 0)
			_ = w.SetDeadline(time.Now().Add(closeWait - time.Second))
			if status, _ := w.response(t); status != 101 {
				t.Fatal(status)
			}
			for {
				if op, _ := w.frame(t); op == ws.Close {
					break
				}
			}
			_, _ = io.WriteString(w, tc.reply)
			if _, err := w.in.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("after the close: %v", err)
			}
		})
	}
	t.Run("the bridge closes by itself", func(t *testing.T) {
		await(t, "the others have gone, so that there is one session", func() bool { return r.connections() == 0 })
		w := r.wire(hello()+masked(ws.Text, `{"op":"connect"}`), 0)
		_ = w.SetDeadline(time.Now().Add(closeWait - time.Second))
		if status, _ := w.response(t); status != 101 {
			t.Fatal(status)
		}
		w.frame(t)
		r.session().finish(4408)
		if op, payload := w.frame(t); op != ws.Close || ws.CloseCode([]byte(payload)) != 4408 {
			t.Errorf("got %d %q", op, payload)
		}
		_, _ = io.WriteString(w, masked(ws.Close, "\x11\x38"))
		if _, err := w.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("after the close: %v", err)
		}
	})
	await(t, "all have gone", func() bool { return r.connections() == 0 })
}

// A bug in what serves one client does not end the others.
func TestPanics(t *testing.T) {
	r := start(t, func(c *Config) { c.Logger = slog.New(slog.DiscardHandler) })
	victim := r.connect()
	r.session().subs = nil
	victim.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	victim.wantClose(1011)
	_ = victim.ws.Close()
	await(t, "it has gone", func() bool { return r.connections() == 0 })

	b := r.connect()
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	b.want("subscribed")
	b.want("live")
	r.srv.cfg.Publisher = nil
	for i := range 3 {
		b.send(fmt.Sprintf(`{"op":"publish","ref":"p%d","events":[{"resource":"products","type":"created"}]}`, i))
		b.want(`"op":"error"`, fmt.Sprintf(`"ref":"p%d"`, i), `"code":"internal"`)
	}
	status, body := r.post(`{"resource":"products","type":"created"}`)
	wantError(t, status, body, 500, "internal", "log")
	if status, _ := r.get("/healthz"); status != http.StatusOK {
		t.Error(status)
	}
	r.publish("live.products.updated.1", "")
	b.want(`"id":"1"`)
}
