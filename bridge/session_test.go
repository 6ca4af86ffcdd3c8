package bridge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/livebridge/livebridge/internal/ws"
)

func TestLiveReplayAndResume(t *testing.T) {
	r := start(t, nil)
	b := r.connect()
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	b.want(`"op":"subscribed","sub":"a","recovered":true`)
	b.want(`"op":"live","sub":"a"`)
	r.publish("live.products.updated.42", `{"price":10}`)
	first := b.want(`{"op":"event","cursor":"`, `"resource":"products","type":"updated","id":"42"`, `"payload":{"price":10}`)
	r.publish("live.orders.updated.1", `{}`)
	r.publish("live.products.created._", "")
	b.want(`"type":"created","id":""`, `"payload":{}`)
	_ = b.ws.Close()

	r.publish("live.products.deleted.42", `{}`)
	r.caughtUp(t)
	b = r.connect()
	b.send(fmt.Sprintf(`{"op":"subscribe","sub":"b","resource":"products","after":%q}`, field(t, first, "cursor")))
	b.want(`"op":"subscribed","sub":"b","recovered":true`)
	b.want(`"op":"event","sub":"b"`, `"type":"created"`)
	b.want(`"op":"event","sub":"b"`, `"type":"deleted","id":"42"`)
	b.want(`"op":"live","sub":"b"`)
	r.publish("live.products.updated.43", `{}`)
	if got := b.want(`"id":"43"`); strings.Contains(got, `"sub"`) {
		t.Errorf("a live event is tagged: %s", got)
	}
}

// An event is sent once to a connection, however many of its subscriptions match.
func TestOncePerConnection(t *testing.T) {
	r := start(t, nil)
	b := r.connect()
	b.send(`{"op":"subscribe","sub":"a","resource":"*"}` + "\n" + `{"op":"subscribe","sub":"b","resource":"products","ids":[1,2]}`)
	for range 4 {
		b.want(`"op":`)
	}
	r.publish("live.products.updated.1", `1`)
	r.publish("live.products.updated.3", `3`)
	b.want(`"id":"1"`)
	b.want(`"id":"3"`)
}

func TestPublishOverWebSocket(t *testing.T) {
	r := start(t, nil)
	b := r.connect()
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	b.want("subscribed")
	b.want("live")
	b.send(`{"op":"publish","ref":"p1","events":[{"resource":"products","type":"updated","ids":[1,2],"payload":{"x":1},"key":"k1"}]}`)
	var got []string
	for range 3 {
		line := b.want(`"op":`)
		switch field(t, line, "op") {
		case "event":
			got = append(got, field(t, line, "id"))
			if field(t, line, "batch") == "" || field(t, line, "origin") == "" {
				t.Errorf("no batch or origin: %s", line)
			}
		case "published":
			if !strings.Contains(line, `"ref":"p1","events":[{"cursor":"`) {
				t.Errorf("published: %s", line)
			}
		}
	}
	if d := cmp.Diff([]string{"1", "2"}, got); d != "" {
		t.Error(d)
	}
	b.send(`{"op":"publish","ref":"p2","events":[{"resource":"products","type":"updated","ids":[1,2],"payload":{"x":1},"key":"k1"}]}`)
	b.want(`"op":"published","ref":"p2"`, `"duplicate":true`)
}

