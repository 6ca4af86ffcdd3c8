package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// post sends events; as JSON, unless a header says otherwise.
func (r *rig) post(body string, header ...string) (int, string) {
	r.t.Helper()
	return r.do("POST", "/v1/events", body, append([]string{"Content-Type", "application/json"}, header...)...)
}

// stream is the stream behind the bridge.
func (r *rig) stream(t testing.TB) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(r.nc)
	if err != nil {
		t.Fatal(err)
	}
	st, err := js.Stream(t.Context(), "LIVE")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// stored is how many messages the stream has taken.
func (r *rig) stored(t testing.TB) uint64 { return r.stream(t).CachedInfo().State.LastSeq }

// message is one message as it is stored.
func (r *rig) message(t testing.TB, seq uint64) *jetstream.RawStreamMsg {
	t.Helper()
	m, err := r.stream(t).GetMsg(t.Context(), seq)
	if err != nil {
		t.Fatalf("message %d: %v", seq, err)
	}
	return m
}

// An answer is what POST says.
type answer struct {
	Events []struct {
		Cursor    string
		Duplicate bool
	}
}

// A page is what GET says.
type page struct {
	Events []json.RawMessage
	Cursor string
	More   bool
}

func (p page) ids(t testing.TB) (ids []string) {
	for _, e := range p.Events {
		ids = append(ids, field(t, string(e), "id"))
	}
	return ids
}

