package bridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// fragment is a client's frame that is not the last of its message, masked with zeros.
func fragment(op ws.Op, payload string) string {
	frame := []byte(masked(op, payload))
	frame[0] &^= 0x80
	return string(frame)
}

// Whatever a client floods the bridge with, it is closed with the code that says so, and another one is served all the while.
func TestFloods(t *testing.T) {
	// Little a second, so that it makes no difference how fast the bridge is.
	r := start(t, func(c *Config) { c.RequestTimeout, c.Rate, c.ByteRate = time.Second, 1, 64<<10 })
	other := r.connect()
	const connect = `{"op":"connect"}`
	for _, tc := range []struct {
		name, frames string
		code         int
		why          reason // that is counted; "" = frames over the rate
	}{
		{"pings", strings.Repeat(masked(ws.Ping, "x"), 500), 4429, ""},
		{"pongs", strings.Repeat(masked(ws.Pong, ""), 500), 4429, ""},
		{"empty frames", strings.Repeat(masked(ws.Text, ""), 2), 4400, ""},
		{"objects, a frame each", masked(ws.Text, connect) + strings.Repeat(masked(ws.Text, `{"op":"ping"}`), 500), 4429, ""},
		{"objects, many a frame", masked(ws.Text, connect) + masked(ws.Text, strings.Repeat("{}\n", 21_000)), 4429, overByteRate},
		{"large frames", masked(ws.Text, connect) + strings.Repeat(masked(ws.Text, `{"op":"ping"`+strings.Repeat(" ", 65_000)+`}`), 150), 4429, overByteRate},
		{"empty fragments", fragment(ws.Text, "") + strings.Repeat(fragment(0, ""), 5000), 1009, ""},
		{"fragments of a byte", fragment(ws.Text, "x") + strings.Repeat(fragment(0, "x"), 5000), 1009, ""},
		{"fragments, and pings in between", fragment(ws.Text, "") + strings.Repeat(fragment(0, "")+masked(ws.Ping, ""), 500), 4429, ""},
		{"messages of many empty fragments", masked(ws.Text, connect) + strings.Repeat(fragment(ws.Text, `{"op":"ping"}`)+strings.Repeat(fragment(0, ""), 4094)+masked(0, ""), 350), 4429, overByteRate},
		{"a message that never ends", masked(ws.Text, connect) + fragment(ws.Text, `{"op":`), 4408, overTime},
		{"half a header", masked(ws.Text, connect) + "\x81", 4408, overTime},
		{"a frame that claims too much", masked(ws.Text, connect) + "\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff", 1009, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := 0.0
			if tc.why != "" {
				before = r.refused(tc.why)
			}
			w := r.wire(hello(), 0)
			w.response(t)
			go func() { _, _ = w.Write([]byte(tc.frames)) }()
			for {
				op, payload, err := readFrame(w.in)
				if err != nil {
					t.Fatalf("no close frame: %v", err)
				}
				if op == ws.Close {
					if code := ws.CloseCode(payload); code != tc.code {
						t.Errorf("closed with %d, want %d", code, tc.code)
					}
					break
				}
			}
			if tc.why != "" && r.refused(tc.why) <= before {
				t.Errorf("%s is not counted", tc.why)
			}
			_ = w.Close()
			other.send(`{"op":"ping"}`)
			other.want("pong")
		})
	}
	await(t, "all others have gone", func() bool { return r.connections() == 1 })
}

// A page that opens with all it has is no flood.
func TestNoFlood(t *testing.T) {
	r := start(t, nil)
	b := r.connect()
	var all []string
	for i := range 128 {
		all = append(all, fmt.Sprintf(`{"op":"subscribe","sub":"s%d","resource":"products","ids":["%d"]}`, i, i))
	}
	b.send(strings.Join(all, "\n"))
	for range all {
		b.want("subscribed")
		b.want("live")
	}
	for range 40 { // the largest frames that there are
		b.send(`{"op":"ping"` + strings.Repeat(" ", 65_000) + `}`)
		b.want("pong")
	}
}