// Every bad frame has its answer.
func TestBadFrames(t *testing.T) {
	const subscribe = `{"op":"subscribe","sub":"a","resource":"products"`
	r := start(t, nil)
	long := strings.Repeat("x", 65)
	for _, tc := range []struct {
		name, frame, code, about string
	}{
		{"unknown op", `{"op":"fly"}`, "unknown_op", ""},
		{"no op", `{}`, "bad_request", ""},
		{"no resource", `{"op":"subscribe","sub":"a"}`, "bad_request", `"sub":"a"`},
		{"empty resource", `{"op":"subscribe","sub":"a","resource":""}`, "bad_request", `"sub":"a"`},
		{"no sub", `{"op":"subscribe","resource":"products"}`, "bad_request", ""},
		{"long sub", `{"op":"subscribe","sub":"` + long + `","resource":"products"}`, "bad_request", ""},
		{"sub is a number", `{"op":"subscribe","sub":1,"resource":"products"}`, "bad_request", ""},
		{"two starts", subscribe + `,"last":1,"since":"-1m"}`, "bad_request", `"sub":"a"`},
		{"negative last", subscribe + `,"last":-1}`, "bad_request", `"sub":"a"`},
		{"absurd last", subscribe + `,"last":100001}`, "bad_request", `"sub":"a"`},
		{"bad time", subscribe + `,"since":"yesterday"}`, "bad_request", `"sub":"a"`},
		{"bad duration", subscribe + `,"since":"-15 parsecs"}`, "bad_request", `"sub":"a"`},
		{"no cursor", subscribe + `,"after":"42"}`, "bad_cursor", `"sub":"a"`},
		{"cut cursor", subscribe + `,"after":"AQAAAAAAAAAAAAAAAAAAAAAA"}`, "bad_cursor", `"sub":"a"`},
		{"id too long", subscribe + `,"ids":["` + strings.Repeat("é", 500) + `"]}`, "bad_request", `"sub":"a"`},
		{"id is an object", subscribe + `,"ids":[{}]}`, "bad_request", `"sub":"a"`},
		{"1,001 ids", subscribe + `,"ids":[` + strings.Repeat("1,", 1000) + `1]}`, "too_many", `"sub":"a"`},
		{"unsubscribe from nothing", `{"op":"unsubscribe","sub":"nobody"}`, "unknown_sub", `"sub":"nobody"`},
		{"publish nothing", `{"op":"publish","ref":"p","events":[]}`, "bad_request", `"ref":"p"`},
		{"publish without resource", `{"op":"publish","ref":"p","events":[{"type":"x"}]}`, "bad_request", `"ref":"p"`},
		{"publish a bad date", `{"op":"publish","ref":"p","events":[{"resource":"a","type":"x","date":"1.1.70"}]}`, "bad_request", `"ref":"p"`},
		{"publish meta that is no object", `{"op":"publish","ref":"p","events":[{"resource":"a","type":"x","meta":[]}]}`, "bad_request", `"ref":"p"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := r.connect()
			b.t = t
			b.send(tc.frame)
			b.want(`"op":"error"`, `"code":"`+tc.code+`"`, tc.about)
			b.send(`{"op":"ping"}`) // the connection stays
			b.want(`{"op":"pong"}`)
		})
	}
}

func TestBadFramesThatClose(t *testing.T) {
	r := start(t, nil)
	for _, tc := range []struct {
		name, frame string
		kind        int
		close       int
	}{
		{"not JSON", "hello", websocket.TextMessage, 4400},
		{"an array", `[{"op":"ping"}]`, websocket.TextMessage, 4400},
		{"nothing", "", websocket.TextMessage, 4400},
		{"trailing garbage", `{"op":"ping"}x`, websocket.TextMessage, 4400},
		{"a second connect", `{"op":"connect"}`, websocket.TextMessage, 4400},
		{"binary", `{"op":"ping"}`, websocket.BinaryMessage, 1003},
		{"too large", `{"op":"ping","x":"` + strings.Repeat("x", 64<<10) + `"}`, websocket.TextMessage, 1009},
		{"not UTF-8", "{\"op\":\"ping\",\"x\":\"\xff\"}", websocket.TextMessage, 1007},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := r.connect()
			b.t = t
			if err := b.ws.WriteMessage(tc.kind, []byte(tc.frame)); err != nil {
				t.Fatal(err)
			}
			b.wantClose(tc.close)
		})
	}
	for _, frame := range []string{`{"op":"ping"}`, `{"op":"subscribe","sub":"a","resource":"products"}`, `{"op":"fly"}`} {
		t.Run("before connect "+frame, func(t *testing.T) {
			b := r.dial()
			b.t = t
			b.send(frame)
			b.wantClose(4400)
		})
	}
}

// A client whose frames are not understood any more reads its close frame and then the end, and what it sends meanwhile is taken: a
// connection that is cut while something arrives may lose the close frame on its way.
func TestClosedForWhatIsNotUnderstood(t *testing.T) {
	r := start(t, nil)
	r.srv.closeWait = time.Hour // what ends here does so by itself
	addr, cfg := r.secure(t, r.srv.ServeTLS)
	sealed, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer sealed.Close()
	_ = sealed.SetDeadline(time.Now().Add(30 * time.Second))
	for name, w := range map[string]*wire{"TCP": r.wire("", 0), "TLS": {sealed, bufio.NewReader(sealed)}} {
		if _, err := io.WriteString(w, hello()+masked(ws.Text, "\xff")); err != nil {
			t.Fatal(name, err)
		}
		if status, body := w.response(t); status != 101 {
			t.Fatal(name, status, body)
		}
		if op, payload, err := readFrame(w.in); err != nil || op != ws.Close || ws.CloseCode(payload) != ws.CodeInvalid {
			t.Fatalf("%s: opcode %d, %q, %v", name, op, payload, err)
		}
		if _, err := w.in.ReadByte(); err != io.EOF {
			t.Fatalf("%s: after the close frame: %v", name, err)
		}
		for range 16 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				t.Fatal(name, err)
			}
		}
	}
}

// A client that closes, and sends no more, is answered.
func TestCloseOfAHalfClosedConnection(t *testing.T) {
	r := start(t, nil)
	for range 20 {
		w := r.wire(hello()+masked(ws.Close, "\x03\xe9"), 0)
		if err := w.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, body := w.response(t); status != 101 {
			t.Fatal(status, body)
		}
		if op, payload, err := readFrame(w.in); err != nil || op != ws.Close || ws.CloseCode(payload) != 1001 {
			t.Fatalf("opcode %d, %q, %v", op, payload, err)
		}
	}
}

func TestDuplicateSubAndLimit(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.Subscriptions = 2 })
	b := r.connect()
	for _, sub := range []string{"a", "b"} {
		b.send(`{"op":"subscribe","sub":"` + sub + `","resource":"products"}`)
		b.want("subscribed")
		b.want("live")
	}
	b.send(`{"op":"subscribe","sub":"a","resource":"orders"}`)
	b.want(`"code":"duplicate_sub"`)
	b.send(`{"op":"subscribe","sub":"c","resource":"orders"}`)
	b.want(`"code":"too_many"`)
	b.send(`{"op":"unsubscribe","sub":"a"}`)
	b.want(`{"op":"unsubscribed","sub":"a"}`)
	b.send(`{"op":"subscribe","sub":"a","resource":"orders"}`)
	b.want("subscribed")
	b.want("live")
	r.publish("live.orders.updated.1", `{}`)
	b.want(`"resource":"orders"`)
}

func TestNoConnectInTime(t *testing.T) {
	r := start(t, func(c *Config) { c.ConnectTimeout, c.Ping = 50*time.Millisecond, 80*time.Millisecond })
	r.dial().wantClose(4408)
}

func TestPingsAndDeadPeers(t *testing.T) {
	r := start(t, func(c *Config) { c.Ping = 300 * time.Millisecond })
	b := r.connect()
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	b.want("subscribed")
	live := b.want("live")
	if ping := b.want(`"op":"ping"`); field(t, ping, "cursor") != field(t, live, "cursor") {
		t.Errorf("ping %s after %s", ping, live)
	}
	b.want(`"op":"ping"`) // the client's library answers the protocol's pings, so the session lives on
	b.ws.SetPingHandler(func(string) error { return nil })
	b.wantClose(4408)
}

func TestTooManyFrames(t *testing.T) {
	r := start(t, func(c *Config) { c.Rate, c.Burst = 0.001, 5 })
	b := r.connect()
	for range 4 {
		b.send(`{"op":"ping"}`)
		b.want("pong")
	}
	b.send(`{"op":"unsubscribe","sub":"a"}`)
	b.want(`"code":"rate_limited"`, `"sub":"a"`)
	for range 6 {
		_ = b.ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"ping"}`))
	}
	b.wantClose(4429)
}

