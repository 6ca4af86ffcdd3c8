package bridge

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/internal/natstest"
)

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

// history asks for a page that must be there, once the bridge has heard of everything that is stored.
func (r *rig) history(t testing.TB, query string) page {
	t.Helper()
	r.caughtUp(t)
	status, body := r.get("/v1/events?" + query)
	if status != 200 {
		t.Fatalf("GET %s: %d %s", query, status, body)
	}
	return parse[page](t, body)
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
	if err := natstest.CreateStream(t.Context(), js, cfg); err != nil {
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
