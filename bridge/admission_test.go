package bridge

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
)

// refused is how often something was refused by a limit.
func (r *rig) refused(why reason) float64 {
	r.t.Helper()
	return value(r.t, r.srv.cfg.Registry, "livebridge_refused_total", "reason", string(why))
}

// counted is what the server's books say: streams by address and by user, and connections of HTTP.
func (r *rig) counted() (addresses, users, http int) {
	r.srv.mu.Lock()
	defer r.srv.mu.Unlock()
	a := &r.srv.admission
	for _, n := range a.byAddress {
		addresses += n
	}
	for _, n := range a.byUser {
		users += n
	}
	return addresses, users, a.http
}

// balanced waits until nothing is counted any more.
func (r *rig) balanced() {
	r.t.Helper()
	await(r.t, "all have gone", func() bool {
		addresses, users, http := r.counted()
		r.srv.mu.Lock()
		defer r.srv.mu.Unlock()
		a := &r.srv.admission
		return len(r.srv.conns)+addresses+users+http+a.refusing+len(a.byAddress)+len(a.byUser)+len(a.httpBy)+len(a.closing) == 0
	})
}

// from are the headers of a request that a proxy passes on.
func from(address string) []string { return []string{"X-Forwarded-For", address} }

// A WebSocket beyond a limit is closed with 4429; a stream of SSE is told by the status. They are counted together, and by the address
// that a trusted proxy names.
func TestConnectionsPerAddress(t *testing.T) {
	r := start(t, func(c *Config) { c.ConnectionsPerAddress, c.TrustedProxies = 2, []string{"127.0.0.1"} })
	socket := func(address string) *wire {
		w := r.wire(hello("Connection", "X-Forwarded-For: "+address+"\r\nConnection"), 0)
		if status, body := w.response(t); status != 101 {
			t.Fatalf("%d %s", status, body)
		}
		_, _ = w.Write([]byte(masked(ws.Text, `{"op":"connect"}`)))
		return w
	}
	first := socket("198.51.100.1")
	first.frame(t)
	stream := r.sse(t, "", from("198.51.100.1")...).live()
	if op, payload := socket("198.51.100.1").frame(t); op != ws.Close || ws.CloseCode([]byte(payload)) != 4429 {
		t.Errorf("a third WebSocket: %v %q", op, payload)
	}
	status, body := r.get("/v1/sse", from("198.51.100.1")...)
	wantError(t, status, body, 429, "too_many", "2 connections from this address")
	if op, payload := socket("198.51.100.2").frame(t); op != ws.Text {
		t.Errorf("another address: %v %q", op, payload)
	}
	for i := range 3 { // one /64 is one household
		op, _ := socket(fmt.Sprintf("2001:db8::%d", i)).frame(t)
		if want := map[bool]ws.Op{true: ws.Text, false: ws.Close}[i < 2]; op != want {
			t.Errorf("IPv6 %d: %v", i, op)
		}
	}
	if n := r.refused(overAddress); n != 3 {
		t.Errorf("%v were refused, want 3", n)
	}
	// Who goes makes room.
	stream.close()
	await(t, "it has gone", func() bool { n, _, _ := r.counted(); return n == 4 })
	if op, payload := socket("198.51.100.1").frame(t); op != ws.Text {
		t.Errorf("after one has gone: %v %q", op, payload)
	}
}

// What a stranger writes into the header makes no difference.
func TestForgedAddress(t *testing.T) {
	r := start(t, func(c *Config) { c.ConnectionsPerAddress, c.TrustedProxies = 2, []string{"10.0.0.0/8"} })
	for i := range 2 {
		r.sse(t, "", from(fmt.Sprintf("198.51.100.%d", i))...).live()
	}
	status, body := r.get("/v1/sse", from("198.51.100.7")...)
	wantError(t, status, body, 429, "too_many", "address")
}

func TestConnectionsPerUser(t *testing.T) {
	r := guarded(t, func(c *Config) { c.ConnectionsPerUser = 2 })
	alice, bob, nobody := mint(t, all, claim{"sub": "alice"}), mint(t, all, claim{"sub": "bob"}), mint(t, all, claim{"sub": ""})
	one := r.as(alice)
	r.as(bob)
	resp := r.open("GET", "/v1/sse", "", bearer(alice)...)
	defer resp.Body.Close()
	await(t, "they are counted", func() bool { _, n, _ := r.counted(); return n == 3 })

	b := r.dial()
	b.send(fmt.Sprintf(`{"op":"connect","token":%q}`, alice))
	b.want(`"code":"too_many"`, "2 connections already")
	b.wantClose(4429)
	status, body := r.get("/v1/sse", bearer(alice)...)
	wantError(t, status, body, 429, "too_many", "2 connections already")
	for range 3 { // whose token has no sub is not known, and not counted
		r.as(nobody)
	}
	if n := r.refused(overUser); n != 2 {
		t.Errorf("%v were refused, want 2", n)
	}
	// A fresh token on an open connection is no other connection; and who goes makes room.
	one.renew(alice)
	one.want(`"op":"connected"`)
	_ = one.ws.Close()
	await(t, "it has gone", func() bool { _, n, _ := r.counted(); return n == 2 })
	r.as(alice)
}

