package abuse

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// subscribe subscribes in a session of its own.
func (a *attack) subscribe(token, object string) answer {
	return a.open(token).text(`{"op":"subscribe","sub":"a",` + object + `}`).outcome()
}

// stored is the sequence of the newest event in the stream.
func (a *attack) stored() uint64 {
	s, err := a.on.js.Stream(a.t.Context(), "LIVE")
	if err != nil {
		a.fail("stream: %v", err)
	}
	info, err := s.Info(a.t.Context())
	if err != nil {
		a.fail("stream: %v", err)
	}
	return info.State.LastSeq
}

// storesNothing does something that must not store an event.
func (a *attack) storesNothing(do func() answer) answer {
	before := a.stored()
	got := do()
	if after := a.stored(); after != before {
		a.fail("%d events were stored", after-before)
	}
	return got
}

// names are the events of resource, type and id.
func names(events []said) (list []string) {
	for _, e := range events {
		list = append(list, fmt.Sprintf("%s.%s.%s", e.Resource, e.Type, e.ID))
	}
	return list
}

// page reads history.
func (r reply) page(a *attack) []said {
	var page struct{ Events []said }
	if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.status != ok {
		a.fail("history: %d %s", r.status, r.body)
	}
	return page.Events
}

// sse reads events of SSE until one about that id has come.
func (w *wire) sse(until string) (events []said) {
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.a.fail("SSE: %v", err)
		}
		w.a.on.hears(line)
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var s said
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				w.a.fail("SSE: %q: %v", line, err)
			}
			events = append(events, s)
			if s.ID == until {
				return events
			}
		}
	}
}

// events reads events until one about that id has come.
func (w *wire) events(until string) (events []said) {
	for {
		s := w.until("event")
		events = append(events, s)
		if s.ID == until {
			return events
		}
	}
}

// lookalikes are resources that are not products, and must not become it, nor more.
var lookalikes = []string{"*", ">", "products.>", "products.*", "*.*", "products.", ".products", "products.updated.1", "live.products", "%2A", "%252A", "%3E", "product%73", "products%2Eupdated",
	"products\x00", "products\r\n", "products ", " products", "PRODUCTS", "рroducts", "ｐroducts", "products\u200b", "produ\u0441ts", "produc\u0074\u0301s", "$JS.API.>", "$SYS.>", "_INBOX.>", "_", "%5F", "null", "__proto__", "../products"}

