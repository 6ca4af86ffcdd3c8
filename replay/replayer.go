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
	mark   Cursor // the newest position at or before pos that can be verified
	inc    uint64
	gen    uint64
	reason Reason // why it cannot begin there

	fetch   *prefetch // reads from JetStream; nil = nothing does
	ready   []*Event  // read and found to be whole, but not handed over
	to      reached   // … how far they go
	apart   bool      // something was read from JetStream: it is not known whether what is in memory follows it
	backoff time.Duration
	doubt   time.Time // since when the mark has not been found in the stream; zero = it was
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

// close gives back what the replay holds, in JetStream and in memory. The replay can still go on.
func (r *replayer) close() {
	r.ready = nil
	if r.fetch != nil {
		r.fetch.close()
		r.fetch = nil
	}
}

// next takes the next events that match. At the head it calls atHead with the last of them while it holds the log's lock, and returns
// true. An error other than a resetError is JetStream's: the caller may pause and call again.
func (r *replayer) next(ctx context.Context, atHead func([]*Event)) ([]*Event, bool, error) {
	l := r.log
	for {
		l.mu.Lock()
		head := l.headCursor()
		inMemory := r.pos >= l.win.low.seq && r.pos <= head.seq
		switch {
		case r.gen != l.gen:
			l.mu.Unlock()
			return nil, false, resetError{ReasonStream}
		case len(r.ready) > 0:
			l.mu.Unlock()
			return r.handOver(), false, nil
		case r.pos+1 < l.first && r.fetch == nil && !r.open:
			l.mu.Unlock()
			return nil, false, resetError{ReasonExpired}
		case inMemory && !r.apart:
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
		var err error
		if inMemory {
			err = r.join(ctx, head)
		} else {
			err = r.read(ctx)
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// handOver takes a chunk of what is ready.
func (r *replayer) handOver() []*Event {
	n := 0
	for bytes := 0; n < len(r.ready) && bytes < r.chunk && (r.most == 0 || n < r.most); n++ {
		bytes += r.ready[n].size()
	}
	events := r.ready[:n]
	if r.ready = r.ready[n:]; len(r.ready) == 0 {
		r.ready, r.pos, r.mark = nil, r.to.pos, r.to.mark
	} else {
		last := events[n-1]
		r.pos, r.mark = last.Seq, last.cursor(r.inc)
	}
	return events
}

// read makes events from JetStream ready.
func (r *replayer) read(ctx context.Context) error {
	fresh := r.fetch == nil
	if fresh {
		rd, err := r.connect(ctx)
		if err != nil {
			return err
		}
		r.fetch = r.prefetch(rd)
	}
	got, more := r.fetch.next(ctx)
	if !more {
		r.close()
		return nil
	}
	err := got.err
	if err == nil {
		err = r.whole(ctx, got)
	}
	if err == nil && fresh && got.to.pos == got.began {
		err = errors.New("the consumer's server is behind the stream's leader")
	}
	if err != nil {
		r.close()
		return err
	}
	r.ready, r.to, r.apart, r.backoff = got.events, got.to, true, 0
	if len(got.events) == 0 {
		r.pos, r.mark = got.to.pos, got.to.mark
	}
	r.open = r.open && len(got.events) == 0
	r.log.stats.fromStream.Add(uint64(len(got.events)))
	return nil
}

// join makes sure that what is in memory follows what was read from JetStream: the stream may have been rolled back, and gone on, before it
// was read, and the tail not have found out. If the head is a position in the stream, then so is everything before it.
func (r *replayer) join(ctx context.Context, head Cursor) error {
	found, _, err := r.log.stream.verify(ctx, head, r.log.watch.fresh)
	if err != nil {
		return err
	}
	if r.apart = found != valid; r.apart {
		r.log.tail.kick()
		return fmt.Errorf("the stream at sequence %d is not what is in memory", head.seq)
	}
	return nil
}

// connect makes a reader, from the newest position that can be verified on, and verifies it when the reader's consumer is there: a consumer
// lives no longer than the stream's store, so what it delivers from then on follows that position. It all counts: that nothing matched
// after the position was said of what the stream was then.
func (r *replayer) connect(ctx context.Context) (*reader, error) {
	rd, err := r.log.read(ctx, r.turns, r.set, r.mark.floor(), false)
	if err != nil {
		return nil, err
	}
	if err := r.follows(ctx); err != nil {
		rd.close()
		return nil, err
	}
	r.pos = r.mark.floor()
	return rd, nil
}

// follows returns nil if the mark is still the position in the stream that it was.
func (r *replayer) follows(ctx context.Context) error {
	found, st, err := r.log.stream.verify(ctx, r.mark, r.log.watch.fresh)
	switch {
	case err != nil:
		return err
	case found == valid, found == expired && r.open:
		r.doubt = time.Time{}
		return nil
	case found == expired:
		return resetError{ReasonExpired}
	case r.doubt.IsZero():
		r.doubt = time.Now()
	case found == foreign && st.inc == r.inc && time.Since(r.doubt) > patience:
		return resetError{ReasonStream}
	}
	r.log.tail.kick() // it will find the same, and end this replay
	return fmt.Errorf("sequence %d is no longer what it was", r.mark.seq)
}

// whole makes sure that the events of a portion are all that there were: what left the stream at its front meanwhile may have left it
// unread.
func (r *replayer) whole(ctx context.Context, got portion) error {
	st, err := got.look.wait(ctx)
	if err != nil {
		return err
	}
	if st.inc != r.inc {
		r.log.tail.kick()
		return errors.New("the stream was deleted and created again")
	}
	if st.last.seq < got.to.pos {
		return fmt.Errorf("the stream ends at sequence %d, before %d, which was delivered", st.last.seq, got.to.pos)
	}
	began := got.began
	if r.open && len(got.events) > 0 {
		began = got.events[0].Seq
	}
	if st.first > began+1 && (!r.open || len(got.events) > 0) {
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

// scan finds the messages in (from, upTo] that match, until found says false.
func (r *replayer) scan(ctx context.Context, from, upTo uint64, found func(position) bool) error {
	rd, err := r.log.read(ctx, r.turns, r.set, from, true)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer rd.close()
	for pos := from; ; {
		m, err := rd.message(ctx)
		if errors.Is(err, errEnd) {
			if pos, err = rd.nothing(ctx, pos, upTo); err == nil && pos < upTo {
				err = errors.New("the consumer's server is behind the stream's leader")
			}
			if err == nil {
				return nil
			}
		}
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		case m.seq > upTo:
			return nil
		}
		pos = m.seq
		if _, err := subjects.Parse(m.Subject); err == nil && m.at >= r.since && r.wants(m.Subject) && !found(m.position) {
			return nil
		}
	}
}
