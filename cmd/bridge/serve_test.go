package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/protocol"
)

func TestServe(t *testing.T) {
	b := serve(t)
	live := watch(t, b.URL+"/v1/sse?resource=products")
	if got := must(t, "publish", "products", "updated", "42", `{"price":10}`, "--nats-url", b.NATS); got != "1\n" {
		t.Errorf("stored as %q", got)
	}
	live.wait(t, `"resource":"products","type":"updated","id":"42"`)
	if got := must(t, "tail", "--no-follow", "--since", "-1m", "--nats-url", b.NATS); !strings.Contains(got, `products updated 42  {"price":10}`) {
		t.Errorf("tail shows %q", got)
	}
	if code, _ := get(t, b.URL+"/readyz"); code != 200 {
		t.Errorf("readyz: %d", code)
	}
	if code, body := get(t, b.URL+"/metrics"); code != 200 || !strings.Contains(body, "livebridge_connections") || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics: %d %s", code, body)
	}
	if status := b.stop(); status != exitOK {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
	b.stderr.wait(t, `"msg":"drained"`)
}

// Two programs in one process do not know of each other; both show what is stored in the same stream.
func TestServeTwice(t *testing.T) {
	first := serve(t)
	second := serve(t, "--nats-url", first.NATS)
	if first.URL == second.URL {
		t.Fatalf("both at %s", first.URL)
	}
	live := []*lines{watch(t, first.URL+"/v1/sse"), watch(t, second.URL+"/v1/sse")}
	must(t, "publish", "products", "created", "1", "--nats-url", first.NATS)
	for _, l := range live {
		l.wait(t, `"type":"created","id":"1"`)
	}
	if status := second.stop(); status != exitOK {
		t.Errorf("the second: exit %d: %s", status, second.stderr)
	}
	if status := first.stop(); status != exitOK {
		t.Errorf("the first: exit %d: %s", status, first.stderr)
	}
}

// What is stored is there after a restart.
func TestServeAgain(t *testing.T) {
	dir := t.TempDir()
	b := serve(t, "--store-dir", dir)
	must(t, "publish", "products", "created", "1", "--nats-url", b.NATS)
	refused(t, exitFailure, "is in use by another bridge (process ", "--store-dir",
		"--store-dir", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	b.stop()
	b = serve(t, "--store-dir", dir)
	if _, body := get(t, b.URL+"/v1/events"); !strings.Contains(body, `"type":"created","id":"1"`) {
		t.Errorf("after a restart: %s", body)
	}
}

func TestDrainSaysGoingAway(t *testing.T) {
	b := serve(t)
	ws := dial(t, websocket.DefaultDialer, "ws"+strings.TrimPrefix(b.URL, "http"))
	b.cancel()
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, int(protocol.CloseGoingAway)) {
		t.Errorf("closed with %v, want 1001", err)
	}
	_ = ws.Close()
	if status := b.wait(); status != exitOK {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
}

// dial opens a WebSocket and connects.
func dial(t testing.TB, d *websocket.Dialer, url string) *websocket.Conn {
	t.Helper()
	ws, _, err := d.Dial(url+"/v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	_ = ws.SetReadDeadline(time.Now().Add(patience))
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"connect"}`)); err != nil {
		t.Fatal(err)
	}
	if _, frame, err := ws.ReadMessage(); err != nil || !strings.Contains(string(frame), `"op":"connected"`) {
		t.Fatalf("%s %v", frame, err)
	}
	return ws
}

func TestServeTLS(t *testing.T) {
	cert, key, pool := newCertificate(t)
	b := serve(t, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(b.URL, "https://") {
		t.Fatalf("ready at %s", b.URL)
	}
	config := &tls.Config{RootCAs: pool}
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	resp, err := secure.Get(b.URL + "/healthz")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	ws := dial(t, &websocket.Dialer{TLSClientConfig: config}, "wss"+strings.TrimPrefix(b.URL, "https"))
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"subscribe","sub":"a","resource":"products"}`)); err != nil {
		t.Fatal(err)
	}
	must(t, "publish", "products", "created", "1", "--nats-url", b.NATS)
	for {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(frame), `"type":"created","id":"1"`) {
			break
		}
	}
	_ = ws.Close()
	if status := b.stop(); status != exitOK {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
	refused(t, exitFailure, "--tls-cert", "PEM", "--tls-cert", key, "--tls-key", cert, "--listen", "127.0.0.1:0")
}

// file writes a file for the test.
func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAdminListen(t *testing.T) {
	b := serve(t, "--admin-listen", "127.0.0.1:0")
	admin := b.ready()["admin"]
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/v1/events": 404} {
		if code, body := get(t, admin+path); code != want {
			t.Errorf("admin %s: %d %s, want %d", path, code, body, want)
		}
	}
	for path, want := range map[string]int{"/metrics": 404, "/healthz": 200, "/readyz": 200} {
		if code, body := get(t, b.URL+path); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
	if status := b.stop(); status != exitOK {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
}

// While NATS is away the bridge stays, says that it is not ready, and catches up by itself; it can be stopped meanwhile.
func TestServeWithoutNATS(t *testing.T) {
	ns := natstest.Start(t)
	b := serve(t, "--nats-url", ns.URL())
	live := watch(t, b.URL+"/v1/sse")
	ns.Down()
	b.stderr.wait(t, "the connection to NATS is lost")
	until(t, func() bool { code, _ := get(t, b.URL+"/readyz"); return code == 503 })
	resp, err := client.Post(b.URL+"/v1/events", "application/json", strings.NewReader(`{"resource":"products","type":"created","id":"1"}`))
	if err != nil || resp.StatusCode != 503 {
		t.Errorf("publish without NATS: %v %v", resp, err)
	}
	_ = resp.Body.Close()
	ns.Up()
	b.stderr.wait(t, "connected to NATS again")
	until(t, func() bool { code, _ := get(t, b.URL+"/readyz"); return code == 200 })
	must(t, "publish", "products", "created", "2", "--nats-url", ns.URL())
	live.wait(t, `"type":"created","id":"2"`)
	ns.Down()
	if status := b.stop(); status != exitOK {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
}

// until waits for a state that nothing announces.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("it does not come to that")
		}
	}
}

// A stop while the bridge still starts is no failure.
func TestStopWhileStarting(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	asked, err := nc.SubscribeSync("$JS.API.>") // a JetStream that never answers
	if err != nil {
		t.Fatal(err)
	}
	b := launch(t, "--nats-url", ns.ClientURL(), "--listen", "127.0.0.1:0")
	if _, err := asked.NextMsg(patience); err != nil {
		t.Fatal(err)
	}
	if status := b.stop(); status != exitOK || strings.Contains(b.stderr.String(), "hint:") {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
}