// What the subscriptions of a connection name is bounded in all, and by subscription.
func TestManyWords(t *testing.T) {
	r := start(t, func(c *Config) { c.IDs = 1500 })
	b := r.connect()
	ids := func(n int) string { return `"ids":[` + strings.Repeat("1,", n-1) + `1]` }
	subscribe := func(sub, more string) {
		b.send(`{"op":"subscribe","sub":"` + sub + `","resource":"products",` + more + `}`)
	}
	live := func() { b.want("subscribed"); b.want("live") }
	subscribe("a", ids(1000))
	live()
	subscribe("b", ids(501))
	b.want(`"sub":"b"`, `"code":"too_many"`, "1500", "room for 500 more")
	subscribe("b", ids(499)+`,"types":["x"]`)
	live()
	subscribe("c", `"types":["x"]`)
	b.want(`"sub":"c"`, `"code":"too_many"`)
	subscribe("c", `"ids":[]`)
	live()
	b.send(`{"op":"unsubscribe","sub":"a"}`)
	b.want("unsubscribed")
	subscribe("d", ids(1000))
	live()
	if n := r.refused(overIDs); n != 2 {
		t.Errorf("%v were refused, want 2", n)
	}
	many := strings.Repeat(`"x",`, protocol.MaxTypes) + `"x"`
	subscribe("e", `"types":[`+many+`]`)
	b.want(`"code":"too_many"`, "101 types")
	status, body := r.get("/v1/events?" + strings.Repeat("type=x&", protocol.MaxTypes+1))
	wantError(t, status, body, 413, "too_many", "101 types")
}

// A hundred readers who ask for everything and read nothing: what waits for them is bounded, and is given back; they are told why. One who
// reads gets everything meanwhile.
func TestReadersWhoNeverRead(t *testing.T) {
	const readers, limit = 100, 64 << 10
	r := start(t, func(c *Config) { c.Outbox, c.ConnectionsPerAddress = limit, -1 })
	payload := `"` + strings.Repeat("x", 8<<10) + `"`
	for i := range 50 {
		r.publish(fmt.Sprintf("live.products.updated.%d", i), payload)
	}
	var stuck []*wire
	for i := range readers {
		subscribe := `{"op":"connect"}` + "\n" + `{"op":"subscribe","sub":"a","resource":"*","since":"-1h"}`
		if i%2 == 0 {
			subscribe = `{"op":"connect"}` + "\n" + `{"op":"subscribe","sub":"a","resource":"*"}`
		}
		w := r.wire(hello(), 4<<10)
		if status, _ := w.response(t); status != 101 {
			t.Fatal(status)
		}
		_, _ = w.Write([]byte(masked(ws.Text, subscribe)))
		stuck = append(stuck, w)
	}
	quick := r.connect()
	quick.send(`{"op":"subscribe","sub":"a","resource":"*"}`)
	quick.want("subscribed")
	quick.want("live")
	await(t, "those without a start are live", func() bool { return r.log.Stats().Live >= readers/2+1 })
	most, sent := 0, 0
	for slow := 0.0; slow < readers/2; slow = value(t, r.srv.cfg.Registry, "livebridge_closes_total", "code", "4409") {
		if sent++; sent > 2000 {
			t.Fatalf("%v of %d have been found slow", slow, readers/2)
		}
		r.publish("live.products.updated.1", payload)
		if seq := quick.want(`"op":"event"`); !strings.Contains(seq, `"id":"1"`) {
			t.Fatal(seq)
		}
		most = max(most, r.waiting())
	}
	if bound := (readers + 1) * (limit + limit/4 + 16<<10); most > bound {
		t.Errorf("%d bytes waited, more than %d", most, bound)
	}
	t.Logf("%d events; at most %d bytes waited", sent, most)
	for _, w := range stuck {
		_ = w.Close()
	}
	await(t, "they have gone", func() bool { return r.connections() == 1 && r.waiting() == 0 })
}

