package bridge

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A filter is what a client asks for, in the words of each way of asking.
type filter struct {
	resource   string // "" = left out, where that is allowed
	types, ids []string
}

func (f filter) query() string {
	q := url.Values{"type": f.types, "id": f.ids}
	if f.resource != "" {
		q.Set("resource", f.resource)
	}
	return q.Encode()
}

func (f filter) subscribe(sub, after string) string {
	m := map[string]any{"op": "subscribe", "sub": sub, "resource": "*", "types": f.types, "ids": f.ids, "after": after}
	if f.resource != "" {
		m["resource"] = f.resource
	}
	if f.types == nil {
		delete(m, "types")
	}
	if f.ids == nil {
		delete(m, "ids")
	}
	text, _ := json.Marshal(m)
	return string(text)
}

// matches is PROTOCOL.md's rule.
func (f filter) matches(resource, typ, id string) bool {
	return (f.resource == "" || f.resource == "*" || f.resource == resource) &&
		(len(f.types) == 0 || slices.Contains(f.types, "*") || slices.Contains(f.types, typ)) &&
		(len(f.ids) == 0 || id == "" || slices.Contains(f.ids, id))
}

var (
	someResources = []string{"products", "orders", "blog/posts", "*", "é"}
	someTypes     = []string{"created", "updated", "a.b", ">"}
	someIDs       = []string{"", "1", "2", "_", "*", "a b", "%41"}
)

func randomFilter(rnd *rand.Rand) filter {
	some := func(of []string, most int) (list []string) {
		for range rnd.IntN(most + 1) {
			list = append(list, of[rnd.IntN(len(of))])
		}
		return list
	}
	f := filter{types: some(append(someTypes, "*"), 2), ids: some(someIDs[1:], 3)}
	if rnd.IntN(3) > 0 {
		f.resource = someResources[rnd.IntN(len(someResources))]
	}
	return f
}

// Whichever way a client asks, and from wherever, it is told the same events, byte for byte: those that match, in stream order.
func TestAllWaysAgree(t *testing.T) {
	r := start(t, nil)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	type event struct{ resource, typ, id string }
	var events []event
	var body strings.Builder
	for i := range 300 {
		e := event{someResources[rnd.IntN(len(someResources))], someTypes[rnd.IntN(len(someTypes))], someIDs[rnd.IntN(len(someIDs))]}
		events = append(events, e)
		line, _ := json.Marshal(map[string]any{"resource": e.resource, "type": e.typ, "id": e.id, "payload": i})
		body.Write(append(line, '\n'))
	}
	if status, answer := r.post(body.String(), "Content-Type", "application/x-ndjson"); status != 200 {
		t.Fatal(status, answer)
	}
	all := r.history(t, "limit=1000").Events
	b := r.connect()
	for n := range 40 {
		f, from := randomFilter(rnd), rnd.IntN(len(all))
		after := field(t, string(all[from]), "cursor")
		var want []string
		for i, e := range events[from+1:] {
			if f.matches(e.resource, e.typ, e.id) {
				want = append(want, string(all[from+1+i]))
			}
		}
		t.Run(fmt.Sprintf("%d of %+v", len(want), f), func(t *testing.T) {
			if d := cmp.Diff(want, r.pages(t, f, after, 1+rnd.IntN(50))); d != "" {
				t.Errorf("history: %s", d)
			}
			b.t = t
			if d := cmp.Diff(want, b.replay(f, fmt.Sprint("s", n), after)); d != "" {
				t.Errorf("WebSocket: %s", d)
			}
			s := r.sse(t, f.query(), "Last-Event-ID", after)
			var got []string
			for s.comments == 0 { // until it is live
				if e, err := s.next(); err != nil {
					t.Fatal(err)
				} else if e.data != "" {
					got = append(got, e.data)
				}
			}
			s.close()
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("SSE: %s", d)
			}
		})
	}
}

// pages is history, a page at a time.
func (r *rig) pages(t testing.TB, f filter, after string, limit int) (events []string) {
	t.Helper()
	for more := true; more; {
		p := r.history(t, fmt.Sprintf("%s&limit=%d&after=%s", f.query(), limit, after))
		for _, e := range p.Events {
			events = append(events, string(e))
		}
		after, more = p.Cursor, p.More
	}
	return events
}

// replay subscribes, reads until it is live, and unsubscribes.
func (b *browser) replay(f filter, sub, after string) (events []string) {
	b.t.Helper()
	b.send(f.subscribe(sub, after))
	b.want(`"op":"subscribed"`, `"recovered":true`, after)
	for {
		line := b.want(`"sub":"` + sub + `"`)
		if field(b.t, line, "op") != "event" {
			break
		}
		events = append(events, "{"+strings.TrimPrefix(line, `{"op":"event","sub":"`+sub+`",`))
	}
	b.send(`{"op":"unsubscribe","sub":"` + sub + `"}`)
	b.want(`"op":"unsubscribed"`)
	return events
}

// Live, too: what a WebSocket and a stream are given is what history says afterwards.
func TestLiveAgreesWithHistory(t *testing.T) {
	r := start(t, nil)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	end := r.history(t, "").Cursor
	type client struct {
		filter
		b *browser
		s *source
	}
	var clients []client
	for range 8 {
		c := client{filter: randomFilter(rnd), b: r.connect()}
		c.s = r.sse(t, c.query()).live()
		c.b.send(strings.Replace(c.subscribe("a", "x"), `"after":"x",`, "", 1) + "\n" + `{"op":"subscribe","sub":"end","resource":"the end"}`)
		for range 4 {
			c.b.want(`"op":`)
		}
		clients = append(clients, c)
	}
	for i := range 200 {
		line, _ := json.Marshal(map[string]any{"resource": someResources[rnd.IntN(len(someResources))], "type": someTypes[rnd.IntN(len(someTypes))],
			"id": someIDs[rnd.IntN(len(someIDs))], "payload": i, "meta": map[string]int{"i": i}})
		if status, answer := r.post(string(line)); status != 200 {
			t.Fatal(status, answer)
		}
	}
	if status, answer := r.post(`{"resource":"the end","type":"x"}`); status != 200 {
		t.Fatal(status, answer)
	}
	for _, c := range clients {
		var got []string
		for {
			line := c.b.want(`{"op":"event",`)
			if field(t, line, "resource") == "the end" {
				break
			}
			got = append(got, "{"+strings.TrimPrefix(line, `{"op":"event",`))
		}
		want := r.pages(t, c.filter, end, 1000)
		if len(want) > 0 && field(t, want[len(want)-1], "resource") == "the end" {
			want = want[:len(want)-1]
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("WebSocket, %+v: %s", c.filter, d)
		}
		for _, w := range want {
			if e := c.s.event(); e.data != w {
				t.Fatalf("SSE, %+v: got %s, want %s", c.filter, e.data, w)
			}
		}
	}
}
