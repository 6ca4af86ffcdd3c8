package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// request begins a POST of so many bytes, "" as the length of one that is chunked.
func (r *rig) begin(length string, more ...string) *wire {
	size := "Content-Length: " + length
	if length == "" {
		size = "Transfer-Encoding: chunked"
	}
	return r.wire("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+size+"\r\n"+strings.Join(more, "")+"\r\n", 0)
}

// chunk is a body's text as a chunk.
func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// Who sends a body is looked at before the body: the answer comes while most of it is still to be sent.
func TestTokenBeforeBody(t *testing.T) {
	r := guarded(t, nil)
	for _, length := range []string{"16777216", ""} {
		w := r.begin(length)
		_, _ = fmt.Fprint(w, map[bool]string{true: "[", false: "1000000\r\n["}[length != ""])
		status, body := w.response(t)
		wantError(t, status, body, 401, "unauthorized", "token")
	}
	if n := r.srv.bodies.held.Load(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
}

func TestBodies(t *testing.T) {
	r := start(t, func(c *Config) { c.Body, c.RequestTimeout = 100_000, 300*time.Millisecond })
	const event = `{"resource":"a","type":"b"}`
	padded := func(n int) string { return event + strings.Repeat(" ", n-len(event)) }
	for _, tc := range []struct {
		name, length, body string
		status             int
		code, says         string
	}{
		{"as long as it says", "27", event, 200, "", ""},
		{"as long as may be", "100000", padded(100_000), 200, "", ""},
		{"too long", "100001", padded(100_001), 413, "too_large", "body"},
		{"in one chunk", "", chunk(event) + "0\r\n\r\n", 200, "", ""},
		{"in many chunks", "", strings.Repeat(chunk(padded(200)[:199])+chunk(" "), 1) + strings.Repeat(chunk(strings.Repeat(" ", 999)), 99) + "0\r\n\r\n", 200, "", ""},
		{"as many chunks as may be", "", chunk(padded(100_000)) + "0\r\n\r\n", 200, "", ""},
		{"too many chunks", "", chunk(padded(100_000)) + chunk("  ") + "0\r\n\r\n", 413, "too_large", "body"},
		{"no chunk", "", "0\r\n\r\n", 400, "bad_request", "empty"},
		{"not a chunk", "", "hello\r\n", 400, "bad_request", "headers say"},
		{"a chunk that goes on", "", "1b\r\n" + event + "xx\r\n0\r\n\r\n", 400, "bad_request", "headers say"},
		{"no end", "27", event[:20], 408, "bad_request", "Timeout"},
		{"no last chunk", "", chunk(event), 408, "bad_request", "Timeout"},
		{"nothing", "27", "", 408, "bad_request", "Timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := r.begin(tc.length)
			if _, err := fmt.Fprint(w, tc.body); err != nil {
				t.Fatal(err)
			}
			status, body := w.response(t)
			if tc.status != 200 {
				wantError(t, status, body, tc.status, tc.code, tc.says)
				return
			}
			if status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			// The connection is fit for another request.
			_, _ = fmt.Fprint(w, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
			if status, body := w.response(t); status != 200 || body != "ok\n" {
				t.Errorf("the next request: %d %s", status, body)
			}
		})
	}
	if n := r.srv.bodies.held.Load(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
	for why, want := range map[reason]float64{overBody: 2, overTime: 3} {
		if n := r.refused(why); n != want {
			t.Errorf("%s: %v, want %v", why, n, want)
		}
	}
}

// All bodies together are bounded, by what they claim where they claim it; small ones go on, and whoever has been read makes room.
func TestBodiesAtOnce(t *testing.T) {
	r := start(t, func(c *Config) { c.Body = 200_000 })
	const event = `{"resource":"a","type":"b"}`
	var slow []*wire
	for range bodiesAtOnce - 1 {
		w := r.begin("200000")
		_, _ = fmt.Fprint(w, event)
		slow = append(slow, w)
	}
	chunked := r.begin("")
	_, _ = fmt.Fprint(chunked, chunk(event))
	held := func() int64 { return r.srv.bodies.held.Load() }
	await(t, "they are being read", func() bool { return held() == (bodiesAtOnce-1)*200_000+bodyStep })
	for _, length := range []string{"200000", ""} {
		w := r.begin(length)
		if length == "" {
			_, _ = fmt.Fprint(w, chunk(strings.Repeat(" ", 150_000)))
		} else {
			_, _ = fmt.Fprint(w, event)
		}
		status, body := w.response(t)
		wantError(t, status, body, 429, "rate_limited", "nothing was stored")
	}
	if status, body := r.post(event); status != 200 {
		t.Errorf("a small one: %d %s", status, body)
	}
	if n := r.refused(overBodies); n != 2 {
		t.Errorf("%v were refused, want 2", n)
	}
	for _, w := range slow {
		_, _ = fmt.Fprint(w, strings.Repeat(" ", 200_000-len(event)))
		if status, body := w.response(t); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
	_, _ = fmt.Fprint(chunked, "0\r\n\r\n")
	if status, body := chunked.response(t); status != 200 {
		t.Errorf("chunked: %d %s", status, body)
	}
	await(t, "nothing is held", func() bool { return held() == 0 })
}

// A request that trickles in is given up, and so is one that never begins.
func TestSlowRequests(t *testing.T) {
	r := start(t, func(c *Config) { c.RequestTimeout = 200 * time.Millisecond })
	w := r.wire("GET /v1/ws HTTP/1.1\r\nHost: x\r\nX-Slow: ", 0)
	status, body := w.response(t)
	wantError(t, status, body, 408, "bad_request", "Timeout")
	if n := r.refused(overTime); n != 1 {
		t.Errorf("%v were too slow", n)
	}
	silent := r.wire("", 0)
	if _, err := silent.in.ReadByte(); err == nil {
		silent.response(t)
	}
	await(t, "both have gone", func() bool { _, _, http := r.counted(); return http == 0 })
}

// Pages of history that nobody takes are bounded, get smaller as they become many, and are given back when their clients have gone.
func TestPagesThatNobodyTakes(t *testing.T) {
	r := start(t, nil)
	payload := `"` + strings.Repeat("x", 60_000) + `"`
	for i := range 100 {
		r.publish(fmt.Sprintf("live.products.updated.%d", i), payload)
	}
	r.caughtUp(t)
	r.srv.pages.untaken.limit = 40 << 20
	held := func() int64 { return r.srv.pages.untaken.held.Load() }
	var stuck []*wire
	for range 100 {
		w := r.wire("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n", 4<<10)
		if head, err := w.in.ReadString('\n'); err != nil || !strings.Contains(head, " 200 ") {
			t.Fatal(head, err)
		}
		stuck = append(stuck, w)
		if n := held(); n > 40<<20 {
			t.Errorf("%d bytes are held", n)
		}
	}
	if n := r.srv.pages.size(); n > 500<<10 {
		t.Errorf("pages of %d bytes: they did not get smaller", n)
	}
	for _, w := range stuck {
		_ = w.Close()
	}
	await(t, "nothing is held", func() bool { return held() == 0 && r.srv.pages.size() > 2<<20 })
	for _, method := range []string{"HEAD", "GET"} {
		if status, _ := r.do(method, "/v1/events?limit=1", ""); status != 200 {
			t.Errorf("%s: %d", method, status)
		}
	}
	await(t, "nothing is held", func() bool { return held() == 0 })
	r.srv.pages.untaken.limit = 10_000
	status, body := r.get("/v1/events?limit=1")
	wantError(t, status, body, 429, "rate_limited", "ask again later")
	if n := r.refused(overPages); n != 1 || held() != 0 {
		t.Errorf("%v were refused, %d bytes are held", n, held())
	}
}

// Whoever asks before it sends a body is told before it does.
func TestExpectContinue(t *testing.T) {
	r := guarded(t, func(c *Config) { c.Body = 1000 })
	const event = `{"resource":"a","type":"b"}`
	auth := "Authorization: Bearer " + mint(t, all, nil) + "\r\n"
	for _, tc := range []struct {
		name, length, headers string
		status                int
		code                  string
	}{
		{"nobody", "27", "", 401, "unauthorized"},
		{"too long", "1001", auth, 413, "too_large"},
		{"as it should be", "27", auth, 200, ""},
		{"chunked", "", auth, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := r.begin(tc.length, tc.headers, "Expect: 100-continue\r\n")
			if tc.status != 200 {
				status, body := w.response(t)
				wantError(t, status, body, tc.status, tc.code, "")
				if _, err := w.in.ReadByte(); err == nil {
					t.Error("the connection stays open")
				}
				return
			}
			if line, _ := w.in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatal(line)
			}
			_, _ = w.in.ReadString('\n')
			_, _ = fmt.Fprint(w, map[bool]string{true: chunk(event) + "0\r\n\r\n", false: event}[tc.length == ""])
			if status, body := w.response(t); status != 200 {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}
