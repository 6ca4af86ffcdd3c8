package bridge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/nats-io/nats.go"
	"github.com/valyala/fasthttp"

	"github.com/livebridge/livebridge/internal/fuzztest"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

// FuzzEncode proves that whatever a service stores past the bridge, browsers get one line of JSON that says what was stored, and an
// EventSource one block. headers are the lines of the message's head, as they come over NATS.
func FuzzEncode(f *testing.F) {
	for _, seed := range []struct{ subject, headers, body string }{
		{"live.products.updated.42", "", `{"price":10}`},
		{"live.products.updated.42", "Live-Date: 2026-11-25T15:00:00.5+01:00\r\nLive-Meta: {\"user\":\"eva\"}\r\nLive-Origin: s1\r\nLive-Batch: b1\r\n", `[1,"a\nb"]`},
		{"live.a%2Eb._x.%5F", "live-meta: {}\r\nLive-Meta:[]\r\nLive-Date: yesterday\r\n", "\xff\n"},
		{"live.%22.%5C._", "Live-Origin: \xff\u2028\r\nLive-Batch: \"\r\nLive-Meta: {},\"payload\":2\r\n", "{}\n{}"},
		{"live.r.t.i", "Live-Date: 9999-12-31T23:59:59-01:00\r\nLive-Origin: a\r\nLive-Origin: b\r\nX\r\n", "1e400"},
		{"live.r.t.*", "", ""},
	} {
		f.Add(seed.subject, []byte(seed.headers), []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, subject string, headers, body []byte) {
		name, err := subjects.Parse(subject)
		if err != nil {
			return // it is no event, and delivered nowhere
		}
		m := replay.Message{Name: name, Stored: encodedAt, Data: body}
		if len(headers) > 0 {
			if m.Header, err = nats.DecodeHeadersMsg(slices.Concat([]byte("NATS/1.0\r\n"), headers, []byte("\r\n"))); err != nil {
				return
			}
		}
		var frame []byte
		fuzztest.Bounded(t, len(headers)+len(body), func() { frame = Encode(nil, &m) })
		if !json.Valid(frame) || !utf8.Valid(frame) || bytes.ContainsAny(frame, "\n\r") {
			t.Fatalf("not a line of JSON: %q", frame)
		}
		compareEvent(t, &m, frame)
		compareBlock(t, &m, frame)
	})
}

// compareEvent reads an event as a browser does.
func compareEvent(t *testing.T, m *replay.Message, frame []byte) {
	t.Helper()
	var got struct {
		Op, Cursor, Resource, Type, ID, Origin, Batch string
		Payload, Meta                                 json.RawMessage
		Raw                                           []byte
	}
	if err := json.Unmarshal(frame, &got); err != nil {
		t.Fatalf("%q: %v", frame, err)
	}
	if got.Op != "event" || got.Cursor != m.Cursor.String() || (subjects.Name{Resource: got.Resource, Type: got.Type, ID: got.ID}) != m.Name {
		t.Fatalf("%+v became %q", m.Name, frame)
	}
	switch {
	case len(m.Data) == 0:
		if string(got.Payload) != "{}" || got.Raw != nil {
			t.Fatalf("an empty body became %q", frame)
		}
	case json.Valid(m.Data) && utf8.Valid(m.Data):
		if !sameJSON(got.Payload, m.Data) || got.Raw != nil {
			t.Fatalf("body %q became %q", m.Data, frame)
		}
	case string(got.Payload) != "null" || !bytes.Equal(got.Raw, m.Data):
		t.Fatalf("body %q became %q", m.Data, frame)
	}
	meta := []byte(m.Header.Get(headerMeta))
	var object map[string]any
	if ok := utf8.Valid(meta) && json.Unmarshal(meta, &object) == nil && object != nil; ok != (got.Meta != nil) || ok && !sameJSON(got.Meta, meta) {
		t.Fatalf("meta %q became %q", meta, frame)
	}
	for header, text := range map[string]string{headerOrigin: got.Origin, headerBatch: got.Batch} {
		if want := m.Header.Get(header); utf8.ValidString(want) && text != want || !utf8.ValidString(text) {
			t.Fatalf("%s %q became %q", header, want, frame)
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && x.String() == y.String()
}

// compareBlock reads an event as an EventSource does.
func compareBlock(t *testing.T, m *replay.Message, frame []byte) {
	t.Helper()
	out, _, _ := sseFraming{}.appendItems(nil, []item{{text: &frame, sub: &subscription{}}}, 1)
	in := eventReader{in: bufio.NewReader(bytes.NewReader(out))}
	b, err := in.next()
	if err != nil || b.event != "" || b.id != m.Cursor.String() || b.data != string(protocol.AppendObject(nil, frame)) {
		t.Fatalf("%q: %+v, %v", out, b, err)
	}
	if b, err := in.next(); err != io.EOF {
		t.Fatalf("and another block: %+v, %v", b, err)
	}
}

// FuzzQuery proves that what a query string asks for is what is looked for: the HTTP server's reading of it is compared with that of the
// standard library. lastID is the header Last-Event-ID.
func FuzzQuery(f *testing.F) {
	cursor := replay.Cursor{}.String()
	for _, seed := range []string{
		"", "resource=products&type=updated&type=created&id=1&id=2&since=-15m&limit=100", "resource=*&last=50", "after=" + cursor,
		"since=2026-11-25T14%3A00%3A00%2B01%3A00", "resource=a%2Eb&id=%5F&id=_&id=", "resource=%ff&type=*", "resource=a&resource=b", "limit=0", "limit=10001",
		"id=%252e&id=a+b&type=%00", "resource=&&=&id", "since=-1h&last=3", "a;b=c;id=1", "id=%zz", "token=x&ticket=y",
	} {
		f.Add(seed, "")
	}
	f.Add("resource=products", cursor)
	f.Add("resource=products&since=-1h", "\xff")
	s := &Server{cfg: Config{}.withDefaults()}
	app := fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true})
	f.Fuzz(func(t *testing.T, text, lastID string) {
		var request fasthttp.RequestCtx
		request.Request.Header.SetRequestURI("/v1/events?" + text)
		c := app.AcquireCtx(&request)
		defer app.ReleaseCtx(c)
		asked := string(request.QueryArgs().QueryString())
		var q query
		var perr *protocol.Error
		fuzztest.Bounded(t, len(text), func() { q, perr = s.query(c, nil) })
		if perr != nil {
			wantRefusal(t, perr)
			return
		}
		compareQuery(t, q, asked)
		if len(q.filter.IDs) > s.cfg.Limits.IDs {
			t.Fatalf("%d ids are taken", len(q.filter.IDs))
		}
		if start, perr := startOf(protocol.Start{Kind: protocol.After, After: lastID}, q.now); perr != nil {
			wantRefusal(t, perr)
		} else if start.After.String() != lastID {
			t.Fatalf("Last-Event-ID %q is taken as %s", lastID, start.After)
		}
	})
}

