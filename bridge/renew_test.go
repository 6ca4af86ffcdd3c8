package bridge

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

func (b *browser) renew(token string) { b.send(fmt.Sprintf(`{"op":"token","token":%q}`, token)) }

// A fresh token takes the place of the old one, on the same connection.
func TestFreshToken(t *testing.T) {
	r := guarded(t, nil)
	b := r.dial()
	b.send(fmt.Sprintf(`{"op":"connect","token":%q}`, mint(t, all, claim{"exp": time.Now().Add(time.Hour).Unix()})))
	first := b.want(`"op":"connected"`)
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}` + "\n" + `{"op":"subscribe","sub":"b","resource":"orders"}` + "\n" + `{"op":"subscribe","sub":"c","resource":"*"}`)
	for range 6 {
		b.want(`"op":"`)
	}
	until := time.Now().Add(2 * time.Hour).Unix()
	b.renew(mint(t, claim{"subscribe": claim{"allow": []string{"products.>"}, "deny": []string{"products.*.7"}}}, claim{"exp": until}))
	again := b.want(`"op":"connected"`, `"expires":"`+time.Unix(until, 0).UTC().Format(time.RFC3339)+`"`)
	if field(t, again, "session") != field(t, first, "session") {
		t.Errorf("another session: %s, %s", first, again)
	}
	for _, sub := range []string{"b", "c"} {
		b.want(`{"op":"error","sub":"` + sub + `","code":"forbidden"`)
		b.want(`{"op":"unsubscribed","sub":"` + sub + `"}`)
	}
	r.publish("live.products.updated.7", `{}`)
	r.publish("live.orders.updated.1", `{}`)
	r.publish("live.products.updated.8", `{}`)
	b.want(`"op":"event"`, `"id":"8"`)
	b.send(`{"op":"publish","ref":"p","events":[{"resource":"products","type":"updated"}]}`)
	b.want(`"op":"error","ref":"p","code":"forbidden"`)
	b.send(`{"op":"unsubscribe","sub":"b"}`)
	b.want(`"code":"unknown_sub"`)

	// … and one with more rights gives them.
	b.renew(mint(t, all, nil))
	b.want(`"op":"connected"`)
	r.publish("live.products.updated.7", `{}`)
	b.want(`"op":"event"`, `"id":"7"`)
	b.send(`{"op":"subscribe","sub":"b","resource":"orders"}`)
	b.want(`"op":"subscribed","sub":"b"`)
}

func TestTokenOfAnotherUser(t *testing.T) {
	r := guarded(t, nil)
	b := r.as(mint(t, claim{"subscribe": []string{"products.>"}}, nil))
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	b.want("subscribed")
	b.want("live")
	for _, sub := range []any{"bob", "", nil} {
		b.renew(mint(t, all, claim{"sub": sub}))
		b.want(`{"op":"error","code":"forbidden"`, "another user's")
	}
	b.send(`{"op":"subscribe","sub":"b","resource":"orders"}`) // as before
	b.want(`"op":"error","sub":"b","code":"forbidden"`)
	r.publish("live.products.updated.1", `{}`)
	b.want(`"op":"event"`)
}

func TestBadFreshToken(t *testing.T) {
	r := guarded(t, nil)
	for _, token := range []string{"nonsense", mint(t, all, claim{"exp": time.Now().Add(-time.Minute).Unix()}), mint(t, all, claim{"aud": "mail"})} {
		b := r.as(mint(t, all, nil))
		b.renew(token)
		b.want(`{"op":"error","code":"unauthorized"`)
		b.wantClose(4401)
	}
	b := r.dial() // the first frame is connect
	b.renew(mint(t, all, nil))
	b.wantClose(4400)
}

// Where no tokens are asked for, they are ignored.
func TestTokensIgnored(t *testing.T) {
	r := start(t, nil)
	b := r.dial()
	b.send(`{"op":"connect","token":"nonsense"}`)
	if line := b.want(`"op":"connected"`); strings.Contains(line, "expires") {
		t.Error(line)
	}
	b.renew("nonsense")
	b.send(`{"op":"ping"}`)
	b.want(`"op":"pong"`)
	if code, body := r.get("/v1/events", bearer("nonsense")...); code != 200 {
		t.Errorf("history: %d %s", code, body)
	}
	if code, body := r.do("POST", "/v1/ticket", ""); code != 404 {
		t.Errorf("ticket: %d %s", code, body)
	}
}

