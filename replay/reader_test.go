package replay

import (
	"fmt"
	"slices"
	"testing"

	"github.com/livebridge/livebridge/subjects"
)

// Where much of the stream matches all of it is read, and what does not match is left out here.
func TestReadsAllWhereMuchMatches(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	const n = 2 * many
	for i := range n - 1 {
		if err := nc.Publish(fmt.Sprintf("live.%s.updated.%d", []string{"many", "many", "many", "many", "few"}[i%5], i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	last := publish(t, nc, "live.few.updated.last", "x")
	if err := l.reach(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	for resource, want := range map[string]struct {
		read   uint64
		events int
	}{"many": {n, n * 4 / 5}, "few": {n / 5, n / 5}, "none": {0, 0}} {
		all := set(t, subjects.Filter{Resource: resource})
		rd, err := l.read(t.Context(), nil, all, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		r := replayFrom(l, all, 0)
		events, to, err := rd.chunk(t.Context(), r, reached{r.pos, r.mark}, last, 1<<20, n)
		if err != nil || len(events) != want.events || to.pos != last || rd.c.seq != want.read {
			t.Errorf("%s: %d events up to %d of %d, %d messages were read, %v", resource, len(events), to.pos, last, rd.c.seq, err)
		}
		rd.close()
	}
}

// Where nothing concerns every id, the consumer is given the filters of the ids alone; it does not go past what comes for all of them later.
func TestReadsByIDs(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	l.far = 4
	one := set(t, subjects.Filter{Resource: "products", IDs: []string{"7"}})
	read := func(from uint64, upTo uint64) (left int, ids string, end uint64) {
		t.Helper()
		rd, err := l.read(t.Context(), nil, one, from, false)
		if err != nil {
			t.Fatal(err)
		}
		defer rd.close()
		left = len(rd.left)
		if upTo == 0 {
			publish(t, nc, "live.products.updated.7", "5")
			publish(t, nc, "live.products.updated._", "6")
			upTo = publish(t, nc, "live.products.updated.7", "7")
			cursorOf(t, l, upTo)
		}
		r := replayFrom(l, one, from)
		events, to, err := rd.chunk(t.Context(), r, reached{r.pos, r.mark}, upTo, 1<<20, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			ids += string(e.Frame) + " "
		}
		return left, ids, to.pos
	}
	publishIDs(t, nc, 5, 7)
	cursorOf(t, l, publish(t, nc, "live.other.updated._", "x"))
	for _, test := range []struct {
		from, upTo uint64
		left       int
		ids        string
		to         uint64
	}{
		{0, 0, 1, "7=x ", 4}, // 5, 6 and 7 come after the reader was made
		{4, 7, 0, "7=5 =6 7=7 ", 7}, {0, 7, 0, "7=x 7=5 =6 7=7 ", 7}, {0, 4, 0, "7=x ", 4}, {6, 7, 0, "7=7 ", 7},
	} {
		if left, ids, to := read(test.from, test.upTo); left != test.left || ids != test.ids || to != test.to {
			t.Errorf("%d to %d: %d filters left out, read %q up to %d", test.from, test.upTo, left, ids, to)
		}
	}
}

// What has been read at once is handed over in chunks, and never more than is asked for; each says how far the replay is.
func TestHandOver(t *testing.T) {
	var read []*Event
	for seq := uint64(2); seq <= 20; seq += 2 {
		read = append(read, &Event{Seq: seq, Stored: int64(seq), Frame: make([]byte, 1000)})
	}
	size := read[0].size()
	for _, test := range []struct {
		chunk, most int
		want        []uint64 // where each hand-over ends
	}{
		{100 * size, 0, []uint64{25}}, {3 * size, 0, []uint64{6, 12, 18, 25}}, {3*size - 1, 0, []uint64{6, 12, 18, 25}}, {3*size + 1, 0, []uint64{8, 16, 25}},
		{1, 0, []uint64{2, 4, 6, 8, 10, 12, 14, 16, 18, 25}}, {100 * size, 6, []uint64{12, 25}},
	} {
		r := &replayer{chunk: test.chunk, most: test.most, ready: read, to: reached{25, Cursor{seq: 24, at: 24}}}
		var got []uint64
		var events []*Event
		for len(r.ready) > 0 {
			events = append(events, r.handOver()...)
			if got = append(got, r.pos); r.mark.seq != min(r.pos, 24) {
				t.Errorf("%+v: mark %d at %d", test, r.mark.seq, r.pos)
			}
		}
		if !slices.Equal(got, test.want) || !slices.Equal(events, read) {
			t.Errorf("%+v: handed over up to %d, %d events", test, got, len(events))
		}
	}
}
