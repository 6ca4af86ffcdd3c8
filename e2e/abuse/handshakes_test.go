package abuse

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// foreign sends every kind of request from a page.
func foreign(a *attack, origin string) answer {
	return all(a, []string{"ws", "GET /v1/sse?resource=products", "GET /v1/events?resource=products", "POST /v1/events"}, func(what string) answer {
		if what == "ws" {
			return a.dial().say(a.hello("Origin: " + origin)).hear().answer()
		}
		method, target, _ := strings.Cut(what, " ")
		return a.request(method, target, "", "Origin: "+origin).answer()
	})
}

var handshakes = group{
	title: "Handshake and origin",
	text: "What a foreign web page can make a browser send, and handshakes that are none. Pages are judged by `Origin` before anything else is " +
		"looked at, and by `Host` where the bridge is for its own machine alone.",
	rows: []row{
		{on: "open", name: "a page of a foreign origin opens a WebSocket, reads SSE and history, and publishes (cross-site WebSocket hijacking, CSRF)",
			do:     func(a *attack) answer { return foreign(a, "https://evil.example") },
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 4`}},
		{on: "secret", name: "`Origin: null`, as a sandboxed frame or a file sends it",
			do:     func(a *attack) answer { return a.dial().say(a.hello("Origin: null")).hear().answer() },
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 1`}},
		{on: "secret", name: "14 origins that look like one that is allowed: `good.example.evil.example`, `evilgood.example`, another port or scheme, a subdomain, a dot at the end, user info, an escape, a fragment, a Cyrillic o, `apps.example` for `*.apps.example`",
			do: func(a *attack) answer {
				return all(a, []string{"https://good.example.evil.example", "https://evilgood.example", "https://good.example:8443", "http://good.example", "https://a.good.example",
					"https://good.example.", "https://good.example@evil.example", "https://good%2eexample", "https://evil.example#good.example", "https://evil.example/good.example",
					"https://gооd.example", "https://apps.example", "https://xapps.example", "https://a.apps.example.evil.example"}, func(origin string) answer {
					return a.dial().say(a.hello("Origin: " + origin)).hear().answer()
				})
			},
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 14`}},
		{on: "secret", name: "the allowed origin in other letters (`HTTPS://GOOD.EXAMPLE`) and with the scheme's own port is no abuse",
			do: func(a *attack) answer {
				return all(a, []string{"https://good.example", "HTTPS://GOOD.EXAMPLE", "https://good.example:443", "https://a.b.apps.example"}, func(origin string) answer {
					return a.dial().say(a.hello("Origin: " + origin)).hear().answer()
				})
			},
			status: 101},
		{on: "secret", name: "a handshake with cookies, or with `Sec-Fetch-Site`, and without an origin: something in a browser that hides its page",
			do: func(a *attack) answer {
				return all(a, []string{"Cookie: session=4f3a", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin"}, func(h string) answer {
					return a.dial().say(a.hello(h)).hear().answer()
				})
			},
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 3`}},
		{on: "open", name: "a foreign page embeds a stream as an image or a script: no origin, but `Sec-Fetch-Mode: no-cors`",
			do: func(a *attack) answer {
				return a.request("GET", "/v1/sse?resource=products", "", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Site: cross-site").answer()
			},
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 1`}},
		{on: "open", name: "DNS rebinding: a foreign name that leads to this machine, as `Host` and as `Origin`",
			do: func(a *attack) answer {
				return all(a, []string{"rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example:8080"}, func(host string) answer {
					return a.dial().say(a.handshake("Host: "+a.on.addr, "Host: "+host+"\r\nOrigin: http://"+host)).hear().answer()
				})
			},
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 3`}},
		{on: "secret", name: "a preflight from a foreign page is not answered with leave",
			do: func(a *attack) answer {
				r := a.request("OPTIONS", "/v1/events", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST")
				for name := range r.header {
					if strings.HasPrefix(name, "Access-Control-") {
						a.fail("%s: %s", name, r.header.Get(name))
					}
				}
				return r.answer()
			},
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 1`}},
		{on: "open", name: "a plain GET of the WebSocket",
			do: func(a *attack) answer {
				r := a.request("GET", "/v1/ws", "")
				if r.header.Get("Upgrade") != "websocket" {
					a.fail("Upgrade: %q", r.header.Get("Upgrade"))
				}
				return r.answer()
			},
			status: 426, code: "bad_request", metric: []string{`client_errors_total{code="bad_request"} 1`}},
		{on: "open", name: "a version of WebSocket that is not 13, or none",
			do: func(a *attack) answer {
				return all(a, []string{"Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 14\r\n", "Sec-WebSocket-Version: 13, 8\r\n", ""}, func(h string) answer {
					r := a.dial().say(a.handshake("Sec-WebSocket-Version: 13\r\n", h)).hear()
					if v := r.header.Get("Sec-WebSocket-Version"); v != "13" {
						a.fail("offers version %q", v)
					}
					return r.answer()
				})
			},
			status: 426, code: "bad_request", metric: []string{`client_errors_total{code="bad_request"} 4`}},
		{on: "open", name: "`Sec-WebSocket-Key` that is missing, short, long, no base64, or there twice; HTTP/1.0; `Connection: close` beside the upgrade",
			do: func(a *attack) answer {
				const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
				return all(a, [][2]string{{key, ""}, {"AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"}, {"AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
					{"AAAAAAAAAAAAAAAAAAAAAA==", "!!!!!!!!!!!!!!!!!!!!!!=="}, {key, key + key}, {"HTTP/1.1", "HTTP/1.0"}, {"Connection: Upgrade", "Connection: Upgrade, close"}}, func(way [2]string) answer {
					return a.dial().say(a.handshake(way[0], way[1])).hear().answer()
				})
			},
			status: 400, code: "bad_request", metric: []string{`client_errors_total{code="bad_request"} 7`}},
		{on: "open", name: "foreign subprotocols only",
			do: func(a *attack) answer {
				return a.dial().say(a.handshake("livebridge.v1", "graphql-ws, livebridge.v2")).hear().answer()
			},
			status: 400, code: "bad_request", metric: []string{`client_errors_total{code="bad_request"} 1`}},
		{on: "open", name: "a handshake by POST",
			do: func(a *attack) answer {
				return a.dial().say(a.handshake("GET ", "POST ", "Host:", "Content-Length: 0\r\nHost:")).hear().answer()
			},
			status: 405, code: "bad_request", metric: []string{`client_errors_total{code="bad_request"} 1`}},
		{on: "open", name: "17 KiB of headers; a URL of 17 KiB",
			do: func(a *attack) answer {
				long := strings.Repeat("x", 17<<10)
				return all(a, []string{a.hello("X: " + long), a.handshake("/v1/ws", "/v1/ws?"+long)}, func(request string) answer { return a.dial().say(request).hear().answer() })
			},
			status: 431, code: "bad_request", metric: []string{`client_errors_total{code="bad_request"} 2`, over("header", 2)}},
		{on: "open", name: "compression offered: it is not agreed on, and a compressed frame is a protocol error",
			do: func(a *attack) answer {
				w := a.dial().say(a.hello("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
				if r := w.hear(); r.status != http.StatusSwitchingProtocols || r.header.Get("Sec-WebSocket-Extensions") != "" {
					a.fail("%d, extensions %q", r.status, r.header.Get("Sec-WebSocket-Extensions"))
				}
				w.text(connect("")).until("connected")
				return w.say(frame(opText|0x40, bomb(1<<20))).outcome()
			},
			status: 101, close: "1002", metric: []string{`closes_total{code="1002"} 1`}},
		{on: "open", name: "X-Forwarded-For, X-Real-IP and Forwarded from somebody who is no proxy: the log has the address of the connection",
			do: func(a *attack) answer {
				w := a.dial()
				got := w.say(a.hello("X-Forwarded-For: 203.0.113.7", "X-Real-IP: 203.0.113.7", "Forwarded: for=203.0.113.7", "Origin: https://forged.example")).hear().answer()
				from := fmt.Sprintf(`"remote":"%s"`, w.LocalAddr())
				a.on.eventually("the line in the log", func() error {
					line := a.on.lineWith("https://forged.example")
					if !strings.Contains(line, from) || strings.Contains(line, "203.0.113.7") {
						return fmt.Errorf("%q lacks %s", line, from)
					}
					return nil
				})
				return got
			},
			status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 1`}},
		{on: "patient", name: "slow-loris: half a request line, and a head that gets a header a second; both are cut after 10 s",
			do: func(a *attack) answer {
				half := a.dial().say("GET /v1/ws HT")
				drip := a.dial().say(strings.TrimSuffix(a.handshake(), "\r\n"))
				stop := make(chan struct{})
				done := make(chan struct{})
				go func() {
					defer close(done)
					for {
						select {
						case <-time.After(time.Second):
							drip.say("X: y\r\n")
						case <-stop:
							return
						}
					}
				}()
				defer func() { close(stop); <-done }()
				return all(a, []*wire{half, drip}, func(w *wire) answer { return w.hear().answer() })
			},
			status: 408, code: "bad_request", metric: []string{`client_errors_total{code="bad_request"} 2`, over("slow", 2)}},
	},
}
