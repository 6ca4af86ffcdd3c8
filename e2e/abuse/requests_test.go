package abuse

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
)

// bomb is so many zeros, deflated.
func bomb(n int) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(make([]byte, n))
	_ = w.Close()
	return b.String()
}

// gzipped is a publish, and so much space, compressed.
func gzipped(n int) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(event + strings.Repeat(" ", n)))
	_ = w.Close()
	return b.String()
}

const event = `{"resource":"products","type":"updated","id":"1"}`

// posts posts each body; nothing is stored.
func (a *attack) posts(bodies []string, headers ...string) answer {
	return a.storesNothing(func() answer {
		return all(a, bodies, func(body string) answer { return a.request("POST", "/v1/events", body, headers...).answer() })
	})
}

// gets gets each target, as it is written.
func (a *attack) gets(targets ...string) answer {
	return all(a, targets, func(target string) answer { return a.request("GET", target, "").answer() })
}

var requests = group{
	title: "HTTP",
	text:  "Publishing, history, SSE, the console and what is not there. Requests that two servers could read differently are not served.",
	rows: []row{
		{on: "open", name: "a body of another content type: a form, as a foreign page can send it without asking, text, XML",
			do: func(a *attack) answer {
				return a.storesNothing(func() answer {
					return all(a, []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "application/json-seq"}, func(kind string) answer {
						return a.request("POST", "/v1/events", event, "Content-Type: "+kind).answer()
					})
				})
			}, status: 415, code: "bad_request", metric: []string{told("bad_request", 5)}},
		{on: "open", name: "a compressed body, also one of 64 MB in 64 KB",
			do: func(a *attack) answer {
				return a.posts([]string{gzipped(0), gzipped(64 << 20)}, "Content-Encoding: gzip", "Content-Type: application/json")
			}, status: 415, code: "bad_request", metric: []string{told("bad_request", 2)}},
		{on: "open", name: "a body that is empty, no JSON, cut, followed by something, nested 20,000 deep, not UTF-8, a list of lists",
			do: func(a *attack) answer {
				return a.posts([]string{"", " ", "nope", event[:20], event + "x", event + event, strings.Repeat("[", 20000) + strings.Repeat("]", 20000), `{"resource":"` + "\xff" + `","type":"t"}`, "[]", "[[" + event + "]]", "null", "7", "\ufeff" + event})
			}, status: 400, code: "bad_request", metric: []string{told("bad_request", 13)}},
		{on: "open", name: "one bad event among 100 good ones, as array and as NDJSON: it is named, and nothing is stored",
			do: func(a *attack) answer {
				bad := func(body, kind string) answer {
					r := a.request("POST", "/v1/events", body, "Content-Type: "+kind)
					if !strings.Contains(r.body, "events[100]") {
						a.fail("%s", r.body)
					}
					return r.answer()
				}
				return a.storesNothing(func() answer {
					return all(a, []answer{bad("["+strings.Repeat(event+",", 100)+`{"resource":"products"}]`, "application/json"), bad(strings.Repeat(event+"\n", 100)+"{}", "application/x-ndjson"),
						bad(strings.Repeat(event+"\n", 100)+"nope", "application/x-ndjson")}, func(got answer) answer { return got })
				})
			}, status: 400, code: "bad_request", metric: []string{told("bad_request", 3)}},
		{on: "open", name: "1,001 events, as array, as NDJSON and as ids; 1,001 ids in a query",
			do: func(a *attack) answer {
				got := a.posts([]string{"[" + strings.Repeat(event+",", 1000) + event + "]", `{"resource":"r","type":"t","ids":[` + strings.Repeat("1,", 1000) + `1]}`}, "Content-Type: application/json")
				return all(a, []answer{got, a.posts([]string{strings.Repeat(event+"\n", 1001)}, "Content-Type: application/x-ndjson"), a.gets("/v1/events?resource=products" + strings.Repeat("&id=1", 1001))},
					func(got answer) answer { return got })
			}, status: 413, code: "too_many", metric: []string{told("too_many", 4), over("ids", 1)}},
		{on: "open", name: "a body of more than 16 MiB: announced, in chunks without an end, and with `Expect: 100-continue`",
			do: func(a *attack) answer {
				announced := a.dial().say(head(a.on.addr, "POST", "/v1/events", "", "Content-Type: application/json", "Content-Length: 16777217"), "{").hear().answer()
				asks := a.dial().say(head(a.on.addr, "POST", "/v1/events", "", "Content-Type: application/json", "Content-Length: 99999999999", "Expect: 100-continue"))
				waits := asks.hear().answer()
				if waits.status == http.StatusContinue {
					waits = asks.hear().answer()
				}
				w := a.dial().say(head(a.on.addr, "POST", "/v1/events", "", "Content-Type: application/json", "Transfer-Encoding: chunked"))
				go func() {
					chunk := "10000\r\n" + strings.Repeat(" ", 1<<16) + "\r\n"
					for range 17 << 4 {
						w.say(chunk)
					}
				}()
				return all(a, []answer{announced, waits, w.hear().answer()}, func(got answer) answer { return got })
			}, status: 413, code: "too_large", metric: []string{told("too_large", 3), over("body", 3)}},
		{on: "open", name: "a key that was used, with another body: a duplicate, what was stored first stays",
			do: func(a *attack) answer {
				first := a.request("POST", "/v1/events", event, "Idempotency-Key: order-77")
				again := a.request("POST", "/v1/events", strings.Replace(event, "products", "orders", 1), "Idempotency-Key: order-77")
				if !strings.Contains(first.body, `"duplicate":false`) || !strings.Contains(again.body, `"duplicate":true`) {
					a.fail("%s %s", first.body, again.body)
				}
				return again.answer()
			}, status: 200, metric: []string{"published_total 2"}},
		{on: "open", name: "a key or an origin with control characters, with line breaks as escapes or folded, too long, not UTF-8: no header of NATS is made of it",
			do: func(a *attack) answer {
				got := a.posts([]string{`{"resource":"r","type":"t","key":"a\r\nLive-Origin: forged"}`, `{"resource":"r","type":"t","key":"a\u0000b"}`, `{"resource":"r","type":"t","key":" a"}`, `{"resource":"r","type":"t","key":"` + strings.Repeat("k", 129) + `"}`})
				return all(a, []string{"Idempotency-Key: a\tb", "Idempotency-Key: a\x01b", "Idempotency-Key: " + strings.Repeat("k", 129), "Idempotency-Key: a\xffb", "X-Live-Origin: a\x01b", "X-Live-Origin: a\tb",
					"X-Live-Origin: a\xffb", "X-Live-Origin: " + strings.Repeat("o", 129)}, func(h string) answer {
					if r := a.posts([]string{event}, h); r != got {
						a.fail("%q: %+v", h, r)
					}
					return got
				})
			}, status: 400, code: "bad_request", metric: []string{told("bad_request", 12)}},
		{on: "open", name: "control characters in the request line, in a header's name or value, in `Host`",
			do: func(a *attack) answer {
				return all(a, []string{"GET /v1/\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\x1b[31m\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nOrigin: http://x\x1b[31m\r\n\r\n",
					"GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: a\x00b\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nX\x1b: y\r\n\r\n"}, func(request string) answer { return a.dial().say(request).hear().answer() })
			}, status: 400, code: "bad_request", metric: []string{told("bad_request", 5)}},
		{on: "open", name: "quotes, braces, escaped line breaks, escaped ANSI sequences and characters that turn the writing direction in what is logged: the log stays one JSON object a line",
			do: func(a *attack) answer {
				return all(a, []string{"Origin: http://x\"}{\"level\":\"ERROR\",\"msg\":\"forged\"}", "Origin: \u2028\u202e", "Origin: http://" + strings.Repeat("x", 5000)}, func(h string) answer {
					return a.request("GET", "/v1/%1b%5b2J%0d%0a%7b%7d", "", h, `User-Agent: "}{\n`).answer()
				})
			}, status: 403, code: "forbidden", metric: []string{told("forbidden", 3)}},
		{on: "open", name: "tricks with paths at the console: `..`, escaped once and twice, backslashes, NUL, a slash too many, another version",
			do: func(a *attack) answer {
				return a.gets("/console/x/../../../etc/passwd", "/console/x/..%2f..%2f..%2fetc%2fpasswd", "/console/x/%252e%252e%252fetc%252fpasswd", "/console/..%5c..%5cwindows/win.ini", "/console/x/console.css%00.js",
					"/console/x/index.html", "/console/", "/console/x", "/console/x/", "/console/x/y/console.css", "//console/x/console.css/", "/console/x/.", "/etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/console.go", "/index.html")
			}, status: 404, code: "bad_request", metric: []string{told("bad_request", 17)}},
		{on: "open", name: "looks for what is often left open: `/debug/pprof`, `/.env`, `/.git/config`, `/varz`, `/jsz`, `/v2/ws`; and `/metrics`, which is on `--admin-listen`",
			do: func(a *attack) answer {
				return a.gets("/debug/pprof/", "/debug/vars", "/.env", "/.git/config", "/varz", "/jsz", "/connz", "/v2/ws", "/v1", "/admin", "/metrics", "/metrics/", "/v1/../metrics", "/v1/ticket")
			}, status: 404, code: "bad_request", metric: []string{told("bad_request", 14)}},
		{on: "secret", name: "the console, its files and `/metrics` where tokens are asked for",
			do: func(a *attack) answer {
				return a.gets("/", "/console/x/console.js", "/metrics", "/index.html")
			}, status: 404, code: "bad_request", metric: []string{told("bad_request", 4)}},
		{on: "open", name: "other methods, and `X-HTTP-Method-Override`",
			do: func(a *attack) answer {
				if r := a.request("GET", "/v1/events?last=1", "", "X-HTTP-Method-Override: POST", "X-Method-Override: DELETE"); r.status != ok {
					a.fail("%d %s", r.status, r.body)
				}
				return a.storesNothing(func() answer {
					return all(a, []string{"PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "PURGE", "get"}, func(method string) answer { return a.request(method, "/v1/events", "").answer() })
				})
			}, status: 405, code: "bad_request", metric: []string{told("bad_request", 8)}},
		{on: "open", name: "request smuggling: a second request in the body of the first, by two lengths, a length and chunks, chunks in disguise, a space before the colon; the second is never served",
			do: func(a *attack) answer {
				const second = "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 49\r\n\r\n" + event
				length := fmt.Sprintf("Content-Length: %d", 5+len(second))
				return a.storesNothing(func() answer {
					return all(a, [][]string{{"Content-Length: 5", "Content-Length: 6"}, {length, "Transfer-Encoding: chunked"}, {"Transfer-Encoding: chunked", length}, {"Content-Length: 0", "Transfer-Encoding: xchunked"},
						{"Transfer-Encoding: chunked, identity", length}, {"Transfer-Encoding : chunked", length}, {"Content-Length: +5"}, {"Content-Length: 5, 5"}, {"Content-Length: 0x5"}}, func(headers []string) answer {
						w := a.dial().say(head(a.on.addr, "POST", "/v1/events", "", append([]string{"Content-Type: application/json"}, headers...)...), "0\r\n\r\n", second)
						got := w.hear().answer()
						if r := w.hear(); r.status != 0 && r.status != 400 {
							a.fail("%q: then %d %s", headers, r.status, r.body)
						}
						return got
					})
				})
			}, status: 400, code: "bad_request", metric: []string{told("bad_request", 9)}},
		{on: "open", name: "200 connections come and go in the midst of things, each with events of its own: nobody gets what is another's",
			do: func(a *attack) answer {
				many(10, func(i int) {
					for j := range 20 {
						mine := fmt.Sprintf("own-%d-%d", i, j)
						w := a.open("")
						w.text(subscribe(`"resource":` + quote(mine))).until("live")
						w.text(`{"op":"publish","ref":` + quote(mine) + `,"events":[{"resource":` + quote(mine) + `,"type":"t","id":"end","payload":` + quote(mine) + `}]}`)
						for _, e := range w.events("end") {
							if e.Resource != mine || string(e.Payload) != quote(mine) {
								a.t.Errorf("%s got %+v", mine, e)
							}
						}
						switch j % 3 { // some wait for the answer, some go before it
						case 0:
							if p := w.until("published"); p.Ref != mine {
								a.t.Errorf("%s got %+v", mine, p)
							}
							if _, got := w.say(frame(opClose, "\x03\xe8")).gone(); got.close != "1000" {
								a.t.Errorf("%s: %+v", mine, got)
							}
						case 1:
							w.say("\x81")
						}
						_ = w.Close()
					}
				})
				return answer{status: 101, close: "none"}
			}, status: 101, close: "none", metric: []string{closed("1000", 70), "published_total 200"}},
	},
}
