package replay

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A slice of everything that is stored is what a window is compared with.
type windowModel struct {
	stored []*Event
	last   position
	at     int64
	clock  clock
}

func (m *windowModel) next(t *rapid.T) *Event {
	e := &Event{
		Seq:     m.last.seq + 1 + uint64(max(0, rapid.IntRange(-5, 3).Draw(t, "deleted before"))),
		Stored:  m.at + int64(rapid.IntRange(0, 3).Draw(t, "time passed")) - 40*int64(max(0, rapid.IntRange(-30, 1).Draw(t, "set back"))),
		Subject: "live.a.b.c",
		Frame:   make([]byte, rapid.IntRange(0, 200).Draw(t, "frame")),
	}
	m.at = e.Stored
	return e
}

func TestWindowModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8000).Draw(t, "limit")
		w, m := newWindow(limit), &windowModel{at: 1000}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "events") {
					e := m.next(t)
					w.push(e)
					m.clock.tick(position{e.Seq, e.Stored})
					m.stored = append(m.stored, e)
					m.last = position{e.Seq, e.Stored}
				}
			},
			"trim": func(t *rapid.T) {
				first := uint64(rapid.IntRange(0, int(m.last.seq)+2).Draw(t, "first"))
				w.trim(first)
				m.stored = slices.DeleteFunc(m.stored, func(e *Event) bool { return e.Seq < first })
				if w.count > 0 && w.at(0).Seq < first {
					t.Fatalf("still holds %d", w.at(0).Seq)
				}
			},
			"clear": func(t *rapid.T) { w.clear() },
			"reset": func(t *rapid.T) {
				m.last = position{m.last.seq + uint64(rapid.IntRange(0, 9).Draw(t, "skipped")), m.at}
				m.stored = nil
				w.reset(m.last)
			},
			"": func(t *rapid.T) { m.check(t, w) },
		})
	})
}

func (m *windowModel) check(t *rapid.T, w *window) {
	if w.head != m.last {
		t.Fatalf("head %v, want %v", w.head, m.last)
	}
	var want []*Event
	size := 0
	for _, e := range m.stored {
		if e.Seq > w.low.seq {
			want = append(want, e)
			size += e.size()
		}
	}
	got := make([]*Event, w.count)
	for i := range got {
		got[i] = w.at(i)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("holds %d events, but %d are stored after %d", len(got), len(want), w.low.seq)
	}
	if w.bytes != size || size > w.max && w.count > 1 {
		t.Fatalf("%d bytes, counted as %d, of %d", size, w.bytes, w.max)
	}
	for _, e := range w.ring {
		if e != nil && !slices.Contains(want, e) {
			t.Fatalf("keeps %d from being freed", e.Seq)
		}
	}
	seq := uint64(rapid.IntRange(0, int(m.last.seq)+2).Draw(t, "sequence"))
	if i := w.search(seq); i != len(want)-len(slices.DeleteFunc(slices.Clone(want), func(e *Event) bool { return e.Seq < seq })) {
		t.Fatalf("search(%d) = %d", seq, i)
	}
	at := m.at + int64(rapid.IntRange(-20, 60).Draw(t, "time"))
	_, unordered := m.clock.unclear(at)
	first := slices.IndexFunc(want, func(e *Event) bool { return e.Stored >= at })
	if first < 0 {
		first = len(want)
	}
	if i := w.searchTime(at, unordered); i != first {
		t.Fatalf("searchTime(%d, %v) = %d, want %d", at, unordered, i, first)
	}
	m.checkHolds(t, w, seq)
}

// checkHolds asks about the message at seq: with its time, with another, and without.
func (m *windowModel) checkHolds(t *rapid.T, w *window, seq uint64) {
	i := slices.IndexFunc(m.stored, func(e *Event) bool { return e.Seq == seq })
	if i < 0 {
		known, _ := w.holds(seq, 1)
		if inside := seq > w.low.seq && seq < w.head.seq; known && inside {
			t.Fatalf("knows of %d, which is not stored", seq)
		}
		return
	}
	right := m.stored[i].Stored
	for at, want := range map[int64]bool{right: true, 0: true, right + 1: false} {
		known, ok := w.holds(seq, at)
		if seq > w.low.seq && !known || known && ok != want && (seq != w.low.seq || w.low.at != 0) {
			t.Fatalf("holds(%d, %d) = %v %v, stored at %d", seq, at, known, ok, right)
		}
	}
}

func BenchmarkWindowTake(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := bareLog(64 << 20)
			fill(l, n)
			r := &replayer{log: l, set: set(b, everything), chunk: 1 << 30}
			b.ReportAllocs()
			for b.Loop() {
				for all := false; !all; {
					_, all = r.take()
				}
				r.pos = 0
			}
		})
	}
}