var rights = group{
	title: "Rights",
	text:  "The token allows to subscribe to `products.>` and `orders.*.1`, denies `products.*.7` and `products.deleted.>`, allows to publish `products.updated.*`, and to replay an hour.",
	rows: []row{
		{on: "secret", name: "subscribes to what is not allowed, existing or not: the same words for both",
			do: func(a *attack) answer {
				a.publish("live.salaries.updated.1", `{"secret":"b7c1f0e9d2a34856"}`)
				a.on.secret("b7c1f0e9d2a34856")
				token := a.on.keys.token(nil)
				var words []string
				got := all(a, []string{`"resource":"salaries"`, `"resource":"nothing"`, `"resource":"salaries","ids":["1"],"last":5`, `"resource":"nothing","ids":["1"],"last":5`}, func(object string) answer {
					w := a.open(token).text(`{"op":"subscribe","sub":"a",` + object + `}`)
					words = append(words, w.until("error").Message)
					got := w.outcome()
					got.adds("forbidden")
					return got
				})
				if words = slices.Compact(words); len(words) > 1 {
					a.fail("%q", words)
				}
				return got
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 4`}},
		{on: "secret", name: "subscribes to the world, by WebSocket, SSE and history",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				for _, target := range []string{"/v1/sse?resource=*", "/v1/sse", "/v1/sse?resource=%2A", "/v1/events?resource=*", "/v1/events"} {
					if r := a.request("GET", target, "", bearer(token)); r.status != 403 || r.code() != "forbidden" {
						a.fail("%s: %d %s", target, r.status, r.body)
					}
				}
				return all(a, []string{`"resource":"*"`, `"resource":"*","types":["updated"],"ids":["1"]`, `"resource":"*","since":"-1m"`}, func(object string) answer { return a.subscribe(token, object) })
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 8`}},
		{on: "secret", name: "32 resources that look like `products`, hold wildcards, dots, escapes (once and twice), NUL, line breaks, other alphabets, invisible characters, or names of NATS",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				return all(a, lookalikes, func(resource string) answer { return a.subscribe(token, `"resource":`+quote(resource)) })
			}, status: 101, code: "forbidden", close: "none", metric: []string{fmt.Sprintf(`client_errors_total{code="forbidden"} %d`, len(lookalikes))}},
		{on: "secret", name: "the same in the query of SSE and history",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				return all(a, lookalikes, func(resource string) answer {
					return all(a, []string{"/v1/sse", "/v1/events"}, func(path string) answer {
						return a.request("GET", path+"?resource="+url.QueryEscape(resource), "", bearer(token)).answer()
					})
				})
			}, status: 403, code: "forbidden", metric: []string{fmt.Sprintf(`client_errors_total{code="forbidden"} %d`, 2*len(lookalikes))}},
		{on: "secret", name: "an id or a type that is not allowed hides among others, behind wildcards or escapes",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				return all(a, []string{`"resource":"orders"`, `"resource":"orders","ids":["2"]`, `"resource":"orders","ids":["1","2"]`, `"resource":"orders","ids":["*"]`, `"resource":"orders","ids":[">"]`,
					`"resource":"orders","ids":["%31"]`, `"resource":"orders","ids":["1.1"]`, `"resource":"orders","ids":["1\u0000"]`, `"resource":"orders","ids":["１"]`, `"resource":"orders","ids":[""]`,
					`"resource":"orders","ids":[]`, `"resource":"products","ids":["7"]`, `"resource":"products","ids":[7]`, `"resource":"products","types":["deleted"]`, `"resource":"products","types":["deleted"],"ids":["1"]`},
					func(object string) answer { return a.subscribe(token, object) })
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 15`}},
		{on: "secret", name: "what is denied inside of what is allowed: left out live, in a replay, in history and over SSE, alone and where denials overlap",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				live := a.open(token)
				cursor := live.text(`{"op":"subscribe","sub":"a","resource":"products"}`).until("live").Cursor
				stream := a.dial().say(head(a.on.addr, "GET", "/v1/sse?resource=products", "", bearer(token)))
				got := stream.hear().answer()
				for _, name := range []string{"updated.1", "updated.7", "deleted.1", "deleted.7", "created._", "deleted._", "updated.%37%37", "updated.77", "Deleted.1", "updated.end"} {
					a.publish("live.products."+name, `{}`)
				}
				a.known()
				want := []string{"products.updated.1", "products.created.", "products.updated.77", "products.Deleted.1", "products.updated.end"}
				again := a.open(token).text(`{"op":"subscribe","sub":"a","resource":"products","after":` + quote(cursor) + `}`)
				named := a.open(token).text(`{"op":"subscribe","sub":"a","resource":"products","ids":["1","7","77","end"],"types":["updated","deleted","created","Deleted"],"after":` + quote(cursor) + `}`)
				for way, events := range map[string][]said{
					"live": live.events("end"), "replay": again.events("end"), "with ids": named.events("end"), "sse": stream.sse("end"),
					"history": a.request("GET", "/v1/events?resource=products&after="+cursor, "", bearer(token)).page(a),
				} {
					if list := names(events); !slices.Equal(list, want) {
						a.fail("%s: %q, want %q", way, list, want)
					}
				}
				return got
			}, status: 200, metric: []string{"not_events_total 1"}},
		{on: "secret", name: "replays from before what `history` allows, over WebSocket, SSE and history",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				for _, since := range []string{`"-61m"`, `"-3650d"`, `"1970-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`} {
					if got := a.subscribe(token, `"resource":"products","since":`+since); got.code != "forbidden" || got.close != "none" {
						a.fail("since %s: %+v", since, got)
					}
				}
				return all(a, []string{"/v1/events?resource=products&since=-61m", "/v1/sse?resource=products&since=-61m"}, func(target string) answer { return a.request("GET", target, "", bearer(token)).answer() })
			}, status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 6`}},
		{on: "secret", name: "`history` of `0s`: a cursor of another session from before gives `reset`, history and `last` give nothing of the past",
			do: func(a *attack) answer {
				cursor := a.open(a.on.keys.token(nil)).text(`{"op":"subscribe","sub":"a","resource":"products"}`).until("live").Cursor
				a.publish("live.products.updated.1", `{}`)
				a.known()
				token := a.on.keys.token(fields{"live": fields{"subscribe": []string{"products.>"}, "history": "0s"}})
				w := a.open(token).text(`{"op":"subscribe","sub":"a","resource":"products","after":` + quote(cursor) + `}`)
				if s := w.until("subscribed"); s.Recovered {
					a.fail("%+v", s)
				}
				if s := w.until("reset"); s.Reason != "expired" {
					a.fail("%+v", s)
				}
				last := a.open(token).text(`{"op":"subscribe","sub":"a","resource":"products","last":10}`)
				for s := last.until("subscribed"); s.Op != "live"; s, _, _ = last.next() {
					if s.Op == "event" {
						a.fail("%+v", s)
					}
				}
				r := a.request("GET", "/v1/events?resource=products", "", bearer(token))
				if events := r.page(a); len(events) > 0 {
					a.fail("%+v", events)
				}
				return a.request("GET", "/v1/events?resource=products&after="+cursor, "", bearer(token)).answer()
			}, status: 410, code: "expired", metric: []string{`client_errors_total{code="expired"} 1`, `resets_total{reason="expired"} 1`}},
		{on: "secret", name: "publishes what is not allowed: another resource, another type, no id where one is needed by a deny; over WebSocket and HTTP; nothing is stored",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				return a.storesNothing(func() answer {
					return all(a, []string{`{"resource":"orders","type":"updated","id":"1"}`, `{"resource":"products","type":"deleted","id":"1"}`, `{"resource":"products","type":"updated.1","id":"2"}`,
						`{"resource":"products.updated","type":"1","id":"2"}`, `{"resource":"*","type":"*","id":"*"}`, `{"resource":">","type":"updated"}`, `{"resource":"Products","type":"updated"}`, `{"resource":"bystander","type":"updated","id":"1"}`},
						func(event string) answer {
							if r := a.request("POST", "/v1/events", event, bearer(token)); r.status != 403 || r.code() != "forbidden" {
								a.fail("%s: %d %s", event, r.status, r.body)
							}
							return a.open(token).text(`{"op":"publish","ref":"p","events":[` + event + `]}`).outcome()
						})
				})
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 16`}},
		{on: "secret", name: "names of NATS as a resource: `$JS.API.STREAM.DELETE.LIVE`, `$SYS.REQ.SERVER.PING`, `_INBOX.x`, `live.products`",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				return a.storesNothing(func() answer {
					return all(a, []string{"$JS.API.STREAM.DELETE.LIVE", "$JS.API.STREAM.PURGE.LIVE", "$SYS.REQ.SERVER.PING", "_INBOX.x", "live.products"}, func(resource string) answer {
						return a.request("POST", "/v1/events", `{"resource":`+quote(resource)+`,"type":"updated"}`, bearer(token)).answer()
					})
				})
			}, status: 403, code: "forbidden", metric: []string{`client_errors_total{code="forbidden"} 5`}},
		{on: "open", name: "the same where nobody needs a token: they are words like others, escaped, and reach no other subject",
			do: func(a *attack) answer {
				got := all(a, []string{"$JS.API.STREAM.DELETE.LIVE", "$SYS.REQ.SERVER.PING", "_INBOX.x", "live.products", "*", ">"}, func(resource string) answer {
					return a.request("POST", "/v1/events", `{"resource":`+quote(resource)+`,"type":"updated"}`).answer()
				})
				events := a.request("GET", "/v1/events?last=6", "").page(a)
				if list := names(events); !slices.Equal(list, []string{"$JS.API.STREAM.DELETE.LIVE.updated.", "$SYS.REQ.SERVER.PING.updated.", "_INBOX.x.updated.", "live.products.updated.", "*.updated.", ">.updated."}) {
					a.fail("%q", list)
				}
				return got
			}, status: 200, metric: []string{"published_total 6"}},
		{on: "secret", name: "a batch with one event, or one id, that is not allowed among 100 that are: nothing is stored",
			do: func(a *attack) answer {
				token := a.on.keys.token(fields{"live": fields{"publish": fields{"allow": []string{"products.>"}, "deny": []string{"products.*.7"}}}})
				good := strings.Repeat(`{"resource":"products","type":"updated","id":"1"},`, 100)
				return a.storesNothing(func() answer {
					return all(a, []string{good + `{"resource":"orders","type":"updated","id":"1"}`, good + `{"resource":"products","type":"updated","id":"7"}`,
						good + `{"resource":"products","type":"updated","ids":[1,2,7]}`}, func(events string) answer {
						if r := a.request("POST", "/v1/events", "["+events+"]", bearer(token)); r.status != 403 || r.code() != "forbidden" {
							a.fail("%d %s", r.status, r.body)
						}
						return a.open(token).text(`{"op":"publish","ref":"p","events":[` + events + `]}`).outcome()
					})
				})
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 6`}},
		{on: "secret", name: "claims to be another session: `origin`, `session` and `batch` in what it publishes count for nothing",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				w := a.shake()
				mine := w.text(connect(token)).until("connected").Session
				w.text(`{"op":"subscribe","sub":"a","resource":"products"}`).until("live")
				w.text(`{"op":"publish","ref":"p","origin":"forged","events":[{"resource":"products","type":"updated","id":"1","origin":"forged","session":"forged","batch":"forged","cursor":"forged"}]}`)
				if e := w.until("event"); e.Origin != mine || e.Batch != "" || e.Cursor == "forged" {
					a.fail("%+v, want origin %s", e, mine)
				}
				w.until("published")
				return w.outcome()
			}, status: 101, close: "none", metric: []string{"published_total 1"}},
		{on: "secret", name: "a token that may publish and not read, and one that may read and not publish",
			do: func(a *attack) answer {
				writer := a.on.keys.token(fields{"live": fields{"publish": []string{">"}}})
				reader := a.on.keys.token(fields{"live": fields{"subscribe": []string{">"}}})
				return a.storesNothing(func() answer {
					return all(a, [][2]string{{writer, `{"op":"subscribe","sub":"a","resource":"products"}`}, {reader, `{"op":"publish","ref":"a","events":[{"resource":"products","type":"updated"}]}`}},
						func(way [2]string) answer { return a.open(way[0]).text(way[1]).outcome() })
				})
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 2`}},
	},
}