// waiting is how many bytes wait in all outboxes, and may be added to them.
func (r *rig) waiting() (sum int) {
	r.srv.mu.Lock()
	conns := r.srv.list(nil)
	r.srv.mu.Unlock()
	for _, c := range conns {
		bytes, reserved := c.out.held()
		sum += bytes + reserved
	}
	return sum
}

// A hundred replays of everything at once: few of them read at one time, the others wait, and live events come all the same. All get
// everything in the end.
func TestReplaysOfEverything(t *testing.T) {
	const events, replays = 300, 100
	r := startLog(t, replay.Config{WindowBytes: 1, Readers: 2}, func(c *Config) { c.Replays = 1 })
	for part := range 2 {
		var body []string
		for i := range events / 2 {
			body = append(body, fmt.Sprintf(`{"resource":"products","type":"updated","id":%d}`, part*events/2+i))
		}
		if status, answer := r.post("[" + strings.Join(body, ",") + "]"); status != 200 {
			t.Fatal(status, answer)
		}
	}
	r.caughtUp(t)
	live := r.connect()
	live.send(`{"op":"subscribe","sub":"live","resource":"orders"}`)
	live.want("subscribed")
	live.want("live")
	var browsers []*browser
	for range replays / 4 {
		b := r.connect()
		for i := range 4 {
			b.send(fmt.Sprintf(`{"op":"subscribe","sub":"s%d","resource":"products","since":"-1h"}`, i))
		}
		browsers = append(browsers, b)
	}
	waited := false
	for i := range 20 {
		s := r.log.Stats()
		if s.Reading > 2 {
			t.Errorf("%d read at one time", s.Reading)
		}
		waited = waited || s.Waiting > 0
		r.publish(fmt.Sprintf("live.orders.created.%d", i), "")
		live.want(`"op":"event"`, fmt.Sprintf(`"id":"%d"`, i))
	}
	if !waited {
		t.Error("none has waited")
	}
	var all sync.WaitGroup
	for n, b := range browsers {
		all.Go(func() {
			if err := b.replayed(4, events); err != nil {
				t.Errorf("browser %d: %v", n, err)
			}
			_ = b.ws.Close()
		})
	}
	all.Wait()
	await(t, "none reads or waits", func() bool { s := r.log.Stats(); return s.Reading+s.Waiting == 0 })
}

// replayed reads until so many subscriptions are live, and checks that each was given events 0, 1, 2 and so on.
func (b *browser) replayed(subs, events int) error {
	next := map[string]int{}
	for subs > 0 {
		line, err := b.next()
		if err != nil {
			return err
		}
		var f struct{ Op, Sub, ID string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			return err
		}
		switch {
		case f.Op == "event" && f.ID == fmt.Sprint(next[f.Sub]):
			next[f.Sub]++
		case f.Op == "live" && next[f.Sub] == events:
			subs--
		case f.Op != "subscribed" && f.Op != "ping":
			return fmt.Errorf("%s after %d events", line, next[f.Sub])
		}
	}
	return nil
}

// One who publishes as fast as he can has one request under way at a time, so others are not kept waiting behind all of his.
func TestPublishersTakeTurns(t *testing.T) {
	const many = 400
	r := start(t, nil)
	greedy, modest := r.connect(), r.connect()
	var all []string
	for i := range many {
		all = append(all, fmt.Sprintf(`{"op":"publish","ref":"p%d","events":[{"resource":"greedy","type":"created"}]}`, i))
	}
	greedy.send(strings.Join(all, "\n"))
	greedy.want("published") // it has begun
	modest.send(`{"op":"publish","ref":"p","events":[{"resource":"modest","type":"created"}]}`)
	modest.want("published")
	if before := r.stored(t); before >= many {
		t.Errorf("%d events were stored first", before)
	}
	for range many - 1 {
		greedy.want("published")
	}
}