func TestTooManyConnections(t *testing.T) {
	r := start(t, func(c *Config) { c.Connections = 1 })
	r.connect()
	r.dial().wantClose(4429)
}

func TestSlowConsumer(t *testing.T) {
	r := start(t, func(c *Config) { c.Outbox = 64 << 10 })
	slow, quick := r.connect(), r.connect()
	for _, b := range []*browser{slow, quick} {
		b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
		b.want("subscribed")
		b.want("live")
	}
	// Until there is more than the outbox and what the kernel holds on both sides of the connection.
	body := `"` + strings.Repeat("x", 60<<10) + `"`
	for i := 0; value(t, r.srv.cfg.Registry, "livebridge_closes_total", "code", "4409") == 0; i++ {
		if i == 1000 {
			t.Fatal("the slow one is still there")
		}
		r.publish("live.products.updated.1", body)
		if line := quick.want(`"op":"event"`); i == 0 && !strings.Contains(line, `"id":"1"`) {
			t.Errorf("the quick one got %.80s", line)
		}
	}
	slow.wantClose(4409)
}

func TestDrain(t *testing.T) {
	r := start(t, nil)
	b := r.connect()
	for i := range 5 {
		b.send(fmt.Sprintf(`{"op":"publish","ref":"p%d","events":[{"resource":"products","type":"updated","id":1}]}`, i))
	}
	b.want(`"ref":"p0"`)
	shut := r.shutdown()
	for i := 1; i < 5; i++ { // what was sent is acknowledged, or refused: never left open
		line, err := b.next()
		if err != nil {
			break
		}
		if !strings.Contains(line, fmt.Sprintf(`"ref":"p%d"`, i)) {
			t.Errorf("answer %d: %s", i, line)
		}
	}
	b.wantClose(1001)
	if err := <-shut; err != nil {
		t.Fatal(err)
	}
}

