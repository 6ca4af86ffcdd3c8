package replay

import (
	"fmt"
	"math"
	"slices"
)

// A life is one of the streams of that name, or what it became when it was rolled back: the events before that, and then others.
type life struct {
	inc   uint64
	began int64
	facts []*fact // by sequence, filled at the end
	odd   bool    // it began with messages of the one before: the server does that at times
	base  int     // it was rolled back to so many facts of the life before, and has that one's incarnation; 0 = it was created
}

// rollBack begins a life with what the newest one was when it was copied.
func (m *model) rollBack(facts []fact, at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives = append(m.lives, &life{inc: m.lives[len(m.lives)-1].inc, began: at, base: len(facts)})
	for _, f := range facts {
		f.life = len(m.lives) - 1
		m.facts = append(m.facts, &f)
	}
}

// has says whether a cursor is a position in the life.
func (l *life) has(c Cursor) bool {
	return l.inc == c.inc && c.seq <= uint64(len(l.facts)) && (c.seq == 0 || c.at == 0 || l.facts[c.seq-1].storedAt(c.at))
}

// life is the newest life that had begun by then and in which a cursor is a position; -1 if there is none.
func (m *model) life(c Cursor, when int64) int {
	for i, l := range slices.Backward(m.lives) {
		if l.began <= when && l.has(c) {
			return i
		}
	}
	return -1
}

// shared is the sequence up to which two lives are the same; -1 where one of them is not the other rolled back.
func (m *model) shared(a, b int) int {
	n := math.MaxInt
	for i := min(a, b) + 1; i <= max(a, b); i++ {
		n = min(n, m.lives[i].base)
	}
	if n == 0 {
		return -1
	}
	return n
}

// rolledBack says whether the stream had been rolled back by then.
func (r *reading) rolledBack(when int64) bool {
	return slices.ContainsFunc(r.lives, func(l *life) bool { return l.base > 0 && l.began <= when })
}

// gone says whether an event may have left the stream by then.
func (m *model) gone(life int, seq uint64, when int64) bool {
	f := m.lives[life].facts[seq-1]
	return f.left != 0 && f.leaving <= when
}

// missing says whether an event is one that must have been told by then.
func (r *reading) missing(life int, seq uint64, when int64) bool {
	f := r.lives[life].facts[seq-1]
	return r.wants(f.subject) && (!r.gone(life, seq, when) || f.front && !r.open())
}

// hidden is the last position, not before the reading's, from which nobody can know that the stream is another life of it by then, as
// nothing is stored any more that took the place of what it was up to there (ADR 0002); ok is false where there is none. The log may have
// come there before the roll-back with nothing to tell on the way.
func (r *reading) hidden(life int, when int64) (pos uint64, ok bool) {
	shared, facts := r.shared(r.life, life), uint64(len(r.lives[life].facts))
	if shared < 0 || life <= r.life || facts < r.pos {
		return 0, false
	}
	shows := func(seq uint64) bool { return seq > uint64(shared) && !r.gone(life, seq, when) } // it shows that the stream is another one
	for s := uint64(shared) + 1; s <= r.pos; s++ {
		if shows(s) {
			return 0, false
		}
	}
	was := uint64(len(r.lives[r.life].facts))
	for pos = r.pos; pos < min(facts, was) && !shows(pos+1) && !r.missing(r.life, pos+1, when); {
		pos++
	}
	return pos, pos > uint64(shared)
}

// open says that whatever is stored was asked for, and nothing has come yet: what has left the stream is no loss.
func (r *reading) open() bool { return r.fresh && (r.start.Kind == First || r.start.Kind == Last) }

// step goes on to a sequence that is there in one of the lives, if everything that matches before it has been told.
//
// Where the stream was rolled back, its log goes on with what it has in memory, of the life before, until its tail has found out. Meanwhile
// a replay whose start was looked up in the newer life may be placed in that memory: there it is torn. Within each of the two nothing may be
// missing, and what is live is not torn. From then on it is one in the older life: like all that were there, it is told nothing of a newer
// one before a reset, unless nothing shows the tail any more that there is one, see hidden. (What was read from JetStream is never torn, see
// join; that is not asked here.)
func (r *reading) step(seq uint64, when int64, there func(*life) bool) error {
	var missed error
	torn := -1
	for to, l := range slices.Backward(r.lives) {
		if l.began > when || !there(l) {
			continue
		}
		for via := range slices.Backward(r.lives) {
			from, err := r.from(via, when)
			for _, pos := range from {
				whole, missing := r.through(pos, via, to, seq, when)
				switch {
				case whole:
					r.life, r.pos = to, seq
					return nil
				case missing != nil:
					err = missing
				case !r.live:
					torn = to
				}
			}
			if err != nil && (missed == nil || via == to) {
				missed = err
			}
		}
	}
	switch {
	case torn >= 0:
		r.life, r.pos = torn, seq
		return nil
	case missed != nil:
		return missed
	}
	return fmt.Errorf("not what was stored there in any life of %d by then", len(r.lives))
}

// from are the positions in a life from which the reading may go on there by then: its own, and where nobody knows that it is another one.
func (r *reading) from(life int, when int64) (pos []uint64, err error) {
	if r.lives[life].began > when {
		return nil, fmt.Errorf("life %d had not begun", life)
	}
	if r.shared(r.life, life) >= int(r.pos) {
		pos = append(pos, r.pos)
	}
	if hidden, ok := r.hidden(life, when); ok {
		pos = append(pos, hidden)
	}
	if len(pos) == 0 && r.open() && life > r.life && r.lives[life].base > 0 {
		pos = append(pos, 0) // all that it asked for is gone, and nothing came: what is stored now is what it asks for
	}
	if len(pos) == 0 {
		err = fmt.Errorf("not told that the stream is another one, after everything up to %d of life %d", r.pos, r.life)
	}
	return pos, err
}

// through says whether everything between a position and a sequence may have been told, or be missing, when it was read in one life up to
// some place, and in another one from there on; whole, that there is such a place at which the two are the same.
func (r *reading) through(pos uint64, via, to int, seq uint64, when int64) (whole bool, err error) {
	read := pos // in the one
	for read+1 < seq && read < uint64(len(r.lives[via].facts)) && !r.missing(via, read+1, when) {
		read++
	}
	rest := seq // in the other
	for rest-1 > pos && !r.missing(to, rest-1, when) {
		rest--
	}
	if rest > read+1 {
		return false, fmt.Errorf("sequence %d is missing, between %d and %d: %+v", rest-1, r.pos, seq, *r.lives[to].facts[rest-2])
	}
	whole = r.shared(via, to) >= int(rest-1)
	if !whole && via < to {
		return false, fmt.Errorf("read in life %d up to %d, and then in life %d", via, read, to)
	}
	return whole, nil
}
