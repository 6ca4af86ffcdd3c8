package abuse

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// watch is a subscriber of everything about a resource.
func (a *attack) watch(resource string) *wire {
	w := a.open("")
	w.text(subscribe(`"resource":` + quote(resource))).until("live")
	return w
}

// publishMsg stores a message with headers.
func (a *attack) publishMsg(subject string, body []byte, headers ...string) {
	a.t.Helper()
	m := &nats.Msg{Subject: subject, Data: body, Header: nats.Header{}}
	for i := 0; i < len(headers); i += 2 {
		m.Header[headers[i]] = append(m.Header[headers[i]], headers[i+1])
	}
	if _, err := a.on.nc.RequestMsg(m, patience); err != nil {
		a.fail("publish %s: %v", subject, err)
	}
}

var stays = answer{status: 101, close: "none"}

var fromNATS = group{
	title: "From NATS",
	text:  "What services publish, past the bridge, by mistake or on purpose. Whatever is in the stream, browsers get valid frames.",
	rows: []row{
		{on: "open", name: "a body that is not JSON, cut JSON, not UTF-8, nested 20,000 deep, several values: `payload` is null, `raw` has the bytes",
			do: func(a *attack) answer {
				w := a.watch("products")
				for _, body := range []string{"price=10", `{"a":`, "\"\xff\"", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), `{} {}`, "\x00\x01\x02", "\n"} {
					a.publish("live.products.updated.1", body)
					if e := w.until("event"); string(e.Payload) != "null" || e.Raw != base64of(body) {
						a.fail("%.40q: %s %.40s", body, e.Payload, e.Raw)
					}
				}
				return w.outcome()
			}, status: 101, close: "none"},
		{on: "open", name: "an empty body is `{}`; line breaks between the tokens of a payload, or a whole frame in it, stay inside of the payload",
			do: func(a *attack) answer {
				w := a.watch("products")
				for body, want := range map[string]string{"": "{}", "{\n\"a\":1}\r\n": `{"a":1}`, "[1,\n{\"op\":\"event\",\"sub\":\"a\"}\n]": `[1,{"op":"event","sub":"a"}]`, `"\n{\"op\":\"reset\"}"`: `"\n{\"op\":\"reset\"}"`} {
					a.publish("live.products.updated.1", body)
					if e := w.until("event"); string(e.Payload) != want {
						a.fail("%q: %s", body, e.Payload)
					}
				}
				return w.outcome()
			}, status: 101, close: "none"},
		{on: "open", name: "a body of 1 MB, the most that NATS takes: delivered; one of more is refused by NATS",
			do: func(a *attack) answer {
				w := a.watch("products")
				body := `"` + strings.Repeat("x", 1<<20-2) + `"`
				a.publish("live.products.updated.1", body)
				if e := w.until("event"); string(e.Payload) != body {
					a.fail("%d bytes", len(e.Payload))
				}
				if _, err := a.on.nc.Request("live.products.updated.1", []byte(body+" "), patience); err == nil {
					a.fail("more than 1 MB was taken")
				}
				return w.outcome()
			}, status: 101, close: "none"},
		{on: "open", name: "subjects of three and five tokens are not in the stream",
			do: func(a *attack) answer {
				return a.storesNothing(func() answer {
					for _, subject := range []string{"live.products.updated", "live.products.updated.1.x", "live", "Live.products.updated.1"} {
						if m, err := a.on.nc.Request(subject, []byte("{}"), patience); err == nil {
							a.fail("%s: %s", subject, m.Data)
						}
					}
					return stays
				})
			}, status: 101, close: "none"},
		{on: "open", name: "subjects that are not canonical: raw `é`, lower-case hex, an escape where none is needed, a cut escape, bytes that are not UTF-8, control characters, `_` as a resource, more than 1,000 bytes, a wildcard as a token. Counted, logged, delivered to nobody",
			do: func(a *attack) answer {
				w := a.watch("*")
				for _, subject := range []string{"live.é.updated.1", "live.caf%c3%a9.updated.1", "live.%61.updated.1", "live.a.updated.%2", "live.a.updated.%FF", "live.a.updated.\xff", "live.a.updated.\x01", "live.a.updated.a@b",
					"live._.updated.1", "live.a._.1", "live.a.updated." + strings.Repeat("x", 1000)} {
					a.publish(subject, `{"hidden":true}`)
				}
				for _, subject := range []string{"live.products.updated.*", "live.*.updated.1", "live.products.updated.>"} {
					if err := a.on.nc.Publish(subject, []byte(`{"hidden":true}`)); err != nil {
						a.fail("%v", err)
					}
				}
				a.publish("live.products.updated.end", `{}`)
				if e := w.until("event"); e.ID != "end" {
					a.fail("%+v", e)
				}
				return w.outcome()
			}, status: 101, close: "none", metric: []string{"not_events_total 14"}},
		{on: "open", name: "wrong headers: `Live-Date` that is no date or in the year 99999, `Live-Meta` that is no object, no JSON, or holds line breaks, `Live-Origin` and `Live-Batch` with quotes, there twice",
			do: func(a *attack) answer {
				w := a.watch("products")
				for _, date := range []string{"yesterday", "99999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "0000-00-00T00:00:00Z"} {
					a.publishMsg("live.products.updated.1", nil, "Live-Date", date)
					if e := w.until("event"); !strings.HasPrefix(e.Date, "20") || e.Date == date {
						a.fail("%+v", e)
					}
				}
				for _, meta := range []string{"[]", "7", "null", "nope", `{"a":`, "{\"a\":\"\xff\"}"} {
					a.publishMsg("live.products.updated.1", nil, "Live-Meta", meta)
					if e := w.until("event"); e.Meta != nil {
						a.fail("%+v", e)
					}
				}
				a.publishMsg("live.products.updated.1", nil, "Live-Origin", `","op":"reset","x":"`, "Live-Origin", "second", "Live-Batch", "\x1b[31m\xff", "Live-Meta", `{"__proto__":{}}`, "Nats-Msg-Id", "a\tb")
				if e := w.until("event"); e.Op != "event" || e.Origin != `","op":"reset","x":"` || e.Batch != "\x1b[31m\ufffd" || string(e.Meta) != `{"__proto__":{}}` {
					a.fail("%+v", e)
				}
				return w.outcome()
			}, status: 101, close: "none"},
		{on: "open", name: "100,000 distinct resources, types and ids: all arrive, and there is not one more time series in the metrics",
			do: func(a *attack) answer {
				w := a.watch("*")
				before := len(a.on.samples())
				memory := a.on.memory()
				const n = 100_000
				for from := 0; from < n; from += 1000 { // no faster than they are read
					for i := from; i < from+1000; i++ {
						if err := a.on.nc.Publish(fmt.Sprintf("live.r%d.t%d.%d", i, i, i), []byte("{}")); err != nil {
							a.fail("%v", err)
						}
					}
					for i := from; i < from+1000; i++ {
						if e := w.until("event"); e.ID != fmt.Sprint(i) {
							a.fail("%s, want %d", e.ID, i)
						}
					}
				}
				if after := len(a.on.samples()); after != before {
					a.fail("%d time series, before it were %d", after, before)
				}
				if grown := a.on.memory() - memory; grown > 512<<20 {
					a.fail("the process grew by %v bytes", grown)
				}
				return w.outcome()
			}, status: 101, close: "none"},
	},
}
