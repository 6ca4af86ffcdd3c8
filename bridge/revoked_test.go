package bridge

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livebridge/livebridge/auth"
	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/revoke"
)

// guardedOn starts a server that asks for tokens, and knows those that are revoked, on a NATS server that others use too.
func guardedOn(t testing.TB, ns *natstest.Server, change func(*Config)) *rig {
	t.Helper()
	v, err := auth.New(t.Context(), auth.Config{Secret: tokenSecret, Audience: "live"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := revoke.Open(t.Context(), ns.Connect(), revoke.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(list.Close)
	return startOn(t, ns, func(c *Config) {
		c.Auth, c.Revoked = v, list
		if change != nil {
			change(c)
		}
	})
}

func (r *rig) revoke(list ...revoke.Entry) {
	r.t.Helper()
	if err := revoke.Put(r.t.Context(), r.nc, "", list...); err != nil {
		r.t.Fatal(err)
	}
}

// ticket asks for one.
func (r *rig) ticket(token string) string {
	r.t.Helper()
	code, body := r.do("POST", "/v1/ticket", "", bearer(token)...)
	if code != 200 {
		r.t.Fatalf("ticket: %d %s", code, body)
	}
	return field(r.t, body, "ticket")
}

// What is revoked ends everywhere: on all bridges, on connections that are open, whatever they do, and for whoever comes later.
func TestRevocation(t *testing.T) {
	ns := natstest.Start(t)
	log := &buffer{}
	rigs := []*rig{
		guardedOn(t, ns, func(c *Config) {
			c.Outbox, c.Logger = 64<<10, slog.New(slog.NewTextHandler(log, nil))
		}),
		guardedOn(t, ns, nil),
	}
	r := rigs[0]
	for i := range 1000 { // a replay of which stays under way while the client reads nothing
		r.publish(fmt.Sprintf("live.products.updated.%d", i), `"`+strings.Repeat("x", 10<<10)+`"`)
	}
	issued := time.Now().Add(-time.Minute).Unix()
	logout := []revoke.Entry{{ID: "j1"}, {Subject: "bob", Until: time.Now().Add(time.Hour)}}
	gone := []string{
		mint(t, all, claim{"jti": "j1", "iat": issued}),
		mint(t, all, claim{"sub": "bob", "iat": issued}),
		mint(t, all, claim{"sub": "bob"}), // does not say when
	}
	stays := []string{
		mint(t, all, claim{"jti": "j2", "iat": issued}),
		mint(t, all, claim{"sub": "bob", "jti": "later", "iat": time.Now().Add(time.Minute).Unix()}),
		mint(t, all, nil),
	}
	type open struct {
		rig     *rig
		token   string
		live    *browser
		replays *browser
		fresh   *browser // has another token, and is about to be given this one
		stream  *http.Response
		ticket  string
	}
	connect := func(r *rig, token string) *open {
		o := &open{rig: r, token: token, live: r.as(token), replays: r.as(token), ticket: r.ticket(token)}
		o.live.send(`{"op":"subscribe","sub":"a","resource":"orders"}`)
		o.live.want("subscribed")
		o.live.want("live")
		o.replays.send(`{"op":"subscribe","sub":"a","resource":"products","last":1000}`)
		o.replays.want("subscribed")
		o.stream = r.open("GET", "/v1/sse?resource=orders", "", bearer(token)...)
		t.Cleanup(func() { _ = o.stream.Body.Close() })
		return o
	}
	var revoked, others []*open
	for _, r := range rigs {
		for _, token := range gone {
			revoked = append(revoked, connect(r, token))
		}
		for _, token := range stays {
			others = append(others, connect(r, token))
		}
	}
	for _, o := range revoked {
		sub := "bob"
		if o.token == gone[0] {
			sub = "alice"
		}
		o.fresh = o.rig.as(mint(t, all, claim{"sub": sub, "jti": "fresh", "iat": time.Now().Add(time.Minute).Unix()}))
	}
	began := time.Now()
	r.revoke(logout...)
	for _, o := range revoked {
		o.live.want(`{"op":"error","code":"unauthorized"`)
		o.live.wantClose(4401)
	}
	t.Logf("%d connections were closed within %s", len(revoked), time.Since(began))
	for _, o := range revoked {
		o.replays.wantClose(4401)
		body, err := io.ReadAll(o.stream.Body)
		if err != nil || !strings.HasSuffix(string(body), "\n\nevent: error\ndata: "+string(protocol.AppendErrorBody(nil, unauthorized(true)))+"\n\n") {
			t.Errorf("SSE ended with %v and %q", err, body)
		}
		for _, request := range [][2]string{{"GET", "/v1/events"}, {"GET", "/v1/sse"}, {"POST", "/v1/ticket"}, {"POST", "/v1/events"}} {
			if code, body := o.rig.do(request[0], request[1], `{"resource":"a","type":"b"}`, bearer(o.token)...); code != 401 {
				t.Errorf("%s %s: %d %s", request[0], request[1], code, body)
			}
		}
		if code, body := o.rig.get("/v1/sse?ticket=" + o.ticket); code != 401 {
			t.Errorf("SSE with a ticket: %d %s", code, body)
		}
		b := o.rig.dial()
		b.send(fmt.Sprintf(`{"op":"connect","token":%q}`, o.token))
		b.want(`"code":"unauthorized"`)
		b.wantClose(4401)
		o.fresh.renew(o.token)
		o.fresh.want(`"code":"unauthorized"`)
		o.fresh.wantClose(4401)
	}
	r.publish("live.orders.updated.1", `{}`)
	for i, o := range others {
		if line := o.live.want(`"op":"event"`); !strings.Contains(line, `"orders"`) {
			t.Errorf("%d: %s", i, line)
		}
		if resp := o.rig.open("GET", "/v1/sse?ticket="+o.ticket, ""); resp.StatusCode != 200 {
			t.Errorf("SSE with the ticket of another: %d", resp.StatusCode)
		} else {
			_ = resp.Body.Close()
		}
		if code, _ := o.rig.get("/v1/events?limit=1", bearer(o.token)...); code != 200 {
			t.Errorf("history of another: %d", code)
		}
	}
	metrics := httptest.NewRecorder()
	r.srv.AdminHandler().ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{"livebridge_revocations 2\n", "livebridge_revoked_connections_total 9\n"} {
		if !strings.Contains(metrics.Body.String(), "\n"+line) {
			t.Errorf("metrics lack %q", line)
		}
	}
	if text := log.String(); strings.Count(text, `msg="token revoked: the connection is closed"`) != 9 || !strings.Contains(text, " sub=alice jti=j1") {
		t.Errorf("log: %s", text)
	}
}

// A list whose entries come when the test says so.
type stubList struct {
	revoked atomic.Bool
	changed chan struct{}
	ready   error
}

func (l *stubList) Revoked(*auth.Grant) bool { return l.revoked.Load() }
func (l *stubList) Changed() <-chan struct{} { return l.changed }
func (l *stubList) Ready() error             { return l.ready }
func (l *stubList) Len() int                 { return 1 }

// A token that is revoked between its verification and the moment when the connection has it is found by the next look.
func TestRevokedWhileConnecting(t *testing.T) {
	list := &stubList{changed: make(chan struct{})}
	r := guarded(t, func(c *Config) { c.Revoked = list })
	b := r.as(mint(t, all, nil))
	a := r.session().rights.Load()
	list.revoked.Store(true)
	list.changed <- struct{}{}
	b.want(`"code":"unauthorized"`)
	b.wantClose(4401)
	a.looked.Store(1) // as if it had been looked up before, and stored after
	if err := r.srv.over(a, time.Now()); err == nil {
		t.Error("the next look does not find it")
	}
}

// A bridge whose list is not followed, or whose keys have not been fetched, is not ready. Without keys nobody is told that his token is bad.
func TestNotReadyForTokens(t *testing.T) {
	list := &stubList{ready: fmt.Errorf("not followed")}
	r := guarded(t, func(c *Config) { c.Revoked = list })
	unready := func(why string) {
		t.Helper()
		await(t, "readyz says why", func() bool { // it may have other reasons first
			code, body := r.get("/readyz")
			return code == 503 && strings.Contains(body, why)
		})
	}
	unready("not followed")
	if code, _ := r.get("/v1/events", bearer(mint(t, all, nil))...); code != 200 {
		t.Errorf("history by the last list: %d", code)
	}

	keys := httptest.NewServer(http.NotFoundHandler())
	keys.Close()
	v, err := auth.New(t.Context(), auth.Config{JWKS: keys.URL, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r = start(t, func(c *Config) { c.Auth = v })
	unready("key set")
	for _, path := range []string{"/v1/events", "/v1/sse"} {
		if code, body := r.get(path, bearer(mint(t, all, nil))...); code != 503 || !strings.Contains(body, `"unavailable"`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	resp := r.open("GET", "/v1/ws", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	if _ = resp.Body.Close(); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("handshake: %d %v", resp.StatusCode, resp.Header)
	}
}

// A fresh token that allows less of the past ends a replay that goes further back; one that allows as much does not.
func TestFreshTokenDuringAReplay(t *testing.T) {
	r := guarded(t, func(c *Config) { c.Outbox = 64 << 10 })
	const events = 1000
	for i := range events {
		r.publish(fmt.Sprintf("live.products.updated.%d", i), `"`+strings.Repeat("x", 10<<10)+`"`)
	}
	await(t, "the bridge has read them", func() bool { return r.log.Stats().Head == events })
	replaying := func() *browser {
		b := r.as(mint(t, claim{"subscribe": []string{"products.>"}, "history": "24h"}, nil))
		b.send(`{"op":"subscribe","sub":"a","resource":"products","last":1000}`)
		b.want("subscribed")
		return b
	}
	b := replaying()
	b.renew(mint(t, claim{"subscribe": []string{"products.>"}, "history": "24h"}, nil))
	seen := 0
	for line := ""; !strings.Contains(line, `"op":"live"`); {
		if line = b.want(); strings.Contains(line, `"op":"event"`) {
			seen++
		}
	}
	if seen != events {
		t.Errorf("%d events with as much history as before, want %d", seen, events)
	}

	b = replaying()
	b.want(`"op":"event"`)
	seen = 1
	b.renew(mint(t, claim{"subscribe": []string{"products.>"}, "history": "0s"}, nil))
	for line := ""; !strings.Contains(line, `"op":"error"`); {
		if line = b.want(); strings.Contains(line, `"op":"event"`) {
			seen++
		}
		if strings.Contains(line, `"op":"live"`) {
			t.Fatal("the replay went on to its end")
		}
		if strings.Contains(line, `"op":"error"`) && !strings.Contains(line, `"sub":"a","code":"forbidden"`) {
			t.Fatal(line)
		}
	}
	b.want(`{"op":"unsubscribed","sub":"a"}`)
	if seen == events {
		t.Errorf("all %d events before the fresh token", seen)
	}
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	if line := b.want(); strings.Contains(line, `"op":"connected"`) { // the answer to the token comes before or after the end of the replay
		b.want(`"op":"subscribed","sub":"a"`)
	} else if !strings.Contains(line, `"op":"subscribed","sub":"a"`) {
		t.Fatal(line)
	}
	b.want(`"op":"live"`)
	r.publish("live.products.updated.1", `{}`)
	b.want(`"op":"event"`)
}
