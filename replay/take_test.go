package replay

import (
	"slices"
	"testing"

	"github.com/livebridge/livebridge/subjects"
)

// Who is at the same place, and wants the same, is given what the one before was given, until there is more.
func TestTakings(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	cursorOf(t, l, publishIDs(t, nc, 1, 6))
	products, other := subjects.Filter{Resource: "products"}, subjects.Filter{Resource: "products", IDs: []string{"2", "5"}}
	type asks struct {
		filter subjects.Filter
		pos    uint64
		chunk  int
		view   View
	}
	take := func(a asks) ([]*Event, bool, uint64, uint64) {
		r := replayFrom(l, set(t, a.filter), a.pos)
		r.chunk, r.view = a.chunk, a.view
		l.mu.Lock()
		defer l.mu.Unlock()
		events, all := r.take()
		return events, all, r.pos, r.mark.seq
	}
	even := View{Allows: func(subject string) bool { return slices.Contains([]string{"2", "4", "6"}, subject[len(subject)-1:]) }}
	steps := []struct {
		asks
		seqs   []uint64
		shared int // the step whose events these are; -1 = their own
		all    bool
		pos    uint64
	}{
		0: {asks{products, 0, 1 << 10, View{}}, []uint64{1, 2, 3, 4, 5, 6}, -1, true, 6},
		1: {asks{products, 0, 1 << 10, View{}}, []uint64{1, 2, 3, 4, 5, 6}, 0, true, 6},
		2: {asks{products, 1, 1 << 10, View{}}, []uint64{2, 3, 4, 5, 6}, -1, true, 6},
		3: {asks{other, 0, 1 << 10, View{}}, []uint64{2, 5}, -1, true, 6},
		4: {asks{products, 0, 1, View{}}, []uint64{1}, -1, false, 1},
		5: {asks{products, 0, 1, View{}}, []uint64{1}, 4, false, 1},
		6: {asks{products, 0, 1 << 10, even}, []uint64{2, 4, 6}, -1, true, 6},
		7: {asks{products, 0, 1 << 10, View{}}, []uint64{1, 2, 3, 4, 5, 6}, 0, true, 6},
		8: {asks{products, 0, 1 << 10, View{}}, []uint64{1, 2, 3, 4, 5, 6, 7}, -1, true, 7},
	}
	var taken [][]*Event
	for i, step := range steps {
		if i == 8 {
			cursorOf(t, l, publishIDs(t, nc, 7, 7))
		}
		events, all, pos, mark := take(step.asks)
		var seqs []uint64
		for _, e := range events {
			seqs = append(seqs, e.Seq)
		}
		if !slices.Equal(seqs, step.seqs) || all != step.all || pos != step.pos || mark != pos {
			t.Fatalf("step %d: took %d, all %t, up to %d, mark %d", i, seqs, all, pos, mark)
		}
		for j, before := range taken {
			first := steps[j].shared
			if first < 0 {
				first = j
			}
			if same := &before[0] == &events[0]; same != (step.shared >= 0 && step.shared == first) {
				t.Errorf("step %d: has the events of step %d: %t", i, j, same)
			}
		}
		taken = append(taken, events)
	}
}
