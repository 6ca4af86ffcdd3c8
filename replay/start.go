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
func (r *replayer) locateStart(ctx context.Context, start Start) error {
	if _, err := r.log.watch.fresh(ctx); err != nil && !r.inMemory(start) {
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
		r.open = true
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		r.begin(Cursor{inc: r.log.inc, seq: r.log.first - 1})
	default:
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		r.begin(r.log.headCursor())
	}
	return nil
}

// begin places the replay. The caller holds the log's lock.
func (r *replayer) begin(at Cursor) {
	r.at, r.pos, r.gen, r.inc = at, at.floor(), r.log.gen, r.log.inc
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

// after begins after a cursor.
func (r *replayer) after(ctx context.Context, c Cursor) error {
	began := time.Now()
	for {
		r.log.mu.Lock()
		verdict, known := r.log.locate(c)
		if known {
			r.begin(c)
		}
		r.log.mu.Unlock()
		if !known {
			var st state
			var err error
			if verdict, st, err = r.log.stream.verify(ctx, c); err != nil {
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			r.log.mu.Lock()
			r.begin(c)
			if st.inc != r.inc { // the tail has yet to see that the stream is another one
				verdict = ahead
			}
			r.log.mu.Unlock()
		}
		if verdict != ahead || time.Since(began) > patience {
			r.reason = verdict.reason()
			return nil
		}
		r.log.tail.kick()
		select {
		case <-time.After(minBackoff * 10):
		case <-ctx.Done():
			return ctx.Err()
		}
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

// sinceTime begins before the first message stored at or after t.
func (r *replayer) sinceTime(ctx context.Context, t time.Time) error {
	l, at, notBefore := r.log, t.UnixNano(), r.since
	r.since = max(at, notBefore)
	l.mu.Lock()
	known := true
	switch {
	case at > l.win.head.at: // all that is still to come is asked for, by its place: a clock may be set back
		r.since = notBefore
		r.begin(l.headCursor())
	case l.win.low.at != 0 && at > l.win.low.at:
		e := l.win.at(l.win.searchTime(at))
		r.begin(Cursor{inc: l.inc, seq: e.Seq, at: e.Stored, before: true})
	default:
		known = false
	}
	l.mu.Unlock()
	if known {
		return nil
	}
	p, err := l.stream.nextTime(ctx, t)
	if err != nil && !errors.Is(err, errNoMessage) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		r.begin(l.headCursor())
	} else {
		r.begin(Cursor{inc: l.inc, seq: p.seq, at: p.at, before: true})
	}
	if l.lostSince(at, p) {
		r.reason = ReasonExpired
	}
	return nil
}

// lostSince says whether messages stored at or after a time may have left the stream already; oldest is the first that has not. It is
// certain where the newest message that left is known, and otherwise says yes rather than hide a loss. The caller holds the lock.
func (l *Log) lostSince(at int64, oldest position) bool {
	switch {
	case l.first <= 1, oldest.seq > l.first:
		return false // nothing has left, or something older is still stored
	case l.gone.seq == l.first-1 && l.gone.at != 0:
		return l.gone.at >= at
	default:
		return true
	}
}

// last begins before the n-th newest event that matches, or before the oldest where fewer are stored.
func (r *replayer) last(ctx context.Context, n int) error {
	l := r.log
	r.open = true
	l.mu.Lock()
	r.begin(l.headCursor())
	low := l.win.low.seq
	for i := l.win.count - 1; i >= 0 && n > 0; i-- {
		if e := l.win.at(i); e.Subject != "" && e.Stored >= r.since && r.wants(e.Subject) {
			r.begin(Cursor{inc: l.inc, seq: e.Seq, at: e.Stored, before: true})
			n--
		}
	}
	first := l.first
	l.mu.Unlock()
	for span := uint64(1000); n > 0 && low+1 > first; span *= 4 {
		from := first - 1
		if low > span {
			from = max(from, low-span)
		}
		found, err := r.scan(ctx, from, low)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			p := found[max(0, len(found)-n)]
			r.at, r.pos = Cursor{inc: r.inc, seq: p.seq, at: p.at, before: true}, p.seq-1
		}
		n -= len(found)
		low = from
	}
	return nil
}