func parse[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// history asks for a page that must be there, once the bridge has heard of everything that is stored.
func (r *rig) history(t testing.TB, query string) page {
	t.Helper()
	last := r.stored(t)
	await(t, "the tail is at the end", func() bool { return r.log.Stats().Head >= last })
	status, body := r.get("/v1/events?" + query)
	if status != 200 {
		t.Fatalf("GET %s: %d %s", query, status, body)
	}
	return parse[page](t, body)
}

// wantError checks an answer's status, the shape of its body, its code, and that its message says what it should.
func wantError(t testing.TB, status int, body string, wantStatus int, code, says string) {
	t.Helper()
	var e struct {
		Error struct{ Code, Message string }
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error.Message == "" {
		t.Errorf("%d %q is no error body: %v", status, body, err)
	}
	if status != wantStatus || e.Error.Code != code || !strings.Contains(e.Error.Message, says) {
		t.Errorf("got %d %s, want %d %s %q", status, body, wantStatus, code, says)
	}
}

func TestPost(t *testing.T) {
	r := start(t, nil)
	const one = `{"resource":"products","type":"updated","id":"1","payload":{"price":10}}`
	for _, tc := range []struct {
		name, body string
		header     []string
		messages   uint64
		events     int
	}{
		{"one", one, nil, 1, 1},
		{"with a charset", one, []string{"Content-Type", "Application/JSON; charset=utf-8"}, 1, 1},
		{"without a content type", one, []string{"Content-Type", ""}, 1, 1},
		{"an array", `[` + one + `,` + one + `]`, nil, 2, 2},
		{"one about several records", `{"resource":"products","type":"updated","ids":[1,2,3]}`, nil, 3, 1},
		{"about no record", `{"resource":"products","type":"imported"}`, nil, 1, 1},
		{"NDJSON", one + "\n\n" + one + "\r\n" + one + "\n", []string{"Content-Type", "application/x-ndjson"}, 3, 3},
		{"as many as may be", `[` + strings.Repeat(one+",", 999) + one + `]`, nil, 1000, 1000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := r.stored(t)
			status, body := r.post(tc.body, tc.header...)
			if status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			got := parse[answer](t, body)
			if len(got.Events) != tc.events || r.stored(t) != before+tc.messages {
				t.Errorf("%d events are acknowledged and %d messages stored, want %d and %d", len(got.Events), r.stored(t)-before, tc.events, tc.messages)
			}
			// The cursor is that of the event's last message: nothing follows the last one's.
			if p := r.history(t, "after="+got.Events[tc.events-1].Cursor); len(p.Events) != 0 || p.More {
				t.Errorf("after the last cursor: %+v", p)
			}
		})
	}
}

// Nothing of a request is stored when a part of it is wrong, and the answer says which part.
func TestPostRefused(t *testing.T) {
	r := start(t, func(c *Config) { c.Body = 256 << 10 })
	const good = `{"resource":"products","type":"updated","id":"1"}`
	large := `{"resource":"products","type":"updated","payload":"` + strings.Repeat("x", 64<<10) + `"}`
	lines := []string{"Content-Type", "application/x-ndjson"}
	for _, tc := range []struct {
		name, body string
		header     []string
		status     int
		code, says string
	}{
		{"a form", good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "bad_request", "application/json"},
		{"plain text", good, []string{"Content-Type", "text/plain"}, 415, "bad_request", "application/json"},
		{"compressed", good, []string{"Content-Encoding", "gzip"}, 415, "bad_request", "compressed"},
		{"empty", "", nil, 400, "bad_request", "empty"},
		{"space", " \n ", nil, 400, "bad_request", "empty"},
		{"an empty array", "[]", nil, 400, "bad_request", "empty"},
		{"empty NDJSON", "\n\n", lines, 400, "bad_request", "empty"},
		{"not JSON", "hello", nil, 400, "bad_request", "not JSON"},
		{"trailing garbage", good + "x", nil, 400, "bad_request", "not JSON"},
		{"NDJSON as JSON", good + "\n" + good, nil, 400, "bad_request", "x-ndjson"},
		{"a number", "1", nil, 400, "bad_request", "object"},
		{"not UTF-8", "{\"resource\":\"\xff\",\"type\":\"t\"}", nil, 400, "bad_request", "UTF-8"},
		{"1,001 events", `[` + strings.Repeat(good+",", 1000) + good + `]`, nil, 413, "too_many", "1000"},
		{"1,001 lines", strings.Repeat(good+"\n", 1001), lines, 413, "too_many", "1000"},
		{"1,001 ids", `{"resource":"a","type":"b","ids":[` + strings.Repeat("1,", 1000) + `1]}`, nil, 413, "too_many", "1000"},
		{"a bad one among good ones", `[` + good + `,{"resource":"products"},` + good + `]`, nil, 400, "bad_request", "events[1]: type is missing"},
		{"a bad line among good ones", good + "\n" + good + "\n{\n", lines, 400, "bad_request", "events[2]: not JSON"},
		{"a large payload", large, nil, 413, "too_large", "events[0]: payload"},
		{"a large payload among small ones", `[` + good + `,` + large + `]`, nil, 413, "too_large", "events[1]: payload"},
		{"a large body", `[` + strings.Repeat(good+",", 6000) + good + `]`, nil, 413, "too_large", "body"},
		{"a long subject", `{"resource":"` + strings.Repeat("é", 400) + `","type":"b"}`, nil, 400, "bad_request", "resource"},
		{"one key on two events", `[{"resource":"a","type":"b","key":"k"},{"resource":"a","type":"b","key":"k"}]`, nil, 400, "bad_request", "key"},
		{"an origin with a tab", good, []string{"X-Live-Origin", "a\tb"}, 400, "bad_request", "origin"},
		{"a long origin", good, []string{"X-Live-Origin", strings.Repeat("x", 129)}, 400, "bad_request", "origin"},
		{"a long key", good, []string{"Idempotency-Key", strings.Repeat("x", 129)}, 400, "bad_request", "key"},
		{"a key with a tab", good, []string{"Idempotency-Key", "a\tb"}, 400, "bad_request", "key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := r.post(tc.body, tc.header...)
			wantError(t, status, body, tc.status, tc.code, tc.says)
		})
	}
	if n := r.stored(t); n != 0 {
		t.Errorf("%d messages are stored", n)
	}
}

func TestOriginHeader(t *testing.T) {
	r := start(t, nil)
	if status, body := r.post(`{"resource":"products","type":"updated","id":"1"}`, "X-Live-Origin", "session é"); status != 200 {
		t.Fatal(status, body)
	}
	if got := field(t, string(r.history(t, "last=1").Events[0]), "origin"); got != "session é" {
		t.Errorf("origin %q", got)
	}
}

