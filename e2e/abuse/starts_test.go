package abuse

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"strings"
)

// here is a cursor of the bridge, before an event that is stored.
func (a *attack) here() string {
	w := a.open("")
	defer w.Close()
	cursor := w.text(subscribe(`"resource":"products"`)).until("live").Cursor
	a.publish("live.products.updated.1", `{}`)
	a.known()
	return cursor
}

// known waits until the bridge has read everything that is stored: what it has not read yet comes live, and not in a replay.
func (a *attack) known() {
	last := float64(a.stored())
	a.on.eventually("the bridge has read what is stored", func() error {
		if head := a.on.samples()["tail_head_sequence"]; head < last {
			return fmt.Errorf("it is at %v of %v", head, last)
		}
		return nil
	})
}

// forge changes the bytes of a cursor and makes its checksum right again, as an attacker would who has read the source.
func (a *attack) forge(cursor string, change func(raw []byte)) string {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 27 {
		a.fail("cursor %q: %v", cursor, err)
	}
	change(raw)
	sum := crc32.ChecksumIEEE(raw[:25])
	binary.BigEndian.PutUint16(raw[25:], uint16(sum)^uint16(sum>>16))
	return base64.RawURLEncoding.EncodeToString(raw)
}

var starts = group{
	title: "Starts and cursors",
	text:  "A cursor is what the client says it is: it is verified when it is used, and what cannot be honoured is told, never silent.",
	rows: []row{
		{on: "open", name: "two starts at once; a `since` that is none: words, a number, 25 o'clock, a negative or endless duration",
			do: func(a *attack) answer {
				since := func(text string) string { return subscribe(`"resource":"products","since":` + text) }
				return a.each(textFrames(subscribe(`"resource":"products","last":1,"since":"-1m"`), subscribe(`"resource":"products","last":1,"after":"x"`), since(`"yesterday"`), since(`1764086400`), since(`"2026-11-25T25:00:00Z"`),
					since(`"2026-11-25 14:00:00"`), since(`"--1m"`), since(`"-0s"`), since(`"-1e9d"`), since(`"-999999999999d"`), since(`"NaN"`), since(`""`), since(`"+10000-01-01T00:00:00Z"`)))
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 13)}},
		{on: "open", name: "a cursor that is made up, cut, doubled, with one bit changed, 10 kB long, with a NUL or a line break",
			do: func(a *attack) answer {
				good := a.here()
				flipped := []byte(good)
				flipped[10] ^= 1
				var list []string
				for _, c := range []string{"x", "5kQ2-410-m3", good[:35], good + good, good + "=", string(flipped), strings.Repeat("A", 36), strings.Repeat("A", 10000), good[:35] + "\x00", good[:35] + "\n", " " + good[1:], "../../../etc/passwd"} {
					list = append(list, subscribe(`"resource":"products","after":`+quote(c)))
				}
				return a.each(textFrames(list...))
			}, status: 101, code: "bad_cursor", close: "none", metric: []string{told("bad_cursor", 12)}},
		{on: "open", name: "the same over HTTP: in `after`, and in a forged `Last-Event-ID` of SSE",
			do: func(a *attack) answer {
				bad := a.here()[:35] + "!"
				return all(a, []reply{a.request("GET", "/v1/events?resource=products&after="+url.QueryEscape(bad), ""), a.request("GET", "/v1/sse?resource=products&after="+url.QueryEscape(bad), ""),
					a.request("GET", "/v1/sse?resource=products", "", "Last-Event-ID: "+bad)}, reply.answer)
			}, status: 400, code: "bad_cursor", metric: []string{told("bad_cursor", 3)}},
		{on: "open", name: "a cursor of another stream, and one whose message is another than it was: `reset`, as if the stream had been recreated or had lost its end",
			do: func(a *attack) answer {
				good := a.here()
				return all(a, []func([]byte){func(raw []byte) { raw[3] ^= 1 }, func(raw []byte) { raw[24] ^= 1 }}, func(change func([]byte)) answer {
					w := a.open("").text(subscribe(`"resource":"products","after":` + quote(a.forge(good, change))))
					if s := w.until("subscribed"); s.Recovered {
						a.fail("%+v", s)
					}
					got := answer{status: 101, close: "none"}
					got.adds("reset " + w.until("reset").Reason)
					return got
				})
			}, status: 101, code: "reset stream", close: "none", metric: []string{`resets_total{reason="stream"} 2`}},
		{on: "open", name: "`since` in the year 1 and in the year 9999: everything that is stored, and nothing but what comes",
			do: func(a *attack) answer {
				a.here()
				all := a.open("").text(subscribe(`"resource":"products","since":"0001-01-01T00:00:00Z"`))
				if s := all.until("event"); s.Sub != "a" {
					a.fail("%+v", s)
				}
				all.until("live")
				none := a.open("").text(subscribe(`"resource":"products","since":"9999-12-31T23:59:59Z"`))
				for s := none.until("subscribed"); s.Op != "live"; s, _, _ = none.next() {
					if s.Op == "event" {
						a.fail("%+v", s)
					}
				}
				a.publish("live.products.updated.2", `{}`)
				none.until("event")
				return none.outcome()
			}, status: 101, close: "none"},
		{on: "patient", name: "a cursor of the future, which a deposed leader of a cluster could have given: `reset` after 8 s",
			do: func(a *attack) answer {
				forged := a.forge(a.here(), func(raw []byte) { binary.BigEndian.PutUint64(raw[9:], 1<<62) })
				w := a.open("").text(subscribe(`"resource":"products","after":` + quote(forged)))
				got := answer{status: 101, close: "none"}
				got.adds("reset " + w.until("reset").Reason)
				return got
			}, status: 101, code: "reset stream", close: "none", metric: []string{`resets_total{reason="stream"} 1`}},
		{on: "quick", name: "a replay of more than `--max-replay` events: `reset`, and live from there",
			do: func(a *attack) answer {
				cursor := a.here()
				for range 60 {
					a.publish("live.products.updated.1", `{}`)
				}
				a.known()
				w := a.open("").text(subscribe(`"resource":"products","after":` + quote(cursor)))
				got := answer{status: 101, close: "none"}
				got.adds("reset " + w.until("reset").Reason)
				a.publish("live.products.updated.2", `{}`)
				if s := w.until("event"); s.ID != "2" {
					a.fail("%+v", s)
				}
				return got
			}, status: 101, code: "reset limit", close: "none", metric: []string{`resets_total{reason="limit"} 1`}},
		{on: "open", name: "`limit` of history: 0, negative, 10,001, words; a parameter that is there twice, or empty; resources that are not UTF-8, or cut escapes",
			do: func(a *attack) answer {
				return all(a, []string{"limit=0", "limit=-1", "limit=10001", "limit=all", "limit=1&limit=2", "limit=", "resource=orders", "resource=", "since=-1m&last=1", "last=0", "since=now", "after=", "type=", "resource=%FF", "type=%C0%AF"}, func(q string) answer {
					target := "/v1/events?resource=products&" + q
					if strings.HasPrefix(q, "resource=%") {
						target = "/v1/events?" + q
					}
					return a.request("GET", target, "").answer()
				})
			}, status: http.StatusBadRequest, code: "bad_request", metric: []string{told("bad_request", 15)}},
	},
}
