package replay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// resolve finds the position at which a start lies, r.pos, with its cursor, r.at; or r.reason, why it cannot be honoured.
func (r *replayer) resolve(ctx context.Context, start Start) error {
	if t := r.view.NotBefore; !t.IsZero() {
		r.since = t.UnixNano()
	}
	if err := r.locateStart(ctx, start); err != nil || start.Kind != After {
		return err
	}
	return r.limitReach(ctx)
}

// limitReach finds whether a replay after a cursor would have to go further back than it may.
func (r *replayer) limitReach(ctx context.Context) error {
	if r.since == 0 || r.reason != "" || r.at.at >= r.since {
		return nil
	}
	r.log.mu.Lock()
	w := r.log.win
	atHead, inWindow := r.pos >= w.head.seq, r.pos >= w.low.seq
	var next position
	if i := w.search(r.pos + 1); inWindow && i < w.count {
		next = position{w.at(i).Seq, w.at(i).Stored}
	}
	r.log.mu.Unlock()
	if atHead {
		return nil
	}
	if !inWindow {
		var err error
		if next, err = r.log.stream.next(ctx, r.pos+1); errors.Is(err, errNoMessage) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	if next.at < r.since {
		r.reason = ReasonExpired
	}
	return nil
}

// locateStart finds the position, whether or not it may be gone back to.
//
// Whatever is looked up is only true of the stream as it was when it was asked. So the log's generation is taken before each question, and
// what was found counts only if it is still the same afterwards and the position lies at or before the head: from there on it is guarded by
// the tail, which finds out when the stream is no longer what it was up to the head, and by that ends every replay.
func (r *replayer) locateStart(ctx context.Context, start Start) error {
	gen := r.log.generation()
	st, err := r.log.watch.fresh(ctx)
	if err != nil && !r.inMemory(start) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch start.Kind {
	case After:
		return r.after(ctx, start.After)
	case Since:
		return r.sinceTime(ctx, start.Since)
	case Last:
		return r.last(ctx, start.Last)
	case First:
		return r.first(ctx, gen, st)
	default:
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		r.begin(r.log.headCursor())
	}
	return nil
}

// generation is to be taken before the stream is asked for a position.
func (l *Log) generation() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gen
}

// begin places the replay. The caller holds the log's lock.
func (r *replayer) begin(at Cursor) {
	r.at, r.mark, r.pos, r.gen, r.inc = at, at, at.floor(), r.log.gen, r.log.inc
}

// inMemory says whether a start can be honoured from the window alone, while the stream cannot be asked.
func (r *replayer) inMemory(start Start) bool {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	switch start.Kind {
	case Now:
		return true
	case After:
		known, _ := l.win.holds(start.After.seq, start.After.at)
		return known && start.After.inc == l.inc
	case Since:
		return l.win.low.at != 0 && start.Since.UnixNano() > l.win.low.at
	default:
		return false
	}
}

// after begins after a cursor, once it has been found to be a position in the stream and the head has come to it; or finds why not.
func (r *replayer) after(ctx context.Context, c Cursor) error {
	for began := time.Now(); ; {
		found, err := r.ask(ctx, c, time.Since(began) > patience)
		if err != nil {
			return err
		}
		switch found {
		case placed:
			return nil
		case early: // another bridge was faster than our tail
			err = r.comes(ctx, c)
			began = time.Now() // it was in the stream until now
		case unsettled:
			err = r.look(ctx, false)
		case unseen:
			err = r.look(ctx, true)
		}
		if err != nil {
			return err
		}
	}
}

