package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/publish"
	"github.com/livebridge/livebridge/replay"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // fasthttp keeps one clock for ever
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// A rig is NATS, a log and a server on a loopback port.
type rig struct {
	t    testing.TB
	nats *natstest.Server
	nc   *nats.Conn
	log  *replay.Log
	srv  *Server
	addr string
}

func start(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	return startOn(t, natstest.Start(t), change)
}

func startOn(t testing.TB, ns *natstest.Server, change func(*Config)) *rig {
	t.Helper()
	return startWith(t, ns, replay.Config{}, change)
}

// startLog is start with other settings of the log than the default.
func startLog(t testing.TB, cfg replay.Config, change func(*Config)) *rig {
	t.Helper()
	return startWith(t, natstest.Start(t), cfg, change)
}

func startWith(t testing.TB, ns *natstest.Server, logCfg replay.Config, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, nats: ns, nc: ns.Connect()}
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	logCfg.Encode, logCfg.Logger = Encode, logger
	var err error
	if r.log, err = replay.Open(t.Context(), r.nc, logCfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.log.Close)
	pub, err := publish.New(r.nc, publish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Log: r.log, Publisher: pub, Logger: logger}
	if change != nil {
		change(&cfg)
	}
	if r.srv, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.srv.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.srv.Shutdown(ctx); err != nil && !strings.Contains(err.Error(), "twice") {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return r
}

// publish stores an event as any NATS client does.
func (r *rig) publish(subject, body string) {
	r.t.Helper()
	if _, err := r.nc.Request(subject, []byte(body), 5*time.Second); err != nil {
		r.t.Fatalf("publish %s: %v", subject, err)
	}
}

// A browser is one WebSocket client.
type browser struct {
	t     testing.TB
	ws    *websocket.Conn
	lines []string // received, not yet read
}

func (r *rig) dial() *browser {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{protocol.Subprotocol}}
	ws, _, err := d.Dial("ws://"+r.addr+"/v1/ws", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	b := &browser{t: r.t, ws: ws}
	r.t.Cleanup(func() { _ = ws.Close() })
	return b
}

// connect dials and connects.
func (r *rig) connect() *browser {
	r.t.Helper()
	b := r.dial()
	b.send(`{"op":"connect"}`)
	b.want(`"op":"connected"`)
	return b
}

func (b *browser) send(frame string) {
	b.t.Helper()
	if err := b.ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		b.t.Fatalf("send %s: %v", frame, err)
	}
}

// next is the next object from the bridge.
func (b *browser) next() (string, error) {
	for len(b.lines) == 0 {
		_ = b.ws.SetReadDeadline(time.Now().Add(15 * time.Second))
		_, frame, err := b.ws.ReadMessage()
		if err != nil {
			return "", err
		}
		b.lines = strings.Split(string(frame), "\n")
	}
	line := b.lines[0]
	b.lines = b.lines[1:]
	if !json.Valid([]byte(line)) {
		b.t.Errorf("not JSON: %q", line)
	}
	return line, nil
}

// want reads the next object and checks that it holds every part.
func (b *browser) want(parts ...string) string {
	b.t.Helper()
	line, err := b.next()
	if err != nil {
		b.t.Fatalf("waited for %q: %v", parts, err)
	}
	for _, p := range parts {
		if !strings.Contains(line, p) {
			b.t.Fatalf("got %s, want %q in it", line, p)
		}
	}
	return line
}

// wantClose reads until the connection is closed, and checks the code.
func (b *browser) wantClose(code int) {
	b.t.Helper()
	for {
		line, err := b.next()
		if err == nil {
			b.t.Logf("before the close: %.100s", line)
			continue
		}
		if ce, ok := err.(*websocket.CloseError); !ok || ce.Code != code {
			b.t.Fatalf("closed with %v, want %d", err, code)
		}
		return
	}
}

func field(t testing.TB, line, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return fmt.Sprint(m[name])
}

func (r *rig) get(path string, header ...string) (int, string) {
	r.t.Helper()
	return r.do("GET", path, "", header...)
}

func (r *rig) do(method, path, body string, header ...string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := fmt.Fprint(&b, readAll(resp)); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

func readAll(resp *http.Response) string {
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}