// All that comes through a proxy is not one address: how many connections it has is not limited by that.
func TestConnectionsOfAProxy(t *testing.T) {
	r := start(t, func(c *Config) { c.ConnectionsPerAddress, c.TrustedProxies = 1, []string{"127.0.0.0/8"} })
	for i := range 150 {
		w := r.wire(hello("Connection", fmt.Sprintf("X-Forwarded-For: 198.51.100.%d\r\nConnection", i)), 0)
		if status, body := w.response(t); status != 101 {
			t.Fatalf("%d: %d %s", i, status, body)
		}
		r.wire("", 0)
	}
	await(t, "all are there", func() bool { n, _, http := r.counted(); return n == 150 && http == 150 })
	if n := r.refused(overAddress); n != 0 {
		t.Errorf("%v were refused", n)
	}
}

// Connections that never ask for anything are bounded, too: a little beyond the limit they are closed as they come. Those who are there
// are served on.
func TestFloodOfSilentConnections(t *testing.T) {
	t.Run("of one address", func(t *testing.T) { silentFlood(t, overAddress, 20, 10) })
	t.Run("in all", func(t *testing.T) { silentFlood(t, overConnections, 10, -1) })
}

func silentFlood(t *testing.T, why reason, all, ofOne int) {
	var log buffer
	r := start(t, func(c *Config) {
		c.Connections, c.ConnectionsPerAddress, c.Logger = all, ofOne, slog.New(slog.NewJSONHandler(&log, nil))
	})
	served := r.connect()
	conns := make([]net.Conn, 300)
	for i := range conns {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	const most = 10 + 100 // and what is spare
	await(t, "the rest has been closed", func() bool {
		_, _, http := r.counted()
		return http == most-1 && r.refused(why) == float64(len(conns)-(most-1))
	})
	for i, c := range conns[most:] { // whoever came then is closed, and finds it out
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("connection %d was answered", most+i)
		}
	}
	served.send(`{"op":"ping"}`)
	served.want("pong")
	if n := strings.Count(log.String(), `"reason":"`+string(why)+`"`); n != 1 {
		t.Errorf("the log was told %d times: %s", n, log.String())
	}
	for _, c := range conns {
		_ = c.Close()
	}
	_ = served.ws.Close()
	r.balanced()
	r.connect()
}

// WebSockets that never say connect are closed, and nothing of them is left.
func TestFloodWithoutConnect(t *testing.T) {
	r := start(t, func(c *Config) { c.Connections, c.ConnectTimeout, c.Ping = 50, time.Second, 400*time.Millisecond })
	conns := make([]*wire, 100)
	for i := range conns {
		conns[i] = r.wire(hello(), 0)
	}
	await(t, "so many are taken, and no more", func() bool { return r.refused(overConnections) == 50 })
	if n := r.connections(); n > 50 {
		t.Errorf("%d connections", n)
	}
	codes := map[int]int{}
	for _, w := range conns {
		w.response(t)
		for {
			op, payload, err := readFrame(w.in)
			if err != nil {
				t.Fatal(err)
			}
			if op == ws.Close {
				codes[ws.CloseCode(payload)]++
				break
			}
		}
		_ = w.Close()
	}
	if codes[4408] != 50 || codes[4429] != 50 {
		t.Errorf("close codes %v, want 50 times 4408 and 4429", codes)
	}
	if n := r.refused(overConnectTime); n != 50 {
		t.Errorf("%v had no connect in time", n)
	}
	r.balanced()
}

// Those who are told that they are one too many are few: the others are turned away before the upgrade.
func TestRefusalsAreBounded(t *testing.T) {
	r := start(t, func(c *Config) { c.Connections = 1 })
	r.connect()
	r.srv.mu.Lock()
	r.srv.admission.refusing = maxRefusing
	r.srv.mu.Unlock()
	w := r.wire(hello(), 0)
	status, body := w.response(t)
	wantError(t, status, body, 503, "too_many", "try again")
	if r.srv.beginTelling() {
		t.Error("one more is told")
	}
	r.srv.mu.Lock()
	r.srv.admission.refusing = 0
	r.srv.mu.Unlock()
	r.dial().wantClose(4429)
}

// The log names the address that a trusted proxy names.
func TestAddressInTheLog(t *testing.T) {
	var log buffer
	r := start(t, func(c *Config) {
		c.TrustedProxies, c.Logger = []string{"127.0.0.1"}, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w := r.wire(hello("Connection", "X-Forwarded-For: 198.51.100.1, 2001:db8::7\r\nConnection")+masked(ws.Text, `{"op":"connect"}`), 0)
	w.response(t)
	w.frame(t)
	await(t, "it is logged", func() bool { return strings.Contains(log.String(), `"connected"`) })
	if text := log.String(); !strings.Contains(text, `"remote":"2001:db8::7"`) || bytes.Contains([]byte(text), []byte("198.51.100.1")) {
		t.Error(text)
	}
}