// comes waits until the head is at a cursor that lies beyond it, or there is something to ask again: the stream may have been rolled back to
// before the cursor, and no further than to the head, so that the tail misses nothing.
func (r *replayer) comes(ctx context.Context, c Cursor) error {
	l := r.log
	for {
		soon, cancel := context.WithTimeout(ctx, watchEvery)
		err := l.await(soon, func() bool {
			return r.gen != l.gen || c.seq <= l.win.head.seq || c.floor()+1 < l.first
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		if st, err := l.watch.fresh(ctx); err == nil && (st.inc != c.inc || st.last.seq < c.seq) {
			return nil
		}
	}
}

// What a question about a cursor leads to.
type answer int

const (
	again     answer = iota // the log began anew meanwhile: the answer is about what was before
	placed                  // the replay has been placed, or r.reason says why it cannot be
	early                   // it is a position in the stream, but the head has not come to it
	unsettled               // it lies beyond the stream's end, as it seems
	unseen                  // the tail does not know the stream as it is now
)

// ask asks once what a cursor is worth, in memory or else at the leader. The last time, what is not settled is taken for what it seems.
func (r *replayer) ask(ctx context.Context, c Cursor, last bool) (answer, error) {
	l := r.log
	l.mu.Lock()
	verdict, known := l.locate(c)
	gen, reached := l.gen, c.inc == l.inc && c.seq <= l.win.head.seq
	if known {
		r.begin(c)
		r.reason = verdict.reason()
	}
	l.mu.Unlock()
	if known {
		return placed, nil
	}
	verdict, st, err := l.stream.verify(ctx, c, l.watch.fresh)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	other := st.inc != l.inc
	switch {
	case gen != l.gen:
		return again, nil
	case last && other && verdict == valid:
		verdict = ahead
	case last:
	case other, verdict == ahead && st.last.seq < l.win.head.seq:
		return unseen, nil
	case verdict == ahead:
		return unsettled, nil
	}
	if verdict == valid && !reached {
		r.gen = gen
		return early, nil
	}
	r.begin(c)
	r.reason = verdict.reason()
	return placed, nil
}

// look gives the stream some time to become what it was seen to be, and has the tail look at it where it does not know of that yet.
func (r *replayer) look(ctx context.Context, stale bool) error {
	if stale {
		r.log.tail.kick()
	}
	select {
	case <-time.After(10 * minBackoff):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// locate judges a cursor by what is in memory. The caller holds the lock.
func (l *Log) locate(c Cursor) (v verdict, known bool) {
	if c.inc != l.inc {
		return 0, false
	}
	if c.floor()+1 < l.first {
		return expired, true
	}
	known, ok := l.win.holds(c.seq, c.at)
	if known && !ok {
		return foreign, true
	}
	return valid, known
}

// first begins before the oldest stored message. st is the stream's state, asked for in the generation gen.
func (r *replayer) first(ctx context.Context, gen uint64, st state) error {
	l := r.log
	r.open = true
	for began := time.Now(); ; {
		front := Cursor{inc: st.inc, seq: st.first, at: st.firstAt, before: true}
		if st.firstAt == 0 {
			front = Cursor{inc: st.inc, seq: st.last.seq, at: st.last.at}
		}
		l.mu.Lock()
		placed := gen == l.gen && st.inc == l.inc && front.floor() <= l.win.head.seq
		if placed {
			r.begin(front)
		}
		stale := st.inc != l.inc
		l.mu.Unlock()
		switch {
		case placed:
			return nil
		case time.Since(began) > patience:
			return fmt.Errorf("%w: the stream is not yet followed to sequence %d", ErrUnavailable, front.floor())
		}
		if err := r.look(ctx, stale); err != nil {
			return err
		}
		gen = l.generation()
		var err error
		if st, err = l.watch.fresh(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// found begins after a cursor that find has looked up, and has it looked up again where the stream changed between the two.
func (r *replayer) found(ctx context.Context, find func() (Cursor, error)) error {
	for began := time.Now(); ; {
		c, err := find()
		if err == nil {
			err = r.after(ctx, c)
		}
		switch {
		case err != nil:
			return err
		case r.reason != ReasonStream:
			return nil
		case time.Since(began) > patience:
			return fmt.Errorf("%w: the stream keeps changing", ErrUnavailable)
		}
		r.reason = ""
		if err := r.look(ctx, true); err != nil {
			return err
		}
	}
}

// sinceTime begins before the first message stored at or after t. All that follows it is handed over, by its place: a clock may be set back.
func (r *replayer) sinceTime(ctx context.Context, t time.Time) error {
	l, at, sure := r.log, max(t.UnixNano(), r.since), false
	err := r.found(ctx, func() (c Cursor, err error) {
		c, sure, err = l.since(ctx, r, at)
		return c, err
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !sure && l.lostSince(at, r.at) {
		r.reason = ReasonExpired
	}
	return nil
}

// since finds the position before the first message stored at or after a time. sure says that none of those can have left the stream.
// The position is one in the stream that the log follows only if a look at the stream confirms it.
func (l *Log) since(ctx context.Context, r *replayer, at int64) (c Cursor, sure bool, err error) {
	l.mu.Lock()
	head, inc, low := l.headCursor(), l.inc, l.win.low
	_, unclear := l.clock.unclear(at)
	switch i := l.win.searchTime(at, unclear); {
	case unclear:
	case at > head.at: // all that is still to come
		c, sure = head, true
	case low.at != 0 && at > low.at && i < l.win.count:
		c, sure = before(inc, l.win.at(i)), true
	}
	l.mu.Unlock()
	switch {
	case sure:
		return c, true, nil
	case unclear:
		c, err = l.search(ctx, r, at)
		return c, false, err
	}
	p, err := l.stream.nextTime(ctx, time.Unix(0, at))
	switch {
	case err == nil:
		return Cursor{inc: inc, seq: p.seq, at: p.at, before: true}, false, nil
	case !errors.Is(err, errNoMessage):
		return Cursor{}, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// Nothing, says the stream. What came after the head meanwhile is still to be handed over, and what is in memory is not known to be gone.
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.win.searchTime(at, false); inc == l.inc && i < l.win.count && l.win.at(i).Seq <= head.seq {
		return before(inc, l.win.at(i)), false, nil
	}
	return head, false, nil
}

// before is the position just before an event.
func before(inc uint64, e *Event) Cursor {
	return Cursor{inc: inc, seq: e.Seq, at: e.Stored, before: true}
}

// search looks at every message for the first stored at or after a time, where the order of their times is no help.
func (l *Log) search(ctx context.Context, r *replayer, at int64) (Cursor, error) {
	from := uint64(0)
	for {
		l.mu.Lock()
		inc, head, low := l.inc, l.headCursor(), l.win.low.seq
		if from = max(from, l.first-1); from >= low {
			defer l.mu.Unlock()
			if i := l.win.searchTime(at, true); i < l.win.count {
				return before(inc, l.win.at(i)), nil
			}
			return head, nil
		}
		l.mu.Unlock()
		found := Cursor{}
		err := r.scan(ctx, from, low, func(p position) bool {
			if p.at >= at {
				found = Cursor{inc: inc, seq: p.seq, at: p.at, before: true}
			}
			return found.IsZero()
		})
		if err != nil || !found.IsZero() {
			return found, err
		}
		from = low
	}
}

// lostSince says whether messages stored at or after a time may have left the stream already; oldest is the first that has not. It is
// certain where the newest message that left is known, and otherwise says yes rather than hide a loss. The caller holds the lock.
func (l *Log) lostSince(at int64, oldest Cursor) bool {
	if s, unclear := l.clock.unclear(at); unclear && s.high.seq < l.first {
		return true
	}
	switch {
	case l.first <= 1, oldest.before && oldest.seq > l.first:
		return false // nothing has left, or something older is still stored
	case l.gone.seq == l.first-1 && l.gone.at != 0:
		return l.gone.at >= at
	default:
		return true
	}
}

// last begins before the n-th newest event that matches, or before the oldest where fewer are stored.
func (r *replayer) last(ctx context.Context, n int) error {
	r.open = true
	err := r.found(ctx, func() (Cursor, error) { return r.newest(ctx, n) })
	if r.reason == ReasonExpired {
		r.reason = "" // fewer are stored by now
	}
	return err
}

// newest finds the position before the n-th newest event that matches.
func (r *replayer) newest(ctx context.Context, n int) (Cursor, error) {
	l := r.log
	l.mu.Lock()
	c, inc, low, first := l.headCursor(), l.inc, l.win.low.seq, l.first
	for i := l.win.count - 1; i >= 0 && n > 0; i-- {
		if e := l.win.at(i); e.Subject != "" && e.Stored >= r.since && r.wants(e.Subject) {
			c = before(inc, e)
			n--
		}
	}
	l.mu.Unlock()
	for span := uint64(1000); n > 0 && low+1 > first; span *= 4 {
		from := first - 1
		if low > span {
			from = max(from, low-span)
		}
		var found []position
		err := r.scan(ctx, from, low, func(p position) bool {
			found = append(found, p)
			return true
		})
		if err != nil {
			return c, err
		}
		if len(found) > 0 {
			p := found[max(0, len(found)-n)]
			c = Cursor{inc: inc, seq: p.seq, at: p.at, before: true}
		}
		n -= len(found)
		low = from
	}
	return c, nil
}