// wantRefusal checks what holds for every error that a client is told.
func wantRefusal(t *testing.T, e *protocol.Error) {
	t.Helper()
	body := protocol.AppendErrorBody(nil, e)
	if e.Code.Help() == "" || e.Message == "" || len(e.Message) > 600 || e.Code.Status() < http.StatusBadRequest || e.Code == protocol.Internal || !json.Valid(body) || bytes.ContainsAny(body, "\r\n") {
		t.Fatalf("a poor error: %s", body)
	}
}

func compareQuery(t *testing.T, q query, asked string) {
	t.Helper()
	if q.limit < 1 || q.limit > maxLimit || q.set == nil {
		t.Fatalf("%q is taken as %+v", asked, q)
	}
	for _, p := range q.set.Patterns() {
		if !strings.HasPrefix(p, subjects.Root+".") || strings.Count(p, ".") != 3 || strings.ContainsAny(p, " \t\r\n\x00") {
			t.Fatalf("%q makes the pattern %q", asked, p)
		}
	}
	want, err := url.ParseQuery(asked)
	if err != nil {
		return // the standard library takes no semicolons and no bad escapes
	}
	resource := "*"
	if want.Has("resource") {
		resource = want.Get("resource")
	}
	if q.filter.Resource != resource || !slices.Equal(q.filter.Types, want["type"]) || !slices.Equal(q.filter.IDs, want["id"]) ||
		q.given != (want.Has("after") || want.Has("since") || want.Has("last")) {
		t.Fatalf("%q is taken as %+v", asked, q.filter)
	}
	for _, name := range []string{"resource", "after", "since", "last", "limit"} {
		if len(want[name]) > 1 {
			t.Fatalf("%q is taken, with %s twice", asked, name)
		}
	}
}

// FuzzOrigins proves that no page is taken for one that it is not: what is allowed has the host of one that may use the bridge. And a
// bridge that is for this machine alone is known under a name of this machine, or of such a page, whatever the header Host says.
func FuzzOrigins(f *testing.F) {
	for _, seed := range []string{"https://admin.example.com", "https://a.example.org:443", "http://localhost:5173", "null", "https://evil.example/@admin.example.com",
		"https://admin.example.com@evil.example", "https://admin.example.com.evil.example", "HTTPS://ADMIN.EXAMPLE.COM", "http://[::1]:9", "https://evilexample.org", "https://example.org", "https://evil#.example.org", "https://\u212aadmin.example.com"} {
		f.Add(seed, "bridge.example:8080", false)
		f.Add(seed, "127.0.0.1:8080", true)
	}
	f.Fuzz(func(t *testing.T, origin, host string, loopback bool) {
		o, err := newOrigins([]string{"https://admin.example.com", "https://*.example.org"}, loopback)
		if err != nil {
			t.Fatal(err)
		}
		name := (&url.URL{Host: strings.ToLower(host)}).Hostname()
		if loopback && o.knows(host) && host != "" && !isLoopback(name) && name != "admin.example.com" && !strings.HasSuffix(name, ".example.org") {
			t.Fatalf("a bridge for this machine is known as %q", host)
		}
		if origin == "" || !o.allows(origin, host) {
			return
		}
		scheme, rest, ok := strings.Cut(strings.ToLower(origin), "://")
		rest = rest[:min(uint(len(rest)), uint(strings.IndexAny(rest, "/?#")))]
		withoutPort := func(host string) string { // its own, or one that is empty
			return strings.TrimSuffix(strings.TrimSuffix(host, ":"), map[string]string{"http": ":80", "https": ":443"}[scheme])
		}
		from := rest[strings.LastIndex(rest, "@")+1:]
		bare := withoutPort(from)
		listed := scheme == "https" && (bare == "admin.example.com" || strings.HasSuffix(bare, ".example.org") && bare != ".example.org")
		u := &url.URL{Host: from}
		local := loopback && isLoopback(u.Hostname())
		same := withoutPort(strings.ToLower(host)) == bare
		if !ok || !listed && !(scheme == "http" || scheme == "https") || !listed && !local && !same {
			t.Fatalf("a page of %q may use %q", origin, host)
		}
	})
}