// A request that is sent again with its key is stored once, whatever its shape, and answered alike.
func TestIdempotencyKey(t *testing.T) {
	r := start(t, nil)
	const event = `{"resource":"products","type":"updated","id":"1"}`
	for _, tc := range []struct {
		name, body string
		keys       []string // of the messages
	}{
		{"one", event, []string{"K"}},
		{"an array", `[` + event + `,` + event + `,` + event + `]`, []string{"K", "K/1", "K/2"}},
		{"several records", `{"resource":"products","type":"updated","ids":[1,2]}`, []string{"K", "K/1"}},
		{"several records and more", `[{"resource":"products","type":"updated","ids":[1,2]},` + event + `,{"resource":"products","type":"updated","ids":[3,4]}]`,
			[]string{"K", "K/1", "K/2", "K/3", "K/3/1"}},
		{"keys of their own", `[{"resource":"a","type":"b","key":"own"},` + event + `]`, []string{"own", "K/1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			key, before := strings.ReplaceAll(tc.name, " ", "-"), r.stored(t)
			status, first := r.post(tc.body, "Idempotency-Key", key)
			if status != 200 || strings.Contains(first, `"duplicate":true`) {
				t.Fatalf("%d %s", status, first)
			}
			for i, want := range tc.keys {
				want = strings.ReplaceAll(want, "K", key)
				if got := r.message(t, before+uint64(i)+1).Header.Get(nats.MsgIdHdr); got != want {
					t.Errorf("key %d is %q, want %q", i, got, want)
				}
			}
			status, again := r.post(tc.body, "Idempotency-Key", key)
			if want := strings.ReplaceAll(first, `"duplicate":false`, `"duplicate":true`); status != 200 || again != want {
				t.Errorf("again: %d %s, want %s", status, again, want)
			}
			if n := r.stored(t) - before; n != uint64(len(tc.keys)) {
				t.Errorf("%d messages are stored, want %d", n, len(tc.keys))
			}
		})
	}
}

func TestHistory(t *testing.T) {
	r := start(t, nil)
	for i := 1; i <= 6; i++ { // ids 1 to 6, products and orders in turn, created and updated in pairs
		r.publish(fmt.Sprintf("live.%s.%s.%d", []string{"orders", "products"}[i%2], []string{"created", "updated"}[(i-1)/2%2], i), "")
	}
	r.publish("live.products.imported._", "")
	third := string(r.history(t, "").Events[2])
	cursor := field(t, third, "cursor")
	stored, err := time.Parse(time.RFC3339Nano, field(t, third, "date"))
	if err != nil {
		t.Fatal(err)
	}
	escaped := func(t time.Time) string { return url.QueryEscape(t.Format(time.RFC3339Nano)) }
	for _, tc := range []struct{ query, ids string }{
		{"", "1 2 3 4 5 6 "},
		{"resource=*", "1 2 3 4 5 6 "},
		{"resource=products", "1 3 5 "},
		{"resource=nothing", ""},
		{"type=created", "1 2 5 6"},
		{"type=created&type=imported", "1 2 5 6 "},
		{"type=created&type=*", "1 2 3 4 5 6 "},
		{"id=2&id=3&id=99", "2 3 "},
		{"resource=products&type=created&id=5&id=6", "5"},
		{"after=" + cursor, "4 5 6 "},
		{"resource=products&after=" + cursor, "5 "},
		{"since=-1h", "1 2 3 4 5 6 "},
		{"since=-2d", "1 2 3 4 5 6 "},
		{"since=-99999d", "1 2 3 4 5 6 "},
		{"since=0001-01-01T00:00:00Z", "1 2 3 4 5 6 "},
		{"since=1500-01-01T00:00:00Z", "1 2 3 4 5 6 "},
		{"since=9999-12-31T00:00:00Z", ""},
		{"since=" + escaped(stored), "3 4 5 6 "},
		{"since=" + escaped(stored.In(time.FixedZone("", 3600))), "3 4 5 6 "},
		{"since=" + escaped(stored.Add(1)), "4 5 6 "},
		{"last=1", ""},
		{"last=3", "5 6 "},
		{"last=2&type=created", "5 6"},
		{"last=100000", "1 2 3 4 5 6 "},
		{"unknown=1", "1 2 3 4 5 6 "},
	} {
		t.Run(tc.query, func(t *testing.T) {
			p := r.history(t, tc.query)
			if p.More || p.Cursor == "" {
				t.Errorf("more %v, cursor %q", p.More, p.Cursor)
			}
			if got := strings.Join(p.ids(t), " "); got != tc.ids {
				t.Errorf("got %q, want %q", got, tc.ids)
			}
			if len(p.Events) == 0 && strings.Contains(tc.ids, " ") {
				t.Error("no events")
			}
			// Nothing is between the page and what comes.
			if next := r.history(t, tc.query[:0]+"after="+p.Cursor); len(next.Events) != 0 || next.Cursor != p.Cursor {
				t.Errorf("after its cursor: %+v", next)
			}
		})
	}
}

