package bridge

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
)

// secure has the bridge listen with TLS, too, and returns what a client needs.
func (r *rig) secure(t testing.TB, serve func(net.Listener, *tls.Config) error) (addr string, client *tls.Config) {
	t.Helper()
	its, client := identity()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serve(ln, its) }()
	t.Cleanup(func() {
		_ = r.srv.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String(), client
}

// With TLS everything is as it is without, also with that of a listener which is not ours.
func TestTLS(t *testing.T) {
	for name, serve := range map[string]func(*Server, net.Listener, *tls.Config) error{
		"ServeTLS":   (*Server).ServeTLS,
		"a listener": func(s *Server, ln net.Listener, cfg *tls.Config) error { return s.Serve(tls.NewListener(ln, cfg)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *Config) { c.Outbox = 64 << 10 })
			addr, cfg := r.secure(t, func(ln net.Listener, cfg *tls.Config) error { return serve(r.srv, ln, cfg) })
			testTLS(t, r, addr, cfg)
		})
	}
}

func testTLS(t *testing.T, r *rig, addr string, cfg *tls.Config) {
	dial := func() *browser {
		d := websocket.Dialer{Subprotocols: []string{protocol.Subprotocol}, TLSClientConfig: cfg}
		ws, _, err := d.Dial("wss://"+addr+"/v1/ws", http.Header{"Origin": {"https://" + addr}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.Close() })
		b := &browser{t: t, ws: ws}
		b.send(`{"op":"connect"}` + "\n" + `{"op":"subscribe","sub":"a","resource":"products","last":100}`)
		b.want("connected")
		b.want("subscribed")
		return b
	}
	r.publishIDs(1, 3)
	r.history(t, "")
	b, slow := dial(), dial()
	for i := range 3 {
		b.want(`"op":"event","sub":"a"`, fmt.Sprintf(`"id":"%d"`, i+1))
	}
	b.want(`"op":"live"`)
	early, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	_ = early.SetDeadline(time.Now().Add(30 * time.Second))
	w := &wire{early, bufio.NewReader(early)}
	if _, err := io.WriteString(w, hello()+masked(ws.Text, `{"op":"connect"}`)+masked(ws.Close, "\x03\xe8")); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.response(t); status != 101 {
		t.Fatal(status)
	}
	if op, text := w.frame(t); op != ws.Text || !strings.HasPrefix(text, `{"op":"connected"`) {
		t.Errorf("got %d %s", op, text)
	}
	if op, _ := w.frame(t); op != ws.Close {
		t.Errorf("got %d", op)
	}
	await(t, "it has gone", func() bool { return r.connections() == 2 })
	transport := &http.Transport{TLSClientConfig: cfg}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + addr + "/v1/sse?resource=products&last=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s := &source{t: t, eventReader: eventReader{in: bufio.NewReader(resp.Body)}}
	s.want("3")
	s.live()
	await(t, "all are live", func() bool { return r.log.Stats().Live == 3 })
	body := `"` + strings.Repeat("x", 60<<10) + `"`
	r.publish("live.products.updated.4", body)
	b.want(`"id":"4"`)
	s.want("4")
	_ = resp.Body.Close()
	await(t, "the stream has gone", func() bool { return r.connections() == 2 })
	for n := 0; value(t, r.srv.cfg.Registry, "livebridge_closes_total", "code", "4409") == 0; n++ {
		if n == 2000 {
			t.Fatal("the slow one is still there")
		}
		r.publish("live.products.updated.5", body)
		b.want(`"id":"5"`)
	}
	slow.wantClose(4409)
	shut := r.shutdown()
	b.wantClose(1001)
	if err := <-shut; err != nil {
		t.Fatal(err)
	}
}

// A tail that is faster than the shards is held back with TLS, too: bursts of more than an outbox may hold, but no more than it and the
// kernel do together, close nobody, and everybody gets all of them.
func TestTLSFlood(t *testing.T) {
	const clients, bursts, burst, outbox = 50, 12, 150, 64 << 10
	r := start(t, func(c *Config) { c.Outbox = outbox })
	addr, cfg := r.secure(t, r.srv.ServeTLS)
	var got atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		w := secured(t, addr, cfg)
		wg.Go(func() {
			if _, err := w.in.ReadString('}'); err != nil {
				t.Error(err)
				return
			}
			for mine := 0; mine < bursts*burst; {
				n, err := count(w.in)
				mine += n
				got.Add(int64(n))
				if err != nil {
					t.Errorf("after %d events: %v", mine, err)
					return
				}
			}
		})
	}
	await(t, "all are live", func() bool { return r.log.Stats().Live == clients })
	body := []byte(`"` + strings.Repeat("x", 1000) + `\u0007"`)
	for n := range bursts {
		for i := range burst {
			if err := r.nc.Publish(fmt.Sprintf("live.products.updated.%d", i), body); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "all have it", func() bool { return got.Load() == int64((n+1)*burst*clients) || t.Failed() })
	}
	wg.Wait()
	if n := value(t, r.srv.cfg.Registry, "livebridge_closes_total"); n > 0 {
		t.Errorf("%v connections were closed", n)
	}
}

// secured is a WebSocket over TLS with one subscription.
func secured(t testing.TB, addr string, cfg *tls.Config) *wire {
	t.Helper()
	c, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, hello()+masked(ws.Text, `{"op":"connect"}`)+masked(ws.Text, `{"op":"subscribe","sub":"a","resource":"products"}`)); err != nil {
		t.Fatal(err)
	}
	return &wire{c, bufio.NewReader(c)}
}

// Whoever does not get on with the handshake is not waited for.
func TestSlowTLSHandshake(t *testing.T) {
	r := start(t, nil)
	r.srv.app.Server().ReadTimeout = 100 * time.Millisecond // in place of ten seconds
	addr, _ := r.secure(t, r.srv.ServeTLS)
	for name, begin := range map[string]string{"silent": "", "half a hello": "\x16\x03\x01\x01\x00\x01\x00", "no TLS": "GET / HTTP/1.1\r\n\r\n"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(c, begin); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
