//go:build unix

package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// newSecret writes a secret.
func newSecret(t testing.TB) string {
	t.Helper()
	var b [48]byte
	_, _ = rand.Read(b[:])
	return file(t, "jwt.secret", base64.StdEncoding.EncodeToString(b[:])+"\n")
}

func newToken(t testing.TB, secret string, args ...string) string {
	t.Helper()
	return strings.TrimSpace(must(t, append([]string{"token", "--secret-file", secret, "--sub", "alice"}, args...)...))
}

// says sends one object and reads until one comes that holds a text.
func says(t testing.TB, ws *websocket.Conn, object map[string]any, want string) string {
	t.Helper()
	if object != nil {
		if err := ws.WriteJSON(object); err != nil {
			t.Fatal(err)
		}
	}
	_ = ws.SetReadDeadline(time.Now().Add(patience))
	for {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			t.Fatalf("waited for %q: %v", want, err)
		}
		for line := range strings.Lines(string(frame)) {
			if strings.Contains(line, want) {
				return line
			}
		}
	}
}

// The program with a secret, in a process of its own: a client with a token gets what it allows, goes on with a fresh one, and is sent away
// when that has expired.
func TestTokensFromEndToEnd(t *testing.T) {
	secret := newSecret(t)
	p := spawn(t, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--store-dir", t.TempDir(), "--jwt-secret-file", secret, "--jwt-audience", "live", "--log-level", "debug")
	where := p.ready()
	if where["console"] != "" {
		t.Errorf("the console is on: %v", where)
	}
	for path, want := range map[string]int{"/": 404, "/metrics": 404, "/v1/events": 401, "/v1/sse": 401, "/healthz": 200} {
		if code, body := get(t, p.URL+path); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.URL, "http")+"/v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	first := newToken(t, secret, "--audience", "live", "--subscribe", "products.>", "--deny", "products.*.7", "--expires", "3s")
	says(t, ws, map[string]any{"op": "connect", "token": first}, `"op":"connected"`)
	says(t, ws, map[string]any{"op": "subscribe", "sub": "a", "resource": "products"}, `"op":"live"`)
	says(t, ws, map[string]any{"op": "subscribe", "sub": "b", "resource": "orders"}, `"sub":"b","code":"forbidden"`)

	expires := time.Now().Add(6 * time.Second)
	second := newToken(t, secret, "--audience", "live", "--subscribe", "products.>", "--deny", "products.*.7", "--publish", "products.>", "--expires", "6s")
	says(t, ws, map[string]any{"op": "token", "token": second}, `"op":"connected"`)
	until(t, func() bool { code, _ := status(t, p.URL+"/v1/events?resource=products", first); return code == 401 }) // the first has expired
	must(t, "publish", "products", "updated", "7", "--nats-url", p.NATS)
	must(t, "publish", "products", "updated", "8", "--nats-url", p.NATS)
	if line := says(t, ws, nil, `"op":"event"`); !strings.Contains(line, `"id":"8"`) {
		t.Errorf("got %s", line)
	}
	if code, body := status(t, p.URL+"/v1/events?resource=products", second); code != 200 || strings.Contains(body, `"id":"7"`) {
		t.Errorf("history: %d %s", code, body)
	}
	for {
		if _, _, err = ws.ReadMessage(); err != nil {
			break
		}
	}
	if !websocket.IsCloseError(err, 4401) || time.Now().Before(expires.Add(-time.Second)) {
		t.Errorf("closed with %v, %s before the end", err, time.Until(expires))
	}
	p.signal(syscall.SIGTERM)
	if status := p.exit(); status != exitOK {
		t.Errorf("exit %d: %s", status, p.stderr)
	}
	key, err := os.ReadFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{first, second, strings.TrimSpace(string(key))} {
		for part := range strings.SplitSeq(text, ".") {
			if strings.Contains(p.stderr.String(), part) {
				t.Errorf("the log holds %s", part)
			}
		}
	}
}

// status gets a page with a token.
func status(t testing.TB, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body json.RawMessage
	_ = json.NewDecoder(resp.Body).Decode(&body)
	return resp.StatusCode, string(body)
}

// With tokens a public address is served without --insecure, and metrics on their own address alone.
func TestTokensOnAPublicAddress(t *testing.T) {
	b := serve(t, "--listen", "0.0.0.0:0", "--jwt-secret-file", newSecret(t), "--admin-listen", "127.0.0.1:0")
	admin := b.ready()["admin"]
	url := strings.Replace(b.URL, "0.0.0.0", "127.0.0.1", 1)
	if code, _ := get(t, url+"/v1/events"); code != 401 {
		t.Errorf("history without a token: %d", code)
	}
	if code, _ := get(t, url+"/metrics"); code != 404 {
		t.Errorf("metrics in public: %d", code)
	}
	if code, _ := get(t, admin+"/metrics"); code != 200 {
		t.Errorf("metrics: %d", code)
	}
}

// A key set is fetched at the start, and its absence told.
func TestKeySet(t *testing.T) {
	const x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" // of RFC 8037, appendix A
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","alg":"EdDSA","x":%q}]}`, x)
	}))
	defer keys.Close()
	b := serve(t, "--jwks-url", keys.URL, "--jwt-issuer", "shop")
	if code, _ := status(t, b.URL+"/v1/events", newToken(t, newSecret(t), "--subscribe", ">")); code != 401 {
		t.Errorf("a token of HS256: %d", code)
	}
	if status := b.stop(); status != exitOK {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
}
