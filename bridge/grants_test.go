package bridge

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/livebridge/livebridge/publish"
)

// The words of the events. Those in others stand for all that no pattern and no filter names.
var (
	words  = [3][]string{{"a", "b", "c"}, {"x", "y", "z"}, {"1", "2", "3", "4"}}
	others = [3]string{"other", "other", "other"}
)

// A model is who may see what, in the plainest way: every subject there is against every pattern.
type model struct {
	allow, deny []string
	live        bool // no history
	accepted    map[string]ask
}

// An ask is a subscription.
type ask struct {
	resource   string
	types, ids []string
}

func hits(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range s {
		if p[i] == ">" {
			return true
		}
		if p[i] != "*" && p[i] != token {
			return false
		}
	}
	return true
}

func anyHits(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return hits(p, subject) })
}

func (m *model) sees(subject string) bool {
	return anyHits(m.allow, subject) && !anyHits(m.deny, subject)
}

// matches is PROTOCOL.md's rule; strict leaves out events about no particular record where ids are asked for.
func (a ask) matches(subject string, strict bool) bool {
	s := strings.Split(subject, ".")
	return (a.resource == "*" || a.resource == s[0]) && (len(a.types) == 0 || slices.Contains(a.types, s[1])) &&
		(len(a.ids) == 0 || slices.Contains(a.ids, s[2]) || s[2] == "_" && !strict)
}

// may says whether the subscription lies inside what is allowed, and is not all denied.
func (m *model) may(a ask) bool {
	denied := true
	for _, s := range everySubject() {
		if a.matches(s, true) {
			if !anyHits(m.allow, s) {
				return false
			}
			denied = denied && anyHits(m.deny, s)
		}
	}
	return !denied
}

func everySubject() (list []string) {
	for _, r := range append(slices.Clone(words[0]), others[0]) {
		for _, t := range append(slices.Clone(words[1]), others[1]) {
			for _, id := range append(slices.Clone(words[2]), others[2], "_") {
				list = append(list, r+"."+t+"."+id)
			}
		}
	}
	return list
}

func pick(rnd *rand.Rand, list []string) string { return list[rnd.IntN(len(list))] }

func randomPattern(rnd *rand.Rand) string {
	if rnd.IntN(12) == 0 {
		return ">"
	}
	var p [3]string
	for i := range p {
		if p[i] = pick(rnd, words[i]); rnd.IntN(5) < 2+i {
			p[i] = "*"
		}
	}
	if rnd.IntN(15) == 0 {
		p[2] = "_"
	}
	return strings.Join(p[:], ".")
}

func patternsOf(rnd *rand.Rand, most int) (list []string) {
	for range rnd.IntN(most + 1) {
		list = append(list, randomPattern(rnd))
	}
	return list
}

func randomAsk(rnd *rand.Rand) ask {
	a := ask{resource: pick(rnd, words[0])}
	if rnd.IntN(6) == 0 {
		a.resource = "*"
	}
	for range rnd.IntN(3) {
		a.types = append(a.types, pick(rnd, words[1]))
	}
	for range rnd.IntN(4) {
		a.ids = append(a.ids, pick(rnd, words[2]))
	}
	return a
}

func (a ask) frame(sub, more string) string {
	text, _ := json.Marshal(map[string]any{"op": "subscribe", "sub": sub, "resource": a.resource, "types": append([]string{}, a.types...), "ids": append([]string{}, a.ids...)})
	return strings.TrimSuffix(string(text), "}") + more + "}"
}

// indexes are the numbers of the events for which something holds, counted on from a number.
func indexes(subjects []string, from int, holds func(string) bool) []int {
	list := []int{}
	for i, s := range subjects {
		if holds(s) {
			list = append(list, from+i)
		}
	}
	return list
}

// publishRandom stores n events whose payloads count on from a number, and then one of the resource end. It returns their subjects.
func (r *rig) publishRandom(rnd *rand.Rand, n, from int) []string {
	r.t.Helper()
	pub, err := publish.New(r.nc, publish.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	every := everySubject()
	subjects := make([]string, n)
	var batch []publish.Event
	for i := range subjects {
		subjects[i] = pick(rnd, every)
		s := strings.Split(subjects[i], ".")
		e := publish.Event{Resource: s[0], Type: s[1], ID: strings.TrimSuffix(s[2], "_"), Payload: from + i}
		if batch = append(batch, e); len(batch) < 500 && i < n-1 {
			continue
		}
		if _, err := pub.Publish(r.t.Context(), batch...); err != nil {
			r.t.Fatal(err)
		}
		batch = nil
	}
	r.publish("live.end.end._", "")
	return subjects
}

// numbers reads events until one line holds the end, and returns their payloads.
func (b *browser) numbers(t *testing.T, end string) []int {
	t.Helper()
	list := []int{}
	for {
		line, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, end) {
			return list
		}
		if !strings.Contains(line, last) {
			list = append(list, payload(t, line))
		}
	}
}

// last is in the event that follows all others.
const last = `"resource":"end"`

func payload(t testing.TB, event string) int {
	t.Helper()
	var e struct{ Payload *int }
	if err := json.Unmarshal([]byte(event), &e); err != nil || e.Payload == nil {
		t.Fatalf("not one of the events: %s (%v)", event, err)
	}
	return *e.Payload
}

// query is the subscription as a query string.
func (a ask) query() string {
	query := "resource=" + a.resource
	for _, kind := range a.types {
		query += "&type=" + kind
	}
	for _, id := range a.ids {
		query += "&id=" + id
	}
	return query
}

// everything reads all pages of history.
func (r *rig) everything(token string, a ask) []int {
	r.t.Helper()
	list, after := []int{}, ""
	for {
		code, body := r.get("/v1/events?limit=700&"+a.query()+after, bearer(token)...)
		var page struct {
			Events []json.RawMessage
			Cursor string
			More   bool
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || code != 200 {
			r.t.Fatalf("history: %d %s", code, body)
		}
		for _, e := range page.Events {
			if !strings.Contains(string(e), last) {
				list = append(list, payload(r.t, string(e)))
			}
		}
		if !page.More {
			return list
		}
		after = "&after=" + page.Cursor
	}
}
