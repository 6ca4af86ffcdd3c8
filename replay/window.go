package replay

import "sort"

// A position is a sequence and the store time of the message there. at is 0 when the time is not known.
type position struct {
	seq uint64
	at  int64
}

// The window holds the newest events, in stream order, up to a number of bytes. Everything that is stored in (low, head] is in it. It has
// no lock of its own: the log's lock guards it.
type window struct {
	ring  []*Event // its length is a power of two; at(i) is the i-th oldest
	first int
	count int
	bytes int
	max   int // bytes; the newest event always fits

	low, head position
}

func newWindow(maxBytes int) *window { return &window{ring: make([]*Event, 64), max: maxBytes} }

func (w *window) at(i int) *Event { return w.ring[w.place(i)] }

func (w *window) place(i int) int { return (w.first + i) & (len(w.ring) - 1) }

// push appends the newest event and evicts the oldest ones that no longer fit.
func (w *window) push(e *Event) {
	if w.count == len(w.ring) {
		w.grow()
	}
	w.ring[w.place(w.count)] = e
	w.count++
	w.bytes += e.size()
	w.head = position{e.Seq, e.Stored}
	for w.bytes > w.max && w.count > 1 {
		w.dropOldest()
	}
}

func (w *window) grow() {
	ring := make([]*Event, 2*len(w.ring))
	for i := range w.count {
		ring[i] = w.at(i)
	}
	w.ring, w.first = ring, 0
}

func (w *window) dropOldest() {
	e := w.ring[w.first]
	w.ring[w.first] = nil
	w.first = w.place(1)
	w.count--
	w.bytes -= e.size()
	w.low = position{e.Seq, e.Stored}
}

// reset empties the window at a position.
func (w *window) reset(at position) {
	w.ring, w.first, w.count, w.bytes = make([]*Event, 64), 0, 0, 0
	w.low, w.head = at, at
}

// trim drops what lies before the stream's first sequence: it is no longer stored, so it is no longer replayed.
func (w *window) trim(firstSeq uint64) {
	for w.count > 0 && w.at(0).Seq < firstSeq {
		w.dropOldest()
	}
	if w.low.seq+1 < firstSeq && w.low.seq < w.head.seq {
		w.low = position{seq: min(firstSeq-1, w.head.seq)}
	}
}

// clear forgets the events but keeps the head: replays read from JetStream until new events have come.
func (w *window) clear() {
	head := w.head
	w.reset(head)
}

// search is the index of the first event with a sequence of at least seq; count if there is none.
func (w *window) search(seq uint64) int {
	return sort.Search(w.count, func(i int) bool { return w.at(i).Seq >= seq })
}

// searchTime is the index of the first event stored at or after t (Unix nanoseconds); count if there is none. Store times rise with the
// sequence, except where the server's clock was set back: unordered says that t lies in such a step, so that every event is looked at.
func (w *window) searchTime(t int64, unordered bool) int {
	if !unordered {
		return sort.Search(w.count, func(i int) bool { return w.at(i).Stored >= t })
	}
	for i := range w.count {
		if w.at(i).Stored >= t {
			return i
		}
	}
	return w.count
}

// holds says whether the window can prove or refute that the message at seq was stored at the given time; ok is its answer.
func (w *window) holds(seq uint64, at int64) (known, ok bool) {
	if seq == w.low.seq && w.low.at != 0 {
		return true, at == w.low.at || at == 0
	}
	if seq <= w.low.seq || seq > w.head.seq {
		return false, false
	}
	if seq == w.head.seq && w.head.at != 0 { // the head may be a message that is gone by now
		return true, at == w.head.at || at == 0
	}
	i := w.search(seq)
	if i < w.count && w.at(i).Seq == seq {
		return true, at == w.at(i).Stored || at == 0
	}
	return false, false // deleted from between: ask the stream
}