// With its token a connection ends, WebSocket and SSE alike, unless a fresh one came first.
func TestExpiry(t *testing.T) {
	r := guarded(t, nil)
	soon := time.Now().Add(3 * time.Second).Unix()
	short := mint(t, all, claim{"exp": soon})
	renewed, left := r.as(short), r.as(short)
	stream := r.open("GET", "/v1/sse", "", bearer(short)...)
	defer stream.Body.Close()
	renewed.renew(mint(t, all, nil))
	renewed.want(`"op":"connected"`)
	left.send(`{"op":"subscribe","sub":"a","resource":"*"}`)
	left.want("subscribed")
	left.want("live")
	left.wantClose(4401)
	if late := time.Since(time.Unix(soon, 0)); late < 0 {
		t.Errorf("closed %s before the end", -late)
	}
	body, err := io.ReadAll(stream.Body)
	if err != nil || !strings.HasSuffix(string(body), "\n\nevent: error\ndata: "+string(protocol.AppendErrorBody(nil, unauthorized(true)))+"\n\n") {
		t.Errorf("SSE ended with %v and %q", err, body)
	}
	if code, _ := r.get("/v1/events", bearer(short)...); code != 401 {
		t.Errorf("history with an expired token: %d", code)
	}
	renewed.send(`{"op":"ping"}`)
	renewed.want(`"op":"pong"`)
	await(t, "the connections are gone", func() bool { return r.connections() == 1 })
}

// A client that reads late does not get later what was not sent before its token expired.
func TestExpiryOfASlowReader(t *testing.T) {
	r := guarded(t, nil)
	d := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(32 << 10)
		}
		return c, err
	}}
	ws, _, err := d.Dial("ws://"+r.addr+"/v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	b := &browser{t: t, ws: ws}
	b.send(fmt.Sprintf(`{"op":"connect","token":%q}`, mint(t, all, claim{"exp": time.Now().Add(4 * time.Second).Unix()})))
	b.want(`"op":"connected"`)
	b.send(`{"op":"subscribe","sub":"a","resource":"*"}`)
	b.want("subscribed")
	b.want("live")
	const events = 16
	for i := range events { // 1 MiB, of which the kernel holds a part
		r.publish(fmt.Sprintf("live.products.updated.%d", i), `"`+strings.Repeat("x", 62<<10)+`"`)
	}
	await(t, "the token is over", r.session().out.ending)
	got := 0
	for {
		line, err := b.next()
		if err != nil {
			if !websocket.IsCloseError(err, 4401) {
				t.Errorf("closed with %v", err)
			}
			break
		}
		if got++; strings.Contains(line, fmt.Sprintf(`"id":"%d"`, events-1)) {
			t.Error("the last event came after the token's end")
		}
	}
	t.Logf("%d of %d events", got, events)
}

// A publish is stored as a whole, or not at all.
func TestPublishRights(t *testing.T) {
	r := guarded(t, nil)
	token := mint(t, claim{"publish": claim{"allow": []string{"products.>"}, "deny": []string{"products.*.7", "products.imported._"}}}, nil)
	b := r.as(token)
	for _, events := range []string{
		`{"resource":"orders","type":"updated","id":"1"}`,
		`{"resource":"products","type":"updated","id":"1"},{"resource":"orders","type":"updated","id":"1"}`,
		`{"resource":"products","type":"updated","ids":["1","7"]}`,
		`{"resource":"products","type":"updated","id":7}`,
		`{"resource":"products","type":"imported"}`,
		`{"resource":"products","type":"imported","ids":[]}`,
		`{"resource":"products","type":"imported","id":""}`,
		`{"resource":"*","type":"updated","id":"1"}`,
		`{"resource":"products.x","type":"updated","id":"1"}`,
	} {
		b.send(`{"op":"publish","ref":"p","events":[` + events + `]}`)
		b.want(`"op":"error","ref":"p","code":"forbidden"`, "nothing was stored")
		if code, body := r.do("POST", "/v1/events", "["+events+"]", append(bearer(token), "Content-Type", "application/json")...); code != 403 {
			t.Errorf("POST [%s]: %d %s", events, code, body)
		}
	}
	if n := r.log.Stats().Head; n != 0 {
		t.Errorf("%d events were stored", n)
	}
	b.send(`{"op":"publish","ref":"p","events":[{"resource":"products","type":"updated","ids":["1","2"]}]}`)
	b.want(`"op":"published","ref":"p"`)
	if code, body := r.do("POST", "/v1/events", `{"resource":"products","type":"imported","id":"_"}`, append(bearer(token), "Content-Type", "application/json")...); code != 200 {
		t.Errorf("the record that is called _: %d %s", code, body)
	}
	b.send(`{"op":"publish","ref":"q","events":[{"resource":"products","type":"updated","id":"` + strings.Repeat("é", 400) + `"}]}`)
	b.want(`"ref":"q","code":"bad_request"`)
}

