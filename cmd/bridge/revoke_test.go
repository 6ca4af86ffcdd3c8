//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/internal/natstest"
)

// Two bridges in front of one NATS, and a logout: by the program, and by a plain message to NATS as any backend sends it.
func TestRevokedOnAllBridges(t *testing.T) {
	ns := natstest.Start(t)
	secret := newSecret(t)
	var bridges []*running
	for range 2 {
		bridges = append(bridges, serve(t, "--nats-url", ns.URL(), "--jwt-secret-file", secret, "--admin-listen", "127.0.0.1:0"))
	}
	token := newToken(t, secret, "--subscribe", "products.>")
	connect := func(b *running, token string) *websocket.Conn {
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(b.URL, "http")+"/v1/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.Close() })
		says(t, ws, map[string]any{"op": "connect", "token": token}, `"op":"connected"`)
		return ws
	}
	ended := func(sockets []*websocket.Conn) {
		t.Helper()
		for i, ws := range sockets {
			says(t, ws, nil, `"code":"unauthorized"`)
			if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 4401) {
				t.Errorf("bridge %d: closed with %v", i, err)
			}
			if code, _ := status(t, bridges[i].URL+"/v1/events?resource=products", token); code != 401 {
				t.Errorf("bridge %d: history: %d", i, code)
			}
		}
	}
	both := func(token string) []*websocket.Conn {
		return []*websocket.Conn{connect(bridges[0], token), connect(bridges[1], token)}
	}

	sockets := both(token)
	if said := must(t, "token", "revoke", "--sub", "alice", "--nats-url", ns.URL()); !strings.HasPrefix(said, "sub  alice  tokens issued before now  kept until ") {
		t.Errorf("said %q", said)
	}
	ended(sockets)
	bridges[1].stderr.wait(t, `"msg":"token revoked: the connection is closed"`)
	if list := must(t, "token", "revoked", "--nats-url", ns.URL()); strings.Count(list, "\n") != 1 || !strings.HasPrefix(list, "sub  alice  tokens issued before 20") {
		t.Errorf("listed %q", list)
	}

	// Alice logs in again, a second later, and out again: her backend sends a message.
	until(t, func() bool {
		token = newToken(t, secret, "--subscribe", "products.>")
		code, _ := status(t, bridges[0].URL+"/v1/events?resource=products", token)
		return code == 200
	})
	sockets = both(token)
	nc := ns.Connect()
	logout := nats.NewMsg("$KV.LIVE_REVOKED.sub.YWxpY2U")
	logout.Header.Set("Nats-TTL", "1h")
	if answer, err := nc.RequestMsg(logout, 5*time.Second); err != nil || strings.Contains(string(answer.Data), "error") {
		t.Fatalf("%s %v", answer.Data, err)
	}
	ended(sockets)

	// A bridge that is started later knows it too.
	bridges = append(bridges, serve(t, "--nats-url", ns.URL(), "--jwt-secret-file", secret))
	if code, _ := status(t, bridges[2].URL+"/v1/events?resource=products", token); code != 401 {
		t.Errorf("a later bridge: %d", code)
	}
	off := serve(t, "--nats-url", ns.URL(), "--jwt-secret-file", secret, "--revocation-bucket", "off")
	if code, _ := status(t, off.URL+"/v1/events?resource=products", token); code != 200 {
		t.Errorf("a bridge without revocation: %d", code)
	}
}

// A secret takes another's place without a restart and without a token that does not count: both do while there are two files.
func TestSecretRotation(t *testing.T) {
	current, previous := newSecret(t), newSecret(t)
	old := newToken(t, current, "--subscribe", ">")
	copySecret := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to+".new", text, 0o600)
		}
		if err == nil {
			err = os.Rename(to+".new", to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copySecret(current, previous)
	b := serve(t, "--jwt-secret-file", current, "--jwt-secret-file", previous)
	counts := func(token string) bool {
		code, _ := status(t, b.URL+"/v1/events", token)
		return code == 200
	}
	next := newSecret(t)
	fresh := newToken(t, next, "--subscribe", ">")
	if !counts(old) || counts(fresh) {
		t.Fatal("not the tokens of the first secret")
	}
	copySecret(next, current)
	b.stderr.wait(t, `"msg":"the key file has changed: tokens are verified with the new key"`)
	if !counts(old) || !counts(fresh) {
		t.Error("not the tokens of both")
	}
	copySecret(next, previous)
	until(t, func() bool { return !counts(old) })
	if !counts(fresh) {
		t.Error("not the tokens of the new secret")
	}

	// What cannot be used changes nothing, and is told.
	if err := os.WriteFile(current, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.stderr.wait(t, "the secret has 5 bytes")
	if err := os.WriteFile(previous, []byte(strings.Repeat("x", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(previous, 0o644); err != nil {
		t.Fatal(err)
	}
	b.stderr.wait(t, "mode 0644")
	if !counts(fresh) {
		t.Error("a file that cannot be used took the place of one that could")
	}
	copySecret(next, current)
	b.stderr.wait(t, `"msg":"the key file holds again what it held before"`)
	if n := strings.Count(b.stderr.String(), "cannot be used as it is now"); n > 3 { // previous may have been seen between the two steps
		t.Errorf("told %d times", n)
	}
}

// A bridge that is started while the login service is away waits for it.
func TestKeySetAwayAtTheStart(t *testing.T) {
	var up atomic.Bool
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(503)
			return
		}
		fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}))
	defer keys.Close()
	b := serve(t, "--jwks-url", keys.URL)
	if code, body := get(t, b.URL+"/readyz"); code != 503 || !strings.Contains(body, "the key set of the tokens has not been fetched yet: status 503") {
		t.Errorf("readyz: %d %s", code, body)
	}
	if code, _ := status(t, b.URL+"/v1/events", "a.b.c"); code != 503 {
		t.Errorf("history: %d", code)
	}
	up.Store(true)
	until(t, func() bool { code, _ := get(t, b.URL+"/readyz"); return code == 200 })
	if code, _ := status(t, b.URL+"/v1/events", "a.b.c"); code != 401 {
		t.Errorf("history: %d", code)
	}
}
