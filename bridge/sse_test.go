package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A block is one event of an event stream, as an EventSource would dispatch it.
type block struct {
	event, data string
	id          string // the last event id at that time
}

// An eventReader reads an event stream as the HTML standard says (9.2.6, "Interpreting an event stream").
type eventReader struct {
	in       *bufio.Reader
	id       string // the last event id
	retry    string
	comments int
	bytes    int
}

// line reads up to CR, LF or CR LF.
func (r *eventReader) line() (string, error) {
	var b []byte
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return "", err
		}
		r.bytes++
		if c == '\r' {
			if next, err := r.in.Peek(1); err == nil && next[0] == '\n' {
				_, _ = r.in.ReadByte()
			}
			return string(b), nil
		}
		if c == '\n' {
			return string(b), nil
		}
		b = append(b, c)
	}
}

// next reads a block, also one without data, which an EventSource does not dispatch and which only changes its last event id.
func (r *eventReader) next() (b block, err error) {
	var data []string
	id := r.id
	for {
		line, err := r.line()
		if err != nil {
			return b, err
		}
		if line == "" {
			r.id = id
			b.id, b.data = id, strings.Join(data, "\n")
			return b, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "":
			r.comments++
		case "event":
			b.event = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			r.retry = value
		}
	}
}

// A source is one SSE client.
type source struct {
	t testing.TB
	eventReader
	close func()
}

// sse opens a stream that must be accepted.
func (r *rig) sse(t testing.TB, query string, header ...string) *source {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.addr+"/v1/sse?"+query, nil)
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
	closes := func() { cancel(); _ = resp.Body.Close() }
	t.Cleanup(closes)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return &source{t, eventReader{in: bufio.NewReader(resp.Body)}, closes}
}

// event reads the next event, past everything that has no data.
func (s *source) event() block {
	s.t.Helper()
	for {
		b, err := s.next()
		if err != nil {
			s.t.Fatalf("the stream ended: %v", err)
		}
		if b.data != "" {
			if !json.Valid([]byte(b.data)) {
				s.t.Fatalf("not JSON: %s", b.data)
			}
			return b
		}
	}
}

// want reads the next events and checks their ids, and that each one's block has its cursor as id.
func (s *source) want(ids ...string) (last block) {
	s.t.Helper()
	for _, id := range ids {
		last = s.event()
		if last.event != "" || field(s.t, last.data, "id") != id || field(s.t, last.data, "cursor") != last.id || strings.Contains(last.data, `"op"`) {
			s.t.Fatalf("got %+v, want the event of %s", last, id)
		}
	}
	return last
}

// live waits until the stream is live, which is said by a comment.
func (s *source) live() *source {
	s.t.Helper()
	for s.comments == 0 {
		if b, err := s.next(); err != nil || b.data != "" {
			s.t.Fatalf("before it is live: %+v %v", b, err)
		}
	}
	return s
}

func (r *rig) publishIDs(from, to int) {
	for i := from; i <= to; i++ {
		r.publish(fmt.Sprintf("live.products.updated.%d", i), fmt.Sprint(i))
	}
	r.caughtUp(r.t)
}

func TestSSEStarts(t *testing.T) {
	r := start(t, nil)
	r.publishIDs(1, 3)
	second := field(t, string(r.history(t, "").Events[1]), "cursor")
	sources := map[string]*source{
		"":      r.sse(t, ""),
		"2 3":   r.sse(t, "last=2"),
		"1 2 3": r.sse(t, "since=-1h"),
		"3":     r.sse(t, "after="+second),
		"1 3":   r.sse(t, "since=-1h&id=1&id=3&id=4"),
	}
	for ids, s := range sources {
		s.want(strings.Fields(ids)...)
		s.live()
	}
	r.publish("live.orders.updated.9", "")
	r.publish("live.products.updated.4", "")
	for ids, s := range sources {
		if ids != "1 3" {
			s.want("9")
		}
		s.want("4")
		if s.retry != "2000" {
			t.Errorf("retry %q", s.retry)
		}
	}
}

