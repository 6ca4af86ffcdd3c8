package bridge

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/livebridge/livebridge/auth"
)

var tokenSecret = []byte("0123456789abcdef0123456789abcdef")

type claim = map[string]any

// mint signs a token for alice, valid for an hour; more are claims in place of these, nil removes one.
func mint(t testing.TB, live any, more claim) string {
	t.Helper()
	return mintWith(t, jwt.SigningMethodHS256, tokenSecret, live, more)
}

func mintWith(t testing.TB, method jwt.SigningMethod, key, live any, more claim) string {
	t.Helper()
	c := jwt.MapClaims{"sub": "alice", "aud": "live", "exp": time.Now().Add(time.Hour).Unix(), "live": live}
	for name, v := range more {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	token, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// guarded starts a server that asks for tokens.
func guarded(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	v, err := auth.New(t.Context(), auth.Config{Secret: tokenSecret, Audience: "live"})
	if err != nil {
		t.Fatal(err)
	}
	return start(t, func(c *Config) {
		c.Auth = v
		if change != nil {
			change(c)
		}
	})
}

// as connects with a token.
func (r *rig) as(token string) *browser {
	r.t.Helper()
	b := r.dial()
	b.send(fmt.Sprintf(`{"op":"connect","token":%q}`, token))
	b.want(`"op":"connected"`, `"expires":"`)
	return b
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// all is the right to everything.
var all = claim{"subscribe": []string{">"}, "publish": []string{">"}}

// Whoever has no valid token gets in nowhere, and is not told why.
func TestBadTokens(t *testing.T) {
	r := guarded(t, nil)
	none := mintWith(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, all, nil)
	good := mint(t, all, nil)
	part := strings.Split(good, ".")
	for _, tc := range []struct{ name, token string }{
		{"no token", ""},
		{"nonsense", "nonsense"},
		{"three parts of nonsense", "a.b.c"},
		{"another secret", mintWith(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), all, nil)},
		{"another algorithm", mintWith(t, jwt.SigningMethodHS512, tokenSecret, all, nil)},
		{"alg none", none},
		{"alg none with a signature", none + part[2]},
		{"without its signature", part[0] + "." + part[1] + "."},
		{"claims of another", part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"eve","aud":"live","exp":9999999999,"live":{"subscribe":[">"]}}`)) + "." + part[2]},
		{"expired", mint(t, all, claim{"exp": time.Now().Add(-time.Hour).Unix()})},
		{"expired a moment ago", mint(t, all, claim{"exp": time.Now().Add(-time.Second).Unix()})},
		{"without an end", mint(t, all, claim{"exp": nil})},
		{"not valid yet", mint(t, all, claim{"nbf": time.Now().Add(time.Hour).Unix()})},
		{"wrong audience", mint(t, all, claim{"aud": "mail"})},
		{"without audience", mint(t, all, claim{"aud": nil})},
		{"without rights", mint(t, nil, claim{"live": nil})},
		{"rights not understood", mint(t, claim{"subscribe": []string{">"}, "admin": true}, nil)},
		{"a wrong pattern", mint(t, claim{"subscribe": []string{"products"}}, nil)},
		{"too long", good + strings.Repeat("x", 9000)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := r.dial()
			b.t = t
			b.send(fmt.Sprintf(`{"op":"connect","token":%q}`, tc.token))
			told := b.want(`"op":"error","code":"unauthorized"`)
			b.wantClose(4401)
			if tc.token != "" && strings.Contains(told, tc.token) {
				t.Errorf("the token is told: %s", told)
			}
			for _, request := range [][2]string{{"GET", "/v1/events"}, {"GET", "/v1/sse"}, {"POST", "/v1/ticket"}, {"POST", "/v1/events"}} {
				resp := r.open(request[0], request[1], `{"resource":"a","type":"b"}`, bearer(tc.token)...)
				body := readAll(resp)
				_ = resp.Body.Close()
				if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(body, `"code":"unauthorized"`) {
					t.Errorf("%s %s: %d %v %s", request[0], request[1], resp.StatusCode, resp.Header, body)
				}
			}
		})
	}
	if n := r.log.Stats().Head; n != 0 {
		t.Errorf("%d events were stored", n)
	}
}

// open sends a request and returns when the head of the answer is there.
func (r *rig) open(method, path, body string, header ...string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp
}

// One table says what may be subscribed to, the same over WebSocket, history and SSE.
func TestWhatMayBeRead(t *testing.T) {
	r := guarded(t, nil)
	r.publish("live.products.updated.1", `{}`)
	products := claim{"subscribe": claim{"allow": []string{"products.>"}, "deny": []string{"products.*.7", "products.secret.*"}}}
	for _, tc := range []struct {
		name   string
		rights any
		frame  string // the fields of subscribe
		query  string
		may    bool
	}{
		{"all of a resource", products, `"resource":"products"`, "resource=products", true},
		{"a type of it", products, `"resource":"products","types":["updated"]`, "resource=products&type=updated", true},
		{"a record of it", products, `"resource":"products","ids":["1"]`, "resource=products&id=1", true},
		{"another resource", products, `"resource":"orders"`, "resource=orders", false},
		{"a resource that does not exist", products, `"resource":"nothing"`, "resource=nothing", false},
		{"everything", products, `"resource":"*"`, "", false},
		{"everything of one type", products, `"resource":"*","types":["updated"]`, "type=updated", false},
		{"what is denied, alone", products, `"resource":"products","ids":["7"]`, "resource=products&id=7", false},
		{"a denied type, alone", products, `"resource":"products","types":["secret"]`, "resource=products&type=secret", false},
		{"what is denied, among others", products, `"resource":"products","ids":["7","8"]`, "resource=products&id=7&id=8", true},
		{"a star as a record", products, `"resource":"orders","ids":["*"]`, "resource=orders&id=*", false},
		{"an encoded dot", products, `"resource":"products.x"`, "resource=products.x", false},
		{"a pattern as a resource", products, `"resource":">"`, "resource=%3E", false},
		{"everything, allowed", all, `"resource":"*"`, "", true},
		{"one type, all asked for", claim{"subscribe": []string{"products.updated.*"}}, `"resource":"products"`, "resource=products", false},
		{"one type, and one more asked for", claim{"subscribe": []string{"products.updated.*"}}, `"resource":"products","types":["updated","deleted"]`, "resource=products&type=updated&type=deleted", false},
		{"one record, all asked for", claim{"subscribe": []string{"products.*.1"}}, `"resource":"products"`, "resource=products", false},
		{"one record, and one more asked for", claim{"subscribe": []string{"products.*.1"}}, `"resource":"products","ids":[1,2]`, "resource=products&id=1&id=2", false},
		{"no right to read", claim{"publish": []string{">"}}, `"resource":"products"`, "resource=products", false},
		{"since within the history", claim{"subscribe": []string{"products.>"}, "history": "1h"}, `"resource":"products","since":"-30m"`, "resource=products&since=-30m", true},
		{"since just as far as the history", claim{"subscribe": []string{"products.>"}, "history": "1h"}, `"resource":"products","since":"-1h"`, "resource=products&since=-1h", true},
		{"since further back", claim{"subscribe": []string{"products.>"}, "history": "1h"}, `"resource":"products","since":"-2h"`, "resource=products&since=-2h", false},
		{"since a day long ago", claim{"subscribe": []string{"products.>"}, "history": "1h"}, `"resource":"products","since":"2001-01-01T00:00:00Z"`, "resource=products&since=2001-01-01T00:00:00Z", false},
		{"no history at all", claim{"subscribe": []string{"products.>"}, "history": "0s"}, `"resource":"products","since":"-1s"`, "resource=products&since=-1s", false},
		{"no history needed", claim{"subscribe": []string{"products.>"}, "history": "0s"}, `"resource":"products"`, "resource=products", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := mint(t, tc.rights, nil)
			b := r.as(token)
			b.t = t
			b.send(`{"op":"subscribe","sub":"a",` + tc.frame + `}`)
			if tc.may {
				b.want(`"op":"subscribed","sub":"a","recovered":true`)
			} else {
				b.want(`"op":"error","sub":"a","code":"forbidden"`)
				b.send(`{"op":"ping"}`) // the connection stays
				b.want(`"op":"pong"`)
			}
			want := map[bool]int{true: 200, false: 403}[tc.may]
			for _, path := range []string{"/v1/events?", "/v1/sse?"} {
				resp := r.open("GET", path+tc.query, "", bearer(token)...)
				if resp.StatusCode != want {
					t.Errorf("GET %s%s: %d, want %d", path, tc.query, resp.StatusCode, want)
				}
				_ = resp.Body.Close()
			}
		})
	}
}

// Nobody learns from a refusal whether what he asked for exists, and everybody how far back he may go.
func TestForbiddenTells(t *testing.T) {
	r := guarded(t, nil)
	r.publish("live.orders.updated.1", `{}`)
	b := r.as(mint(t, claim{"subscribe": []string{"products.>"}, "history": "1h"}, nil))
	b.send(`{"op":"subscribe","sub":"a","resource":"orders"}`)
	exists := b.want("forbidden")
	b.send(`{"op":"subscribe","sub":"a","resource":"nothing"}`)
	if not := b.want("forbidden"); not != exists {
		t.Errorf("told apart:\n%s\n%s", exists, not)
	}
	b.send(`{"op":"subscribe","sub":"a","resource":"products","since":"-2h"}`)
	b.want("forbidden", "the last 1h0m0s", "since may go back to "+time.Now().UTC().Add(-time.Hour).Format("2006-01-02T"))
}

// What is denied is delivered nowhere: live, replayed, as history and over SSE.
func TestDenied(t *testing.T) {
	r := guarded(t, nil)
	token := mint(t, claim{"subscribe": claim{"allow": []string{"products.>"}, "deny": []string{"products.*.7"}}}, nil)
	b := r.as(token)
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	b.want("subscribed")
	b.want("live")
	stream := r.events("/v1/sse?resource=products", bearer(token)...)
	for _, id := range []string{"6", "7", "8", "_"} {
		r.publish("live.products.updated."+id, `{}`)
	}
	seen := func(what string, next func() string) {
		t.Helper()
		for _, id := range []string{"6", "8", ""} {
			if got := next(); !strings.Contains(got, `"id":"`+id+`"`) {
				t.Fatalf("%s: %s, want id %q", what, got, id)
			}
		}
	}
	event := func() string { return b.want(`"op":"event"`) }
	seen("live", event)
	seen("SSE", stream)
	for _, from := range []string{`"since":"-1m"`, `"last":3`} {
		b.send(`{"op":"subscribe","sub":"b","resource":"products",` + from + `}`)
		b.want("subscribed")
		seen("replay "+from, event)
		b.want("live")
		b.send(`{"op":"unsubscribe","sub":"b"}`)
		b.want("unsubscribed")
	}
	if _, body := r.get("/v1/events?resource=products", bearer(token)...); strings.Contains(body, `"id":"7"`) || strings.Count(body, `"cursor"`) != 4 {
		t.Errorf("history: %s", body)
	}
	seen("SSE replay", r.events("/v1/sse?resource=products&since=-1m", bearer(token)...))
}

// events follows an SSE stream: each call returns the data of the next event.
func (r *rig) events(path string, header ...string) (next func() string) {
	r.t.Helper()
	resp := r.open("GET", path, "", header...)
	if resp.StatusCode != 200 {
		r.t.Fatalf("GET %s: %d", path, resp.StatusCode)
	}
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	wait := func(head string) string {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), head); ok {
				return text
			}
		}
		return "the end"
	}
	if strings.Contains(path, "since") {
		return func() string { return wait("data: ") }
	}
	wait(": live")
	return func() string { return wait("data: ") }
}

// The history of a grant limits every way to the past.
func TestHistoryLimit(t *testing.T) {
	r := guarded(t, nil)
	r.publish("live.products.updated.1", `{}`)
	_, page := r.get("/v1/events", bearer(mint(t, all, nil))...)
	first := field(t, page, "cursor")
	r.publish("live.products.updated.2", `{}`)
	await(t, "the bridge has read it", func() bool { return r.log.Stats().Head == 2 })
	token := mint(t, claim{"subscribe": []string{"products.>"}, "history": "0s"}, nil)
	b := r.as(token)
	b.send(`{"op":"subscribe","sub":"a","resource":"products","last":5}`)
	b.want("subscribed")
	b.want(`"op":"live"`)
	b.send(`{"op":"subscribe","sub":"b","resource":"products","after":"` + first + `"}`)
	b.want(`"op":"subscribed","sub":"b","recovered":false`)
	b.want(`"op":"reset","sub":"b","reason":"expired"`)
	if code, body := r.get("/v1/events?resource=products", bearer(token)...); code != 200 || !strings.Contains(body, `{"events":[],`) {
		t.Errorf("all of history: %d %s", code, body)
	}
	if code, body := r.get("/v1/events?resource=products&after="+first, bearer(token)...); code != 410 {
		t.Errorf("history after a cursor: %d %s", code, body)
	}
}
