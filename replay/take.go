package replay

import "github.com/livebridge/livebridge/subjects"

// scanned is how many events are looked at in one critical section.
const scanned = 4096

// A taking is what a replay has taken from the window, and where that has brought it. Many who come back at once are at the same place and
// want the same: they are given what the first of them has been.
type taking struct {
	takingKey
	set    *subjects.Set
	events []*Event
	all    bool // there are no more
	pos    uint64
	mark   Cursor
}

// What is between a position and the head is the same as long as the log's generation is: what has left the stream from between them has
// emptied the window, too, so that the position is not in it.
type takingKey struct {
	pos, head, gen uint64
	since          int64
	chunk, most    int
}

// takings are the newest ones. The log's lock guards them.
type takings struct {
	recent [8]taking // each of a chunk of no more than defaultChunk: what has left the window meanwhile is kept a while longer
	next   int
}

func (ts *takings) find(k takingKey, set *subjects.Set) *taking {
	for i := range ts.recent {
		if t := &ts.recent[i]; t.takingKey == k && t.set != nil && t.set.Equal(set) {
			return t
		}
	}
	return nil
}

func (ts *takings) add(t taking) {
	ts.recent[ts.next] = t
	ts.next = (ts.next + 1) % len(ts.recent)
}

// take takes events from the window, and says whether they are all that is there. The caller holds the log's lock, and must not change
// the slice.
func (r *replayer) take() (events []*Event, all bool) {
	if r.view.Allows != nil || r.chunk > defaultChunk { // what one user may see says nothing of another
		return r.scanWindow()
	}
	l := r.log
	k := takingKey{r.pos, l.win.head.seq, l.gen, r.since, r.chunk, r.most}
	if t := l.takings.find(k, r.set); t != nil {
		r.pos, r.mark = t.pos, t.mark
		return t.events, t.all
	}
	events, all = r.scanWindow()
	l.takings.add(taking{k, r.set, events, all, r.pos, r.mark})
	return events, all
}

// scanWindow is take for who is the first there.
func (r *replayer) scanWindow() (events []*Event, all bool) {
	w, bytes := r.log.win, 0
	first := w.search(r.pos + 1)
	for i := first; i < w.count; i++ {
		if i-first == scanned || bytes >= r.chunk || r.most > 0 && len(events) == r.most {
			last := w.at(i - 1)
			r.pos, r.mark = last.Seq, last.cursor(r.inc)
			return events, false
		}
		if e := w.at(i); e.Subject != "" && e.Stored >= r.since && r.wants(e.Subject) {
			if events == nil {
				events = make([]*Event, 0, min(w.count-i, 64))
			}
			events = append(events, e)
			bytes += e.size()
		}
	}
	if r.pos = w.head.seq; w.head.at != 0 {
		r.mark = r.log.headCursor()
	} else if first < w.count {
		r.mark = w.at(w.count - 1).cursor(r.inc)
	}
	return events, true
}
