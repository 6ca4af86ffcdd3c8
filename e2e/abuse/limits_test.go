package abuse

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// memory is what the process holds, in bytes.
func (b *target) memory() float64 { return b.process("process_resident_memory_bytes") }

// backTo waits until the bridge has no more goroutines than before, but for a few of the server's own.
func (b *target) backTo(goroutines float64) {
	b.eventually("the goroutines have ended", func() error {
		if n := b.process("go_goroutines"); n > goroutines+10 {
			return fmt.Errorf("%v goroutines, before it were %v", n, goroutines)
		}
		return nil
	})
}

// many does f so many times at once.
func many(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

var limits = group{
	title: "Limits",
	text:  "Floods, and clients that do nothing. Memory stays bounded, and others are not held up.",
	rows: []row{
		{on: "strict", name: "100 messages at once where 20 may come: 19 after `connect` are answered, 20 refused, then the connection is closed",
			do: func(a *attack) answer {
				w := a.open("")
				pongs := 0
				w.say(strings.Repeat(frame(opText, `{"op":"ping"}`), 100))
				got := answer{status: 101}
				for {
					s, code, ok := w.next()
					switch {
					case !ok && pongs != 19:
						a.fail("%d pings were answered", pongs)
					case !ok:
						got.closed(code)
						return got
					case s.Op == "pong":
						pongs++
					case s.Op == "error":
						got.adds(s.Code)
					}
				}
			}, status: 101, code: "rate_limited × 20", close: "4429", metric: []string{told("rate_limited", 20), closed("4429", 1), "frames_limited_total 21"}},
		{on: "strict", name: "publishes over the rate are not stored",
			do: func(a *attack) answer {
				w := a.open("").say(strings.Repeat(frame(opText, `{"op":"ping"}`), 19))
				return a.storesNothing(func() answer { return w.text(oneEvent(`"id":"1"`)).outcome19() })
			}, status: 101, code: "rate_limited", close: "none", metric: []string{told("rate_limited", 1), "frames_limited_total 1"}},
		{on: "strict", name: "a flood of WebSocket pings, of pongs, of pings with 125 bytes",
			do: func(a *attack) answer {
				return a.each([]string{strings.Repeat(frame(opPing, ""), 100), strings.Repeat(frame(opPong, ""), 100), strings.Repeat(frame(opPing, strings.Repeat("x", 125)), 100)})
			}, status: 101, close: "4429", metric: []string{closed("4429", 3), "frames_limited_total 63"}},
		{on: "open", name: "10,000 subscriptions on one connection: 128 are accepted",
			do: func(a *attack) answer {
				w := a.open("")
				var b strings.Builder
				for i := range 10000 {
					fmt.Fprintf(&b, `{"op":"subscribe","sub":"%d","resource":"r%d"}`+"\n", i, i)
					if i%1000 == 999 {
						w.text(b.String())
						b.Reset()
					}
				}
				accepted := 0
				w.text(`{"op":"ping"}`)
				got := answer{status: 101, close: "none"}
				for {
					s, code, ok := w.next()
					switch {
					case !ok:
						a.fail("closed with %d", code)
					case s.Op == "subscribed":
						accepted++
					case s.Op == "error":
						got.adds(s.Code)
					case s.Op == "pong":
						if accepted != 128 {
							a.fail("%d were accepted", accepted)
						}
						return got
					}
				}
			}, status: 101, code: "too_many × 9872", close: "none", metric: []string{told("too_many", 9872), over("subscriptions", 9872)}},
		{on: "open", name: "1,001 ids in one subscription, 1,001 events and 1,001 ids in one publish",
			do: func(a *attack) answer {
				ids := strings.TrimSuffix(strings.Repeat("7,", 1001), ",")
				event := `{"resource":"r","type":"t"}`
				return a.storesNothing(func() answer {
					return a.each(textFrames(subscribe(`"resource":"products","ids":[`+ids+`]`), `{"op":"publish","ref":"p","events":[`+strings.Repeat(event+",", 1000)+event+`]}`, oneEvent(`"ids":[`+ids+`]`)))
				})
			}, status: 101, code: "too_many", close: "none", metric: []string{told("too_many", 3)}},
		{on: "open", name: "subscribes with a replay and unsubscribes, 2,000 times as fast as it can: nothing is left behind",
			do: func(a *attack) answer {
				cursor := a.here()
				a.on.settle(a.t)
				before := a.on.process("go_goroutines")
				w := a.open("")
				both := subscribe(`"resource":"*","after":`+quote(cursor)) + "\n" + `{"op":"unsubscribe","sub":"a"}` + "\n"
				for range 10 {
					w.text(strings.Repeat(both, 200))
				}
				got := w.outcome()
				a.on.eventually("the subscriptions have ended", func() error {
					if m := a.on.samples(); m["subscriptions_live"] != 1 || m["subscriptions_replaying"] != 0 {
						return fmt.Errorf("%v are left, and %v replays", m["subscriptions_live"], m["subscriptions_replaying"])
					}
					return nil
				})
				a.on.backTo(before)
				return got
			}, status: 101, close: "none"},
		{on: "open", name: "a payload of 65,537 bytes, a `meta` likewise",
			do: func(a *attack) answer {
				return a.storesNothing(func() answer {
					return all(a, []string{"payload", "meta"}, func(field string) answer {
						return a.request("POST", "/v1/events", `{"resource":"r","type":"t","`+field+`":{"x":"`+strings.Repeat("x", 65536)+`"}}`).answer()
					})
				})
			}, status: http.StatusRequestEntityTooLarge, code: "too_large", metric: []string{told("too_large", 2)}},
		{on: "quick", name: "no `connect` in time",
			do:     func(a *attack) answer { _, got := a.shake().gone(); return got },
			status: 101, close: "4408", metric: []string{closed("4408", 1), over("connect", 1)}},
		{on: "quick", name: "half open: a client that is gone without a word answers no pings",
			do: func(a *attack) answer {
				w := a.open("")
				got := answer{status: 101}
				for {
					op, payload, err := w.read()
					switch {
					case err != nil:
						a.fail("%v", err)
					case op == 8:
						got.closed(int(payload[0])<<8 | int(payload[1]))
						return got
					}
				}
			}, status: 101, close: "4408", metric: []string{closed("4408", 1)}},
		{on: "quick", name: "more connections than `--max-connections`: a WebSocket is closed at once",
			do: func(a *attack) answer {
				a.fill(20)
				return all(a, []int{1, 2, 3}, func(int) answer { _, got := a.shake().gone(); return got })
			}, status: 101, close: "4429", metric: []string{closed("4429", 3), over("connections", 3)}},
		{on: "quick", name: "more connections than `--max-connections` by SSE",
			do: func(a *attack) answer {
				a.fill(20)
				return a.request("GET", "/v1/sse?resource=products", "").answer()
			}, status: 503, code: "too_many", metric: []string{told("too_many", 1), over("connections", 1)}},
		{on: "quick", name: "a reader that never reads: closed when more waits for it than `--max-outbox`; a second one on the same events misses nothing",
			do: func(a *attack) answer {
				slow := a.open("")
				slow.text(subscribe(`"resource":"big"`)).until("live")
				good := a.open("")
				good.text(subscribe(`"resource":"big"`)).until("live")
				before := a.on.samples()[`closes_total{code="4409"}`]
				body := `"` + strings.Repeat("x", 60000) + `"`
				for i := 0; a.on.samples()[`closes_total{code="4409"}`] == before; i++ { // until socket buffers and outbox are full
					for j := range 10 {
						id := fmt.Sprintf("%d-%d", i, j)
						a.publish("live.big.updated."+id, body)
						if e := good.until("event"); e.ID != id {
							a.fail("%s, want %s", e.ID, id)
						}
					}
				}
				_, got := slow.gone()
				return got
			}, status: 101, close: "4409", metric: []string{closed("4409", 1)}},
		{on: "quick", name: "a reader of a byte a second, which answers pings: closed when more waits for it than `--max-outbox`; memory is bounded",
			do: func(a *attack) answer {
				slow := a.open("").narrow()
				slow.text(subscribe(`"resource":"big"`)).until("live")
				stop := slow.sip()
				good := a.open("")
				good.text(subscribe(`"resource":"big"`)).until("live")
				before, memory := a.on.samples()[`closes_total{code="4409"}`], a.on.memory()
				body := `"` + strings.Repeat("x", 60000) + `"`
				for i := 0; a.on.samples()[`closes_total{code="4409"}`] == before; i++ { // until socket buffers and outbox are full
					a.publish(fmt.Sprintf("live.big.updated.%d", i), body)
					if e := good.until("event"); e.ID != fmt.Sprint(i) {
						a.fail("%s, want %d", e.ID, i)
					}
				}
				if grown := a.on.memory() - memory; grown > 64<<20 {
					a.fail("the process grew by %v bytes", grown)
				}
				stop()
				_, got := slow.gone()
				return got
			}, status: 101, close: "4409", metric: []string{closed("4409", 1)}},
		{on: "patient", name: "100 clients replay everything at the same moment, and take nothing at first: the bystander gets its event meanwhile, and each of them gets everything in its turn",
			do: func(a *attack) answer {
				const n, events = 100, 60
				for i := range events {
					a.publish(fmt.Sprintf("live.big.updated.%d", i), quote(strings.Repeat("x", 50000)))
				}
				a.known()
				var ways [n]*wire
				many(10, func(i int) {
					for j := range n / 10 {
						w := a.open("").narrow()
						w.deaf = true
						ways[n/10*i+j] = w.text(subscribe(`"resource":"big","since":"0001-01-01T00:00:00Z"`))
					}
				})
				a.on.eventually("all are being replayed to, or wait in line", func() error {
					if m := a.on.samples(); m["subscriptions_replaying"] != n {
						return fmt.Errorf("%v are", m["subscriptions_replaying"])
					}
					return nil
				})
				a.on.unharmed(a.t)
				many(n, func(i int) {
					_ = ways[i].SetDeadline(time.Now().Add(3 * patience))
					if got := ways[i].skim(); got != events {
						a.t.Errorf("client %d got %d events, want %d", i, got, events)
					}
				})
				return ways[0].outcome()
			}, status: 101, close: "none"},
		{on: "strict", name: "256 KiB at once where no more may come: four messages of 60 KB are answered, four refused, then the connection is closed",
			do: func(a *attack) answer {
				big := frame(opText, `{"op":"ping","x":"`+strings.Repeat("x", 60000)+`"}`)
				_, got := a.open("").say(strings.Repeat(big, 10)).gone()
				return got
			}, status: 101, code: "rate_limited × 4", close: "4429", metric: []string{told("rate_limited", 4), closed("4429", 1), over("bytes", 5)}},
		{on: "strict", name: "thousands of objects in few frames: each counts as 256 bytes",
			do: func(a *attack) answer {
				_, got := a.open("").say(strings.Repeat(frame(opText, strings.Repeat(`{"op":"unsubscribe","sub":"x"}`+"\n", 1000)), 3)).gone()
				return got
			}, status: 101, code: "unknown_sub × 1000, rate_limited × 1000", close: "4429", metric: []string{told("rate_limited", 1000), told("unknown_sub", 1000), closed("4429", 1), over("bytes", 2)}},
		{on: "strict", name: "more connections than `--max-connections-per-address`, each with another X-Forwarded-For, which counts for nothing from somebody who is no proxy",
			do: func(a *attack) answer {
				for i := range 9 {
					a.shake(fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i)).text(connect("")).until("connected")
				}
				if r := a.request("GET", "/v1/sse?resource=products", "", "X-Forwarded-For: 203.0.113.99"); r.status != 429 || r.code() != "too_many" {
					a.fail("SSE: %d %s", r.status, r.body)
				}
				return all(a, []string{"203.0.113.10", "127.0.0.2", "::1"}, func(from string) answer { _, got := a.shake("X-Forwarded-For: " + from).gone(); return got })
			}, status: 101, close: "4429", metric: []string{told("too_many", 1), closed("4429", 3), over("address", 4)}},
		{on: "crowd", name: "behind a trusted proxy, one address opens more than `--max-connections-per-address` and invents addresses before its own; another address is let in",
			do: func(a *attack) answer {
				from := func(i int) string { return fmt.Sprintf("X-Forwarded-For: 198.51.100.%d, 203.0.113.7", i) }
				for i := range 5 {
					a.shake(from(i)).text(connect(a.on.keys.token(fields{"sub": nil}))).until("connected")
				}
				a.shake("X-Forwarded-For: 203.0.113.7, 203.0.113.8").text(connect(a.on.keys.token(nil))).until("connected")
				return all(a, []int{5, 6}, func(i int) answer { _, got := a.shake(from(i)).gone(); return got })
			}, status: 101, close: "4429", metric: []string{closed("4429", 2), over("address", 2)}},
		{on: "crowd", name: "one who has a /64 of IPv6 takes another address of it for each connection",
			do: func(a *attack) answer {
				from := func(i int) string { return fmt.Sprintf("X-Forwarded-For: 2001:db8:1:2:%x::%x", i, i) }
				for i := range 5 {
					a.shake(from(i)).text(connect(a.on.keys.token(fields{"sub": nil}))).until("connected")
				}
				_, got := a.shake(from(6)).gone()
				return got
			}, status: 101, close: "4429", metric: []string{closed("4429", 1), over("address", 1)}},
		{on: "crowd", name: "one user opens more than `--max-connections-per-user`, from many addresses, with many tokens; another user is let in",
			do: func(a *attack) answer {
				from := func(i int) *wire { return a.shake(fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i)) }
				for i := range 3 {
					from(i).text(connect(a.on.keys.token(fields{"sub": "carol", "jti": fmt.Sprint(i)}))).until("connected")
				}
				from(10).text(connect(a.on.keys.token(fields{"sub": "dave"}))).until("connected")
				_, got := from(3).text(connect(a.on.keys.token(fields{"sub": "carol"}))).gone()
				return got
			}, status: 101, code: "too_many", close: "4429", metric: []string{told("too_many", 1), closed("4429", 1), over("user", 1)}},
		{on: "crowd", name: "more connections than `--max-connections-per-user` by SSE",
			do: func(a *attack) answer {
				token := a.on.keys.token(fields{"sub": "erin"})
				for i := range 3 {
					a.shake(fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i)).text(connect(token)).until("connected")
				}
				return a.request("GET", "/v1/sse?resource=products", "", bearer(token), "X-Forwarded-For: 203.0.113.9").answer()
			}, status: 429, code: "too_many", metric: []string{told("too_many", 1), over("user", 1)}},
		{on: "crowd", name: "the 101st ticket of one user that waits to be used",
			do: func(a *attack) answer {
				token := a.on.keys.token(fields{"sub": "hoarder"})
				for range 100 {
					a.ticket(token)
				}
				return a.request("POST", "/v1/ticket", "", bearer(token)).answer()
			}, status: 429, code: "rate_limited", metric: []string{told("rate_limited", 1), over("tickets", 1)}},
		{on: "quick", name: "a flood of connections that ask for nothing: what is more than `--max-connections` and 100 is closed as it comes",
			do: func(a *attack) answer {
				ask := func() answer { return a.dial().say(head(a.on.addr, "GET", "/healthz", "")).hear().answer() }
				n := 1
				for ask().status == ok {
					n++
				}
				if n < 100 || n > 120 { // the bystander has one, and those that look after the bridge
					a.fail("connection %d was cut", n)
				}
				return all(a, make([]int, 10), func(int) answer { return ask() })
			}, metric: []string{over("connections", 11)}},
		{on: "open", name: "101 types in one subscription; 10,001 ids in all subscriptions of a connection",
			do: func(a *attack) answer {
				types := a.open("").text(subscribe(`"resource":"products","types":["t` + strings.Repeat(`","t`, 100) + `"]`)).outcome()
				ids := a.open("")
				for i := range 11 {
					ids.text(fmt.Sprintf(`{"op":"subscribe","sub":"%d","resource":"products","ids":[%s1]}`, i, strings.Repeat("1,", 999)))
				}
				return all(a, []answer{types, ids.outcome()}, func(got answer) answer { return got })
			}, status: 101, code: "too_many", close: "none", metric: []string{told("too_many", 2), over("ids", 1)}},
		{on: "secret", name: "a body of 16 MB without a token, or with a bad one: answered at its first byte, and not read",
			do: func(a *attack) answer {
				return all(a, []string{"X: y", bearer("e30.e30.e30")}, func(h string) answer {
					return a.dial().say(head(a.on.addr, "POST", "/v1/events", "", h, "Content-Type: application/json", "Content-Length: 16000000"), "{").hear().answer()
				})
			}, status: 401, code: "unauthorized", metric: []string{told("unauthorized", 2)}},
		{on: "patient", name: "1,000 connections that never send `connect`: all are closed after 10 s, memory is bounded",
			do: func(a *attack) answer {
				before, goroutines := a.on.memory(), a.on.process("go_goroutines")
				var ways [1000]*wire
				many(10, func(i int) {
					for j := range 100 {
						ways[100*i+j] = a.shake()
					}
				})
				if grown := (a.on.memory() - before) / float64(len(ways)); grown > 64<<10 {
					a.fail("%v bytes a connection", math.Round(grown))
				}
				got := all(a, ways[:], func(w *wire) answer { _, got := w.gone(); return got })
				a.on.backTo(goroutines)
				return got
			}, status: 101, close: "4408", metric: []string{closed("4408", 1000), over("connect", 1000)}},
		{on: "patient", name: "a frame that never ends, a byte a second; a message whose fragments do not end; a close frame that is not answered",
			do: func(a *attack) answer {
				drip, rest, deaf := a.open(""), a.open(""), a.open("")
				drip.say("\x81\xfe\x40\x00\x00\x00\x00\x00")
				rest.say(frame(firstText, `{"op":`))
				deaf.text("nope")
				stop, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					for {
						select {
						case <-time.After(time.Second):
							drip.say(" ")
						case <-stop:
							return
						}
					}
				}()
				defer func() { close(stop); <-done }()
				began := time.Now()
				for _, err := deaf.in.ReadByte(); err == nil; _, err = deaf.in.ReadByte() { // until it is cut
				}
				if took := time.Since(began); took < 4*time.Second {
					a.fail("cut after %s", took)
				}
				return all(a, []*wire{drip, rest}, func(w *wire) answer { _, got := w.gone(); return got })
			}, status: 101, close: "4408", metric: []string{told("bad_frame", 1), closed("4400", 1), closed("4408", 2), over("slow", 2)}},
	},
}