// A page hears something at least every ping seconds, whatever goes on in frames that it does not see.
func TestPingsAreHeardAmidControlFrames(t *testing.T) {
	r := start(t, func(c *Config) { c.Ping, c.Rate, c.Burst = 400*time.Millisecond, 1e6, 1e6 })
	b := r.connect()
	for range 2 {
		heard := make(chan string)
		go func() { line, _ := b.next(); heard <- line }()
		for done := false; !done; {
			select {
			case line := <-heard:
				if !strings.Contains(line, `"op":"ping"`) {
					t.Errorf("got %s", line)
				}
				done = true
			case <-time.After(5 * time.Millisecond):
				_ = b.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
			}
		}
	}
}

// Replays that are broken off leave nothing behind that would hold up the next one.
func TestUnsubscribeAmidReplays(t *testing.T) {
	r := start(t, func(c *Config) { c.Outbox, c.Rate, c.Burst = 8<<10, 1e6, 1e6 })
	for range 3 {
		if status, body := r.post("[" + strings.Repeat(`{"resource":"products","type":"updated","id":1,"payload":"`+strings.Repeat("x", 200)+`"},`, 299) +
			`{"resource":"products","type":"updated","id":2}]`); status != 200 {
			t.Fatal(status, body)
		}
	}
	b := r.connect()
	for i := range 300 {
		b.send(fmt.Sprintf(`{"op":"subscribe","sub":"a","resource":"products","last":%d}`, 1+i*3) + "\n" + `{"op":"unsubscribe","sub":"a"}`)
		for !strings.Contains(b.want(`"sub":"a"`), `"unsubscribed"`) {
		}
		if i%7 == 0 { // let one run for a while
			b.send(`{"op":"subscribe","sub":"a","resource":"products","last":900}`)
			for range 50 {
				b.want(`"sub":"a"`)
			}
			b.send(`{"op":"unsubscribe","sub":"a"}`)
			for !strings.Contains(b.want(`"sub":"a"`), `"unsubscribed"`) {
			}
		}
	}
	b.send(`{"op":"subscribe","sub":"a","resource":"products","last":900}`)
	b.want("subscribed")
	for range 900 {
		b.want(`"op":"event","sub":"a"`)
	}
	b.want(`"op":"live"`)
	o := &r.session().out
	await(t, "all is written", o.idle)
	if bytes, reserved := o.held(); bytes != 0 || reserved != 0 {
		t.Errorf("%d bytes are held and %d reserved", bytes, reserved)
	}
}
