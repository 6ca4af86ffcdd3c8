package abuse

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An answer is what an attacker is told.
type answer struct {
	status int    // of HTTP; 0 = the connection was closed without an answer
	code   string // the error codes that were told, each with how often
	close  string // of a WebSocket: the close code; "none" = it stays open, "cut" = closed without a close frame; "" = there was none
}

func (a *answer) adds(code string) {
	last := a.code
	if i := strings.LastIndex(last, ", "); i >= 0 {
		last = last[i+2:]
	}
	name, times, _ := strings.Cut(last, " × ")
	if name != code {
		a.code = strings.TrimPrefix(a.code+", "+code, ", ")
		return
	}
	n, _ := strconv.Atoi(cmp.Or(times, "1"))
	a.code = strings.TrimSuffix(a.code, last) + fmt.Sprintf("%s × %d", code, n+1)
}

func (a *answer) closed(code int) {
	if a.close = "cut"; code != 0 {
		a.close = strconv.Itoa(code)
	}
}

// A row is one abuse. What it says is what has to happen, all of it and nothing else.
type row struct {
	on     string // the bridge that is attacked
	name   string // what is done, and what comes of it besides the answer
	do     func(a *attack) answer
	status int
	code   string
	close  string
	metric []string // the counters that grow, such as `closes_total{code="1002"} 1`; the lines that are logged are on the page
}

// A group is a chapter of the table.
type group struct {
	title, text string
	rows        []row
}

func groups() []group {
	return []group{handshakes, overTLS, tokens, revoked, rights, frames, starts, limits, requests, fromNATS, withUsers}
}

// An attack is one row while it is run.
type attack struct {
	t     *testing.T
	on    *target
	mu    sync.Mutex
	wires []*wire
}

// fail ends the goroutine that calls it, and with it the row.
func (a *attack) fail(format string, args ...any) {
	a.t.Helper()
	a.t.Fatalf(format, args...)
}

// leave closes every connection of the attack.
func (a *attack) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.wires {
		_ = w.Close()
	}
}

// all does the same in several ways, which have to have the same answer.
func all[V any](a *attack, ways []V, do func(way V) answer) answer {
	a.t.Helper()
	first := do(ways[0])
	for _, w := range ways[1:] {
		if got := do(w); got != first {
			a.fail("%s: %+v, but %s: %+v", cut(ways[0]), first, cut(w), got)
		}
	}
	return first
}

func cut(v any) string {
	text := fmt.Sprintf("%q", fmt.Sprint(v))
	return text[:min(len(text), 200)]
}

// run runs the row and compares.
func (r row) run(t *testing.T, b *target) {
	parent := b.t
	b.t = t
	defer func() { b.t = parent }()
	b.settle(t)
	before := counters(b.samples())
	b.seen()
	a := &attack{t: t, on: b}
	got := func() answer {
		defer a.leave()
		return r.do(a)
	}()
	if want := (answer{r.status, r.code, r.close}); got != want {
		t.Errorf("answered %+v, want %+v", got, want)
	}
	b.settle(t)
	b.unharmed(t)
	grown := growth(before, counters(b.samples()))
	if !slices.Equal(grown, r.metric) {
		t.Errorf("metrics\n\t%s\nwant\n\t%s", literal(grown), literal(r.metric))
	}
	complaints := b.complained(grown)
	var logged string
	enough := 5 * time.Second
	if *update {
		enough = 300 * time.Millisecond
	}
	for end := time.Now().Add(enough); ; time.Sleep(5 * time.Millisecond) {
		news := b.news()
		if logged = cell(append(append(counted(news), complaints...), b.rarely(news)...)); logged == old.logs[r.name] || time.Now().After(end) {
			break
		}
	}
	fresh.compare(t, r.name, logged)
}

// literal is a list as it is written in a row.
func literal(list []string) string {
	var b strings.Builder
	for _, l := range list {
		if strings.Contains(l, "`") {
			l = strconv.Quote(l)
		} else {
			l = "`" + l + "`"
		}
		b.WriteString("\n\t" + l + ",")
	}
	return b.String()
}

// settle waits until everybody but the bystander has gone.
func (b *target) settle(t *testing.T) {
	t.Helper()
	b.eventually("all have gone", func() error {
		m := b.samples()
		if ws, sse := m[`connections{kind="ws"}`], m[`connections{kind="sse"}`]; ws != 1 || sse != 0 {
			return fmt.Errorf("%v WebSockets and %v streams of SSE are open", ws, sse)
		}
		return nil
	})
}

func growth(before, after map[string]float64) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if d := after[name] - before[name]; d != 0 {
			list = append(list, fmt.Sprintf("%s %v", name, d))
		}
	}
	return list
}

func counted(lines map[string]int) (list []string) {
	for _, l := range slices.Sorted(maps.Keys(lines)) {
		if n := lines[l]; n > 1 {
			l = fmt.Sprintf("%d × %s", n, l)
		}
		list = append(list, l)
	}
	slices.Sort(list)
	return list
}