// A client that goes on with the cursor of each page gets every event once.
func TestHistoryPages(t *testing.T) {
	r := start(t, nil)
	var want []string
	for i := range 25 {
		r.publish(fmt.Sprintf("live.%s.updated.%d", []string{"products", "orders"}[i%2], i), "")
		if i%2 == 0 {
			want = append(want, fmt.Sprint(i))
		}
	}
	for _, limit := range []int{1, 2, 5, 12, 13, 14, 10_000} {
		var got []string
		for cursor, more, pages := "", true, 0; more; pages++ {
			query := fmt.Sprintf("resource=products&limit=%d", limit)
			if cursor != "" {
				query += "&after=" + cursor
			}
			p := r.history(t, query)
			if len(p.Events) > limit || len(p.Events) == 0 && more && pages > 0 || p.More && len(p.Events) != limit {
				t.Fatalf("limit %d: a page of %d, more %v", limit, len(p.Events), p.More)
			}
			got = append(got, p.ids(t)...)
			cursor, more = p.Cursor, p.More
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("limit %d: %s", limit, d)
		}
	}
	if p := r.history(t, "last=3&limit=2&resource=products"); cmp.Diff([]string{"20", "22"}, p.ids(t)) != "" || !p.More {
		t.Errorf("the newest three, two at a time: %v %v", p.ids(t), p.More)
	}
}

func TestHistoryRefused(t *testing.T) {
	r := start(t, nil)
	r.publish("live.products.updated.1", "")
	cursor := r.history(t, "").Cursor
	flipped := strings.Map(func(c rune) rune {
		if c == 'A' {
			return 'B'
		}
		return c
	}, cursor)
	for _, tc := range []struct {
		query      string
		status     int
		code, says string
	}{
		{"after=42", 400, "bad_cursor", "cursor"},
		{"after=" + cursor[1:], 400, "bad_cursor", "cursor"},
		{"after=" + cursor + "A", 400, "bad_cursor", "cursor"},
		{"after=" + flipped, 400, "bad_cursor", "cursor"},
		{"after=", 400, "bad_request", "after is empty"},
		{"after=" + cursor + "&after=" + cursor, 400, "bad_request", "once"},
		{"after=" + cursor + "&since=-1m", 400, "bad_request", "more than one"},
		{"since=-1m&last=1", 400, "bad_request", "more than one"},
		{"since=yesterday", 400, "bad_request", "RFC 3339"},
		{"since=-0s", 400, "bad_request", "-15m"},
		{"since=-15+parsecs", 400, "bad_request", "-15m"},
		{"last=0", 400, "bad_request", "100000"},
		{"last=-1", 400, "bad_request", "100000"},
		{"last=100001", 400, "bad_request", "100000"},
		{"last=1e3", 400, "bad_request", "100000"},
		{"limit=0", 400, "bad_request", "10000"},
		{"limit=-1", 400, "bad_request", "10000"},
		{"limit=10001", 400, "bad_request", "10000"},
		{"limit=99999999999999999999", 400, "bad_request", "10000"},
		{"limit=all", 400, "bad_request", "10000"},
		{"limit=", 400, "bad_request", "limit is empty"},
		{"limit=1&limit=2", 400, "bad_request", "once"},
		{"resource=", 400, "bad_request", "resource is empty"},
		{"resource=a&resource=b", 400, "bad_request", "once"},
		{"resource=%FF", 400, "bad_request", "UTF-8"},
		{"type=", 400, "bad_request", "type"},
		{"id=%FF", 400, "bad_request", "UTF-8"},
		{"id=" + strings.Repeat("%C3%A9", 400), 400, "bad_request", "id"},
		{strings.Repeat("id=1&", 1001), 413, "too_many", "1000"},
	} {
		t.Run(fmt.Sprintf("%.60s", tc.query), func(t *testing.T) {
			for _, path := range []string{"/v1/events?", "/v1/sse?"} {
				status, body := r.get(path + tc.query)
				wantError(t, status, body, tc.status, tc.code, tc.says)
			}
		})
	}
}