// fill opens connections until there are so many, with the bystander's.
func (a *attack) fill(n int) {
	for range n - 1 {
		a.open("")
	}
}

// outcome19 is outcome where 19 pongs are on their way, and no ping is left.
func (w *wire) outcome19() answer {
	got := answer{status: 101, close: "none"}
	for {
		s, closed, ok := w.next()
		switch {
		case !ok:
			got.closed(closed)
			return got
		case s.Op == "error":
			got.adds(s.Code)
			return got
		}
	}
}

// narrow makes the client take little from the network ahead of its reading.
func (w *wire) narrow() *wire {
	if err := w.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		w.a.fail("%v", err)
	}
	return w
}

// sip reads a byte a second, and sends pongs, until it is told to stop. Then everything can be read as if nothing had been.
func (w *wire) sip() (stop func()) {
	ahead, _ := w.in.Peek(w.in.Buffered())
	taken := bytes.NewBuffer(bytes.Clone(ahead))
	ending, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		read, pong := time.NewTicker(time.Second), time.NewTicker(100*time.Millisecond)
		defer read.Stop()
		defer pong.Stop()
		for {
			select {
			case <-read.C:
				_, _ = io.CopyN(taken, w.Conn, 1)
			case <-pong.C:
				w.say(frame(opPong, ""))
			case <-ending:
				return
			}
		}
	}()
	return func() {
		close(ending)
		<-done
		w.in = bufio.NewReader(io.MultiReader(taken, w.Conn))
	}
}

// skim reads to `live`, and counts the events before.
func (w *wire) skim() (events int) {
	for {
		_, payload, err := w.read()
		if err != nil {
			w.a.t.Errorf("before live: %v", err)
			return events
		}
		if events += strings.Count(payload, `"op":"event"`); strings.Contains(payload, `"op":"live"`) {
			return events
		}
	}
}