// Last-Event-ID goes before the query: it is where the browser was, the query is where it began.
func TestLastEventID(t *testing.T) {
	r := start(t, nil)
	r.publishIDs(1, 4)
	first := field(t, string(r.history(t, "").Events[0]), "cursor")
	third := field(t, string(r.history(t, "").Events[2]), "cursor")
	r.sse(t, "after="+first, "Last-Event-ID", third).want("4")
	r.sse(t, "since=-1h", "Last-Event-ID", third).want("4")
	r.sse(t, "after="+third, "Last-Event-ID", "").want("4")
	status, body := r.get("/v1/sse", "Last-Event-ID", "7")
	wantError(t, status, body, 400, "bad_cursor", "")
}

// The id of every block, whatever it is, is a place to resume from: nothing is missed and nothing comes twice.
func TestSSEResumesAnywhere(t *testing.T) {
	r := start(t, func(c *Config) { c.Ping = 40 * time.Millisecond })
	r.publishIDs(1, 5)
	s := r.sse(t, "resource=products&last=3")
	var places []block
	for i := 0; i < 9; { // what was replayed, live, events, heartbeats
		b, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if b.id != "" {
			places = append(places, b)
		}
		switch {
		case b.data != "":
			i++
		case s.comments > 0 && i >= 3: // live, or a heartbeat
			r.publishIDs(i+3, i+3)
			s.want(fmt.Sprint(i + 3))
			i++
		}
	}
	r.publish("live.orders.updated.1", "")
	r.publishIDs(99, 99)
	all := r.history(t, "resource=products")
	for _, p := range places {
		rest := r.history(t, "resource=products&after="+p.id)
		if p.data != "" {
			for i, e := range all.Events { // exactly what follows this event
				if string(e) == p.data {
					if d := cmp.Diff(all.Events[i+1:], rest.Events); d != "" {
						t.Errorf("after %s: %s", p.data, d)
					}
				}
			}
		}
		resumed := r.sse(t, "resource=products", "Last-Event-ID", p.id)
		for _, e := range rest.Events {
			if got := resumed.event(); got.data != string(e) {
				t.Fatalf("after %+v: got %s, want %s", p, got.data, e)
			}
		}
		resumed.close()
	}
}

func TestSSEReset(t *testing.T) {
	r := start(t, nil)
	r.publishIDs(1, 3)
	first := field(t, string(r.history(t, "").Events[0]), "cursor")
	if err := r.stream(t).Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := r.sse(t, "", "Last-Event-ID", first)
	b := s.event()
	if b.event != "reset" || field(t, b.data, "reason") != "expired" || field(t, b.data, "cursor") != b.id {
		t.Fatalf("got %+v", b)
	}
	r.publishIDs(4, 4)
	s.want("4")
	r.sse(t, "", "Last-Event-ID", b.id).want("4")
}

func TestSSEHeartbeat(t *testing.T) {
	r := start(t, func(c *Config) { c.Ping = 40 * time.Millisecond })
	s := r.sse(t, "resource=products").live()
	r.publish("live.orders.updated.1", "") // for others, but it moves the cursor
	head := r.history(t, "").Cursor
	for {
		b, err := s.next()
		if err != nil || b.data != "" {
			t.Fatalf("%+v %v", b, err)
		}
		if s.comments > 3 && b.id == head {
			return
		}
	}
}

// A client that has gone is noticed at once, not when something is sent to it.
func TestSSEClientGone(t *testing.T) {
	r := start(t, nil)
	a, b := r.sse(t, "").live(), r.sse(t, "").live()
	await(t, "both are counted", func() bool { return r.connections() == 2 })
	a.close()
	await(t, "one has gone", func() bool { return r.connections() == 1 })
	r.publishIDs(1, 1)
	b.want("1")
	b.close()
	await(t, "both have gone", func() bool { return r.connections() == 0 })
	if n := r.log.Stats().Live; n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

func TestSSEDrain(t *testing.T) {
	r := start(t, nil)
	r.publishIDs(1, 3)
	s := r.sse(t, "last=3")
	s.want("1", "2", "3")
	s.live()
	if err := r.srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		if b, err := s.next(); err == io.EOF {
			break
		} else if err != nil || b.data != "" {
			t.Fatalf("%+v %v", b, err)
		}
	}
}

