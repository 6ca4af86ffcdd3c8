package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/livebridge/livebridge/subjects"
)

// A replayer reads what is stored after a position, from JetStream as long as that lies before the window, then from the window, up to
// the head. It belongs to one goroutine.
type replayer struct {
	log   *Log
	set   *subjects.Set
	view  View
	turns Turns
	chunk int   // bytes of events taken at once
	most  int   // events taken at once; 0 = as many as fit into chunk
	since int64 // events stored before this time are left out, Unix nanoseconds; 0 = none
	open  bool  // whatever is stored was asked for: what has left the stream before the first event is no loss

	pos    uint64 // everything that matches up to here has been handed over
	at     Cursor // where the replay began
	inc    uint64
	gen    uint64
	reason Reason // why it cannot begin there

	reader  *reader
	backoff time.Duration
}

// A resetError says that events are missing that cannot be replayed.
type resetError struct{ reason Reason }

func (e resetError) Error() string { return "events are missing: " + string(e.reason) }

// replayer finds the start. The caller must call close.
func (l *Log) replayer(ctx context.Context, turns Turns, set *subjects.Set, view View, start Start, chunk int) (*replayer, error) {
	r := &replayer{log: l, turns: turns, set: set, view: view, chunk: chunk}
	if err := r.resolve(ctx, start); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// wants says whether an event of that subject is to be handed over.
func (r *replayer) wants(subject string) bool { return r.set.Match(subject) && r.view.shows(subject) }

// close gives back what the replay holds in JetStream. The replay can still go on.
func (r *replayer) close() {
	if r.reader != nil {
		r.reader.close()
		r.reader = nil
	}
}

// next takes the next events that match. At the head it calls atHead with the last of them while it holds the log's lock, and returns
// true. An error other than a resetError is JetStream's: the caller may pause and call again.
func (r *replayer) next(ctx context.Context, atHead func([]*Event)) ([]*Event, bool, error) {
	l := r.log
	for {
		l.mu.Lock()
		low := l.win.low.seq
		switch {
		case r.gen != l.gen:
			l.mu.Unlock()
			return nil, false, resetError{ReasonStream}
		case r.pos+1 < l.first && r.reader == nil && !r.open:
			l.mu.Unlock()
			return nil, false, resetError{ReasonExpired}
		case r.pos >= low && r.pos <= l.win.head.seq:
			events, all := r.take()
			r.open = r.open && len(events) == 0
			if all {
				atHead(events)
			}
			l.mu.Unlock()
			r.close()
			return events, all, nil
		}
		l.mu.Unlock()
		if r.pos > low {
			// Another bridge was faster than our tail, or the tail is about to find that the stream lost its end.
			if err := l.await(ctx, func() bool { return r.gen != l.gen || r.pos <= l.win.head.seq }); err != nil {
				return nil, false, err
			}
			continue
		}
		events, err := r.read(ctx, low)
		if err != nil || len(events) > 0 {
			return events, false, err
		}
	}
}

// scanned is how many events are looked at in one critical section.
const scanned = 4096

// take takes events from the window, and says whether they are all that is there. The caller holds the log's lock.
func (r *replayer) take() (events []*Event, all bool) {
	w, bytes := r.log.win, 0
	for i, looked := w.search(r.pos+1), 0; i < w.count; i, looked = i+1, looked+1 {
		e := w.at(i)
		if looked == scanned || bytes >= r.chunk || r.most > 0 && len(events) == r.most {
			return events, false
		}
		if e.Subject != "" && e.Stored >= r.since && r.wants(e.Subject) {
			events = append(events, e)
			bytes += e.size()
		}
		r.pos = e.Seq
	}
	r.pos = w.head.seq
	return events, true
}

// read takes events from JetStream, up to a sequence from which on they are in the window.
func (r *replayer) read(ctx context.Context, upTo uint64) ([]*Event, error) {
	began := r.pos
	if r.reader == nil {
		rd, err := r.log.read(ctx, r.turns, r.set, r.pos, upTo, false)
		if err != nil {
			return nil, err
		}
		r.reader = rd
	}
	events, pos, err := r.reader.chunk(ctx, r, upTo)
	if err == nil {
		err = r.whole(ctx, began, events)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	r.pos, r.backoff = pos, 0
	if r.reader.done {
		r.close() // it would not see what has come since
	}
	r.open = r.open && len(events) == 0
	r.log.stats.fromStream.Add(uint64(len(events)))
	return events, nil
}

// whole makes sure that the events which were read after a position are all that there were: what left the stream at its front meanwhile
// may have left it unread.
func (r *replayer) whole(ctx context.Context, began uint64, events []*Event) error {
	st, err := r.log.watch.fresh(ctx)
	if err != nil {
		return err
	}
	if st.inc != r.inc {
		r.log.tail.kick()
		return errors.New("the stream was deleted and created again")
	}
	if r.open && len(events) > 0 {
		began = events[0].Seq
	}
	if st.first > began+1 && (!r.open || len(events) > 0) {
		return resetError{ReasonExpired}
	}
	return nil
}

// pause waits before JetStream is asked again.
func (r *replayer) pause(ctx context.Context, why error) {
	r.backoff = min(max(2*r.backoff, minBackoff), maxBackoff)
	r.log.cfg.Logger.Debug("replay interrupted", "after", r.pos, "cause", why, "again_in", r.backoff)
	select {
	case <-time.After(r.backoff):
	case <-ctx.Done():
	}
}

// scan finds the messages in (from, upTo] that match.
func (r *replayer) scan(ctx context.Context, from, upTo uint64) ([]position, error) {
	rd, err := r.log.read(ctx, r.turns, r.set, from, upTo, true)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer rd.close()
	var found []position
	for {
		m, err := rd.message(ctx, upTo)
		if errors.Is(err, errEnd) || err == nil && m.seq > upTo {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if _, err := subjects.Parse(m.Subject); err == nil && m.at >= r.since && r.wants(m.Subject) {
			found = append(found, m.position)
		}
	}
}
