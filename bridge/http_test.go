package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

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

func parse[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
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
	r := start(t, nil)
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

// A body over the limit is refused as soon as it begins: who sends it all the same may find the connection reset.
func TestLargeBody(t *testing.T) {
	r := start(t, func(c *Config) { c.Body = 1000 })
	for length, want := range map[int]int{1000: 200, 1001: 413, 1 << 40: 413} {
		w := r.wire(fmt.Sprintf("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length), 0)
		if _, _ = fmt.Fprint(w, "{"); want == 200 {
			_, _ = fmt.Fprintf(w, `"resource":"a","type":"b"%*s}`, length-len(`{"resource":"a","type":"b"}`), "")
		}
		status, body := w.response(t)
		if want == 413 {
			wantError(t, status, body, 413, "too_large", "body")
		} else if status != want {
			t.Errorf("%d bytes: %d %s", length, status, body)
		}
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

func TestRoutes(t *testing.T) {
	r := start(t, nil)
	r.publish("live.products.updated.1", "")
	await(t, "it is ready", func() bool { return r.srv.Ready() == nil })
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
	if n := value(t, r.srv.cfg.Registry, "livebridge_connections_opened_total"); n != 0 {
		t.Errorf("%v streams were opened", n)
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
