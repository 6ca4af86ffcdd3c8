package replay

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/livebridge/livebridge/subjects"
)

// A tally is a sink that counts.
type tally struct{ live int }

func (t *tally) Notice(Notice)              {}
func (t *tally) Live(*Event)                { t.live++ }
func (t *tally) Replayed([]*Event)          {}
func (t *tally) Wait(context.Context) error { return nil }

func bareSubscription(t testing.TB, f subjects.Filter) (*Subscription, *tally) {
	s, sink := set(t, f), &tally{}
	return &Subscription{set: s, exact: s.Exact(), sink: sink}, sink
}

func randomFilter(rnd *rand.Rand) subjects.Filter {
	f := subjects.Filter{Resource: "*"}
	if rnd.IntN(4) > 0 {
		f.Resource = "r" + strconv.Itoa(rnd.IntN(5))
	}
	for range rnd.IntN(3) {
		f.Types = append(f.Types, "t"+strconv.Itoa(rnd.IntN(4)))
	}
	if rnd.IntN(2) == 0 {
		for range 1 + rnd.IntN(4) {
			f.IDs = append(f.IDs, strconv.Itoa(rnd.IntN(100)))
		}
	}
	if rnd.IntN(10) == 0 { // more than there are patterns for
		for i := range 70 {
			f.IDs = append(f.IDs, strconv.Itoa(i))
		}
	}
	return f
}

func randomSubject(rnd *rand.Rand) string {
	id := strconv.Itoa(rnd.IntN(110))
	if rnd.IntN(10) == 0 {
		id = "_"
	}
	return fmt.Sprintf("live.r%d.t%d.%s", rnd.IntN(6), rnd.IntN(5), id)
}

// Every subscription that is there is given what its set matches, once, however many come and go.
func TestRoutesModel(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	r := newRoutes()
	sinks := map[*Subscription]*tally{}
	var order []*Subscription
	for step := range 4000 {
		switch {
		case len(order) < 1000 && rnd.IntN(3) > 0 || len(order) == 0:
			s, sink := bareSubscription(t, randomFilter(rnd))
			r.add(s)
			sinks[s], order = sink, append(order, s)
		default:
			i := rnd.IntN(len(order))
			r.remove(order[i])
			delete(sinks, order[i])
			order[i] = order[len(order)-1]
			order = order[:len(order)-1]
		}
		e := &Event{Seq: uint64(step), Subject: randomSubject(rnd)}
		r.deliver(e)
		for s, sink := range sinks {
			want := 0
			if s.set.Match(e.Subject) {
				want = 1
			}
			if sink.live != want {
				t.Fatalf("seed %d, step %d: %s was delivered %d times to %+v, want %d", seed, step, e.Subject, sink.live, s.set.Filter(), want)
			}
			sink.live = 0
		}
	}
	for _, s := range order {
		r.remove(s)
	}
	if len(r.byPat) != 0 || r.list.Count() != 0 {
		t.Errorf("seed %d: %d patterns are left, %d in the list", seed, len(r.byPat), r.list.Count())
	}
}

func TestRemoveTwice(t *testing.T) {
	r := newRoutes()
	a, _ := bareSubscription(t, everything)
	b, sink := bareSubscription(t, everything)
	r.add(a)
	r.add(b)
	r.remove(a)
	r.remove(a)
	r.deliver(&Event{Subject: "live.a.b.c"})
	if sink.live != 1 {
		t.Errorf("delivered %d times", sink.live)
	}
}

// bareLog is a log without a stream.
func bareLog(window int) *Log {
	return &Log{win: newWindow(window), routes: newRoutes(), live: map[*Subscription]struct{}{}, moved: make(chan struct{})}
}

func fill(l *Log, n int) {
	for i := range n {
		seq := l.win.head.seq + 1
		l.win.push(&Event{Seq: seq, Stored: int64(seq), Subject: fmt.Sprintf("live.products.updated.%d", i%1000), Frame: make([]byte, 200)})
	}
}

// What one event costs from the tail to the sinks.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("subscriptions=%d", n), func(b *testing.B) {
			l := bareLog(1 << 20)
			for range n {
				s, _ := bareSubscription(b, subjects.Filter{Resource: "products"})
				l.routes.add(s)
			}
			fill(l, 20_000) // the window is full
			events := []*Event{{Subject: "live.products.updated.42", Frame: make([]byte, 200)}}
			b.ReportAllocs()
			for b.Loop() {
				events[0].Seq++
				l.append(events)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
		})
	}
}

// distinct is a matcher with 100,000 subscriptions, each to a type and an id of a resource, and events of which one in two matches one.
func distinct(t testing.TB) (*routes, map[string][]*Event) {
	r := newRoutes()
	for i := range 100_000 {
		s, _ := bareSubscription(t, subjects.Filter{Resource: fmt.Sprintf("r%d", i%100), Types: []string{"updated"}, IDs: []string{strconv.Itoa(i)}})
		r.add(s)
	}
	events := map[string][]*Event{}
	for i := range 1000 {
		n := i * 97
		events["one"] = append(events["one"], &Event{Subject: fmt.Sprintf("live.r%d.updated.%d", n%100, n)})
		events["no id"] = append(events["no id"], &Event{Subject: fmt.Sprintf("live.r%d.updated.x%d", n%100, n)})
		events["no type"] = append(events["no type"], &Event{Subject: fmt.Sprintf("live.r%d.created.%d", n%100, n)})
		events["no resource"] = append(events["no resource"], &Event{Subject: fmt.Sprintf("live.s%d.updated.%d", n%100, n)})
	}
	return r, events
}

// What it costs to find the one subscription of 100,000 that an event matches, or that there is none.
func BenchmarkMatch(b *testing.B) {
	r, events := distinct(b)
	for _, name := range slices.Sorted(maps.Keys(events)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.deliver(events[name][i%1000])
			}
		})
	}
}

// What one event costs from the tail to the sinks is nothing that has to be collected again.
func TestDeliverAllocatesNothing(t *testing.T) {
	r, events := distinct(t)
	for name, list := range events {
		i := 0
		if n := testing.AllocsPerRun(1000, func() { r.deliver(list[i%1000]); i++ }); n != 0 {
			t.Errorf("%s: %v allocations for each event", name, n)
		}
	}
	l := bareLog(1 << 20)
	for range 1000 {
		s, _ := bareSubscription(t, subjects.Filter{Resource: "products"})
		l.routes.add(s)
	}
	fill(l, 20_000) // the window is full
	list := []*Event{{Seq: 20_000, Subject: "live.products.updated.42", Frame: make([]byte, 200)}}
	if n := testing.AllocsPerRun(100, func() { list[0].Seq++; l.append(list) }); n != 0 {
		t.Errorf("%v allocations for an event that goes to 1,000 subscriptions", n)
	}
}

// What it costs to go live after so many events that were missed, all of them in the window, for the first who comes back to that place.
func BenchmarkSeam(b *testing.B) {
	for _, behind := range []int{0, 10, 1000} {
		b.Run(strconv.Itoa(behind), func(b *testing.B) {
			l := bareLog(64 << 20)
			l.ctx, l.cfg = b.Context(), Config{MaxReplay: 1 << 40}
			fill(l, 20_000)
			all := set(b, everything)
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithCancel(l.ctx)
				s := &Subscription{log: l, set: all, sink: &tally{}, exact: true, cancel: cancel}
				r := replayFrom(l, all, l.win.head.seq-uint64(behind))
				l.takings = takings{}
				s.replay(ctx, r)
				s.Close()
			}
		})
	}
}
