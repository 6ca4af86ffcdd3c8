//go:build linux

package faults

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A result is one row of the table.
type result struct {
	name, what                                string
	seed                                      uint64
	skipped                                   string
	clients                                   int
	published, acked, retries, missing, twice int // missing: acknowledged, and not stored in the end
	delivered, lost, duplicated, reordered    int
	unasked, resets                           int
	silence, absence                          time.Duration
}

var (
	resultsMu sync.Mutex
	results   []*result
)

func (r *result) keep() {
	resultsMu.Lock()
	defer resultsMu.Unlock()
	results = append(results, r)
}

// line is the result for people and for grep.
func (r *result) line() string {
	return fmt.Sprintf("RESULT scenario=%s seed=%d clients=%d published=%d acknowledged=%d retries=%d delivered=%d lost=%d duplicated=%d reordered=%d unasked=%d taken_away=%d resets=%d silence=%.1fs absence=%.1fs",
		r.name, r.seed, r.clients, r.published, r.acked, r.retries, r.delivered, r.lost, r.duplicated, r.reordered, r.unasked, r.missing, r.resets, r.silence.Seconds(), r.absence.Seconds())
}

// reckon holds every client against the ledger and the stream, and fails the test where a promise was broken.
func (w *world) reckon(what string) *result {
	w.t.Helper()
	r := &result{name: w.name, what: what, seed: w.seed, clients: len(w.clients), published: len(w.ledger.entries), acked: w.ledger.acked, retries: w.ledger.retries, twice: w.truth.twice}
	for n, e := range w.ledger.entries {
		seq, stored := w.truth.stored[n]
		switch {
		case e.acked && !stored:
			r.missing++
		case e.acked && e.seq != 0 && e.seq != seq && w.plan.policy == exact:
			w.t.Errorf("event %d was acknowledged at sequence %d, and is stored at %d", n, e.seq, seq)
		}
	}
	var notes []string
	for _, c := range w.clients {
		notes = append(notes, w.reckonClient(c, r)...)
	}
	if len(notes) > 0 {
		w.t.Errorf("%d notes, the first of them:\n%s", len(notes), strings.Join(notes[:min(len(notes), 25)], "\n"))
	}
	w.promised(r)
	w.t.Log(r.line())
	r.keep()
	return r
}

func (w *world) reckonClient(c *client, r *result) (notes []string) {
	if c.err != nil {
		w.t.Errorf("%s: %v", c.subs[0].name, c.err)
	}
	if !c.slow {
		r.silence, r.absence = max(r.silence, c.quiet), max(r.absence, c.away)
	}
	for _, s := range c.subs {
		v := s.judge(w.ledger.entries, w.truth, w.plan.policy)
		r.lost += v.lost
		r.delivered += s.count
		r.duplicated += s.duplicated
		r.reordered += s.reordered
		r.unasked += s.unasked
		r.resets += len(s.resets)
		notes = append(notes, s.notes...)
	}
	return notes
}

// promised fails the test where something happened that must not.
func (w *world) promised(r *result) {
	w.t.Helper()
	for what, n := range map[string]int{"lost": r.lost, "duplicated": r.duplicated, "reordered": r.reordered, "not asked for": r.unasked} {
		if n > 0 {
			w.t.Errorf("%d deliveries %s", n, what)
		}
	}
	if r.acked < r.published {
		w.t.Errorf("%d of %d events were never acknowledged", r.published-r.acked, r.published)
	}
	if w.plan.policy != exact {
		return
	}
	if r.missing > 0 {
		w.t.Errorf("%d acknowledged events are not stored: false acknowledgements", r.missing)
	}
	if r.twice > 0 {
		w.t.Errorf("%d events are stored twice", r.twice)
	}
	if r.resets > 0 {
		w.t.Errorf("%d subscriptions were told to reset, though nothing was taken away", r.resets)
	}
}

// told makes sure that a fault that takes something away has done so, and that it was told.
func (w *world) wasTold(r *result) {
	w.t.Helper()
	if r.missing == 0 {
		w.t.Error("the fault took nothing away: this scenario shows nothing")
	}
	if r.resets == 0 {
		w.t.Error("nobody was told to reset")
	}
}

// Between these lines a document has its table.
const tableBegins, tableEnds = "<!-- the table begins -->\n", "<!-- the table ends -->\n"

// writeTable writes the results of this run in Markdown, into the place for it where the file has one.
func writeTable(file string) error {
	if file == "" {
		return nil
	}
	text := table()
	if file == "-" {
		_, err := fmt.Print(text)
		return err
	}
	if old, err := os.ReadFile(file); err == nil {
		head, rest, begins := strings.Cut(string(old), tableBegins)
		_, tail, ends := strings.Cut(rest, tableEnds)
		if begins && ends {
			text = head + tableBegins + text + tableEnds + tail
		}
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func table() string {
	resultsMu.Lock()
	defer resultsMu.Unlock()
	slices.SortStableFunc(results, func(a, b *result) int { return cmp.Compare(order(a.name), order(b.name)) })
	var b strings.Builder
	b.WriteString("| scenario | what happens | seed | published | acknowledged | sent again | delivered | lost | duplicated | reordered | taken away | resets told | longest silence |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range results {
		if r.skipped != "" {
			fmt.Fprintf(&b, "| `%s` | %s | | not run: %s | | | | | | | | | |\n", r.name, r.what, r.skipped)
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.1f s |\n",
			r.name, r.what, r.seed, r.published, r.acked, r.retries, r.delivered, r.lost, r.duplicated, r.reordered, r.missing, r.resets, r.silence.Seconds())
	}
	return b.String()
}

// bugs finds what no program may ever say.
func (w *world) bugs(t testing.TB) {
	for i, b := range w.bridges {
		if lines := b.Said("DATA RACE", "bug: recovered", "panic:", "fatal error:"); len(lines) > 0 {
			t.Errorf("bridge %d: %s", i+1, strings.Join(lines, "\n"))
		}
	}
}