// Events that are gone are never passed over in silence.
func TestHistoryExpired(t *testing.T) {
	r := start(t, nil)
	for i := range 3 {
		r.publish(fmt.Sprintf("live.products.updated.%d", i), "")
	}
	all := r.history(t, "")
	second := field(t, string(all.Events[1]), "cursor")
	if err := r.stream(t).Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	status, body := r.get("/v1/events?after=" + second)
	wantError(t, status, body, 410, "expired", "read everything again")
	status, body = r.get("/v1/events?since=-1h")
	wantError(t, status, body, 410, "expired", "read everything again")
	if p := r.history(t, "after="+all.Cursor); len(p.Events) != 0 { // it had missed nothing
		t.Errorf("%+v", p)
	}
	if p := r.history(t, ""); len(p.Events) != 0 || p.More {
		t.Errorf("%+v", p)
	}

	js, err := jetstream.New(r.nc)
	if err != nil {
		t.Fatal(err)
	}
	cfg := r.stream(t).CachedInfo().Config
	if err := js.DeleteStream(t.Context(), "LIVE"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	await(t, "the old cursor is refused", func() bool {
		status, body = r.get("/v1/events?after=" + all.Cursor)
		return status != 200 // until the tail has seen it, the old stream is all there is
	})
	wantError(t, status, body, 410, "expired", "read everything again")
	r.publish("live.products.created.new", "")
	await(t, "what is new is there", func() bool { return strings.Join(r.history(t, "last=10").ids(t), " ") == "new" })
}

func TestRoutes(t *testing.T) {
	r := start(t, nil)
	r.publish("live.products.updated.1", "")
	await(t, "the bridge is ready", func() bool { return r.srv.Ready() == nil })
	for _, tc := range []struct {
		method, path string
		status       int
		code         string // "" = no error
	}{
		{"GET", "/healthz", 200, ""},
		{"GET", "/readyz", 200, ""},
		{"GET", "/metrics", 200, ""},
		{"GET", "/v1/events", 200, ""},
		{"GET", "/", 404, "bad_request"}, // the console is off
		{"GET", "/v1", 404, "bad_request"},
		{"GET", "/v2/ws", 404, "bad_request"},
		{"POST", "/nothing", 404, "bad_request"},
		{"GET", "/../../etc/passwd", 404, "bad_request"},
		{"POST", "/v1/ws", 405, "bad_request"},
		{"POST", "/v1/sse", 405, "bad_request"},
		{"PUT", "/v1/events", 405, "bad_request"},
		{"DELETE", "/v1/events", 405, "bad_request"},
		{"OPTIONS", "/v1/events", 405, "bad_request"},
		{"POST", "/readyz", 405, "bad_request"},
		{"GET", "/v1/ws", 426, "bad_request"},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			status, body := r.do(tc.method, tc.path, "")
			if tc.code != "" {
				wantError(t, status, body, tc.status, tc.code, "")
			} else if status != tc.status || body == "" {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

// HEAD is answered like GET, without a body and without a stream that never ends.
func TestHead(t *testing.T) {
	r := start(t, nil)
	for path, want := range map[string]int{"/healthz": 200, "/v1/events": 200, "/v1/events?limit=0": 400, "/v1/ws": 426, "/v1/sse": 200, "/v1/sse?last=0": 400} {
		if status, body := r.do("HEAD", path, ""); status != want || body != "" {
			t.Errorf("HEAD %s: %d %q, want %d", path, status, body, want)
		}
	}
	if n := r.connections(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

func TestHeaders(t *testing.T) {
	r := start(t, func(c *Config) { c.Origins = []string{"https://good.example"} })
	head := func(method, path string, header ...string) (int, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header
	}
	has := func(h http.Header, name, want string) {
		t.Helper()
		if got := h.Get(name); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	_, h := head("GET", "/v1/events")
	has(h, "Content-Type", "application/json")
	has(h, "Cache-Control", "no-store")
	has(h, "X-Content-Type-Options", "nosniff")
	has(h, "Access-Control-Allow-Origin", "")
	_, h = head("GET", "/v1/events?last=0", "Origin", "https://good.example")
	has(h, "Content-Type", "application/json")
	has(h, "Access-Control-Allow-Origin", "https://good.example") // so that the page can read the error
	has(h, "Vary", "Origin")
	_, h = head("PUT", "/v1/events")
	has(h, "Allow", "GET")
	has(h, "Allow", "POST")
	_, h = head("GET", "/v1/ws")
	has(h, "Upgrade", "websocket")
	status, h := head("OPTIONS", "/v1/events", "Origin", "https://good.example", "Access-Control-Request-Method", "POST")
	has(h, "Access-Control-Allow-Methods", "POST")
	has(h, "Access-Control-Allow-Headers", "Idempotency-Key")
	if status != 204 {
		t.Errorf("preflight: %d", status)
	}
	if status, h = head("OPTIONS", "/v1/events", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"); status != 403 {
		t.Errorf("preflight of a foreign page: %d", status)
	}
	has(h, "Access-Control-Allow-Origin", "")
}