// A ticket opens one stream, with the rights of the token it was got with.
func TestTickets(t *testing.T) {
	r := guarded(t, nil)
	token := mint(t, claim{"subscribe": []string{"products.>"}}, nil)
	get := func() string {
		t.Helper()
		code, body := r.do("POST", "/v1/ticket", "", bearer(token)...)
		if code != 200 || field(t, body, "expires") < time.Now().UTC().Add(20*time.Second).Format(time.RFC3339) {
			t.Fatalf("ticket: %d %s", code, body)
		}
		return field(t, body, "ticket")
	}
	ticket := get()
	next := r.events("/v1/sse?resource=products&ticket=" + ticket)
	r.publish("live.products.updated.1", `{}`)
	if got := next(); !strings.Contains(got, `"id":"1"`) {
		t.Errorf("got %s", got)
	}
	for name, path := range map[string]string{
		"used twice":     "/v1/sse?resource=products&ticket=" + ticket,
		"made up":        "/v1/sse?resource=products&ticket=nonsense",
		"for history":    "/v1/events?resource=products&ticket=" + get(),
		"for a ticket":   "/v1/ticket?ticket=" + get(),
		"token in a URL": "/v1/sse?resource=products&token=" + token + "&access_token=" + token,
	} {
		method := "GET"
		if strings.HasPrefix(path, "/v1/ticket") {
			method = "POST"
		}
		if code, body := r.do(method, path, ""); code != 401 {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if code, body := r.get("/v1/sse?resource=orders&ticket=" + get()); code != 403 {
		t.Errorf("beyond the token's rights: %d %s", code, body)
	}
}

// A ticket ends after 30 seconds, and with its token; there are never too many.
func TestTicketsEnd(t *testing.T) {
	var held tickets
	now := time.Now()
	v := guarded(t, nil).srv
	long, err := v.admit(mint(t, all, nil))
	if err != nil {
		t.Fatal(err)
	}
	short, err := v.admit(mint(t, all, claim{"exp": now.Add(10 * time.Second).Unix()}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		who   *access
		after time.Duration
		good  bool
	}{{long, 29 * time.Second, true}, {long, 30 * time.Second, false}, {short, 8 * time.Second, true}, {short, 11 * time.Second, false}} {
		text, _ := held.issue(tc.who, now)
		if got := held.use(text, now.Add(tc.after)); (got == tc.who) != tc.good {
			t.Errorf("after %s: %v", tc.after, got)
		}
		if held.use(text, now) != nil {
			t.Error("used twice")
		}
	}
	for range ticketsOne {
		held.issue(long, now)
	}
	if text, _ := held.issue(long, now); text != "" {
		t.Errorf("more than %d tickets of one user", ticketsOne)
	}
	unnamed, err := v.admit(mint(t, all, claim{"sub": nil}))
	if err != nil {
		t.Fatal(err)
	}
	for range ticketsMax - ticketsOne {
		if text, _ := held.issue(unnamed, now); text == "" {
			t.Fatal("others get none because of one user's")
		}
	}
	if text, _ := held.issue(unnamed, now); text != "" {
		t.Errorf("more than %d tickets", ticketsMax)
	}
	if text, _ := held.issue(long, now.Add(ticketLife)); text == "" || len(held.open) != 1 || len(held.by) != 1 || held.by["alice"] != 1 {
		t.Errorf("old tickets stay: %d, %v", len(held.open), held.by)
	}
}

// Whoever asks for too many tickets is refused, and nobody else.
func TestTicketsOfOneUser(t *testing.T) {
	r := guarded(t, nil)
	alice, bob := mint(t, all, nil), mint(t, all, claim{"sub": "bob"})
	for range ticketsOne {
		if code, body := r.do("POST", "/v1/ticket", "", bearer(alice)...); code != 200 {
			t.Fatalf("%d %s", code, body)
		}
	}
	code, body := r.do("POST", "/v1/ticket", "", bearer(alice)...)
	wantError(t, code, body, 429, "rate_limited", "too many tickets")
	if code, body := r.do("POST", "/v1/ticket", "", bearer(bob)...); code != 200 {
		t.Errorf("bob: %d %s", code, body)
	}
	if n := r.refused(overTickets); n != 1 {
		t.Errorf("%v were refused", n)
	}
}

// Metrics are not for those who have no token.
func TestGuardedMetrics(t *testing.T) {
	r := guarded(t, nil)
	await(t, "the bridge is ready", func() bool { return r.srv.Ready() == nil })
	for path, want := range map[string]int{"/metrics": 404, "/healthz": 200, "/readyz": 200} {
		if code, body := r.get(path); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// The look at the rights of a session costs live events no memory.
func TestShowsAllocates(t *testing.T) {
	v := guarded(t, nil).srv
	a, err := v.admit(mint(t, claim{"subscribe": claim{"allow": []string{"products.>"}, "deny": []string{"products.*.7"}}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var s session
	s.rights.Store(a)
	if n := testing.AllocsPerRun(100, func() { s.shows("live.products.updated.1") }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// What was read for a replay before the rights shrank is looked at again before it is sent.
func TestReplayUnderWayWithFewerRights(t *testing.T) {
	r := guarded(t, nil)
	b := r.as(mint(t, all, nil))
	ses := r.session()
	under := &subscription{conn: ses.conn, name: "a", head: protocol.AppendTagged(nil, "a", []byte(protocol.EventHead)), says: wsTeller{}, rights: &ses.rights}
	events := func() (list []*replay.Event) {
		for _, id := range []string{"7", "8"} {
			frame := protocol.AppendEvent(nil, &protocol.Event{Resource: "products", Type: "updated", ID: id})
			list = append(list, &replay.Event{Subject: "live.products.updated." + id, Frame: frame})
		}
		return list
	}
	under.Replayed(events())
	b.want(`"sub":"a"`, `"id":"7"`)
	b.want(`"sub":"a"`, `"id":"8"`)
	b.renew(mint(t, claim{"subscribe": claim{"allow": []string{"products.>"}, "deny": []string{"products.*.7"}}}, nil))
	b.want(`"op":"connected"`)
	under.Replayed(events())
	b.want(`"sub":"a"`, `"id":"8"`)
}

// A token is secret: it, and its parts, are in no log, no answer and no metric.
func TestTokensAreNotTold(t *testing.T) {
	var log buffer
	r := guarded(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	good, bad := mint(t, all, nil), mint(t, all, claim{"aud": "mail"})
	b := r.as(good)
	b.send(`{"op":"subscribe","sub":"a","resource":"*"}`)
	told := b.want("subscribed") + b.want("live")
	b.renew(good)
	told += b.want("connected")
	b.renew(bad)
	told += b.want("unauthorized")
	b.wantClose(4401)
	for _, token := range []string{good, bad} {
		for _, request := range [][2]string{{"GET", "/v1/events"}, {"POST", "/v1/events"}, {"POST", "/v1/ticket"}, {"GET", "/v1/events?token=" + token}} {
			_, body := r.do(request[0], request[1], "{}", bearer(token)...)
			told += body
		}
	}
	metrics := httptest.NewRecorder()
	r.srv.AdminHandler().ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(metrics.Body.String(), `livebridge_closes_total{code="4401"} 1`) || !strings.Contains(metrics.Body.String(), `livebridge_client_errors_total{code="unauthorized"}`) {
		t.Errorf("metrics: %s", metrics.Body)
	}
	all := told + metrics.Body.String() + log.String()
	if !strings.Contains(all, "token refused") {
		t.Errorf("the log does not say why: %s", log.String())
	}
	for _, token := range []string{good, bad} {
		for i, part := range strings.Split(token, ".") {
			if strings.Contains(all, part) {
				t.Errorf("part %d of a token is told", i)
			}
		}
	}
}

// A buffer may be written to concurrently.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