// A client that does not read is cut; the cursor with which it comes back is that of the last whole event.
func TestSSESlow(t *testing.T) {
	r := start(t, func(c *Config) { c.Outbox = 64 << 10 })
	slow := r.wire("GET /v1/sse?resource=products HTTP/1.1\r\nHost: x\r\n\r\n", 32<<10)
	quick := r.sse(t, "").live()
	await(t, "both are live", func() bool { return r.log.Stats().Live == 2 })
	body := `"` + strings.Repeat("x", 60<<10) + `"`
	n := 0
	for ; r.connections() == 2; n++ {
		if n == 1000 {
			t.Fatal("it is still connected")
		}
		r.publish("live.products.updated.1", body)
		quick.want("1")
	}
	if _, err := http.ReadResponse(slow.in, nil); err != nil {
		t.Fatal(err)
	}
	got, in := 0, eventReader{in: slow.in}
	for {
		b, err := in.next()
		if err != nil {
			break // reset or end of file, in the midst of an event
		}
		if b.data != "" {
			got++
		}
	}
	if got == 0 || got >= n {
		t.Errorf("%d of %d events before it was cut", got, n)
	}
	if rest := r.history(t, "limit=10000&after="+in.id); len(rest.Events) != n-got {
		t.Errorf("%d of %d were read, and %d follow", got, n, len(rest.Events))
	}
}

// A client that is gone without a word, or takes nothing, is let go although what it was sent fits into the kernel; one that only listens
// stays.
func TestSSEGoneWithoutAWord(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can tell")
	}
	r := start(t, func(c *Config) { c.Ping = 100 * time.Millisecond })
	r.wire("GET /v1/sse?resource=products HTTP/1.1\r\nHost: x\r\n\r\n", 4<<10)
	listens := r.sse(t, "").live()
	await(t, "both are live", func() bool { return r.log.Stats().Live == 2 })
	r.publish("live.products.updated.1", `"`+strings.Repeat("x", 100<<10)+`"`)
	listens.want("1")
	await(t, "the one that reads nothing has gone", func() bool { return r.connections() == 1 })
	r.publish("live.products.updated.2", "{}")
	listens.want("2")
}

func TestSSEForeignPage(t *testing.T) {
	r := start(t, func(c *Config) { c.Origins = []string{"https://good.example"} })
	status, body := r.get("/v1/sse?last=1", "Origin", "https://evil.example")
	wantError(t, status, body, 403, "forbidden", "https://evil.example")
	if n := r.connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
	r.sse(t, "", "Origin", "https://good.example").live()
}

func TestSSETooMany(t *testing.T) {
	r := start(t, func(c *Config) { c.Connections = 1 })
	r.sse(t, "").live()
	status, body := r.get("/v1/sse")
	wantError(t, status, body, 503, "too_many", "try again")
}

// Proxies speak HTTP/1.0 to what is behind them, or say that the connection is not kept; and pipelining clients say more than they need.
func TestSSERequests(t *testing.T) {
	r := start(t, nil)
	r.publishIDs(1, 1)
	for _, request := range []string{
		"GET /v1/sse?last=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /v1/sse?last=1 HTTP/1.0\r\nHost: x\r\n\r\n",
		"GET /v1/sse?last=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/sse?last=1 HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		w := r.wire(request, 0)
		if strings.HasPrefix(request, "GET /healthz") {
			resp, err := http.ReadResponse(w.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		resp, err := http.ReadResponse(w.in, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%q: %v %v", request, resp, err)
		}
		s := &source{t: t, eventReader: eventReader{in: w.in}}
		s.want("1")
		_ = w.Close()
	}
	await(t, "all have gone", func() bool { return r.connections() == 0 })
}
