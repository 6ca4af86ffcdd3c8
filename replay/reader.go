package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/subjects"
)

// How a replay reads from JetStream.
const (
	readBatch    = 2000
	readBytes    = 4 << 20
	readInactive = 30 * time.Second

	// maxFilters is how many filter subjects a consumer is given. Beyond it the server takes longer to find what matches than to deliver
	// all of the resource (measured: 50 filters 0.7 s, 1,000 filters 0.3 s only to create the consumer).
	maxFilters = 8
)

// A reader reads stored messages from a position, in order, up to the end of the stream. It takes one of the log's slots.
type reader struct {
	log  *Log
	c    *consumer
	done bool    // there were no more when messages were last asked for
	held *stored // read, but not yet handed out

	filters []string
	turns   Turns            // of which it has one
	changed chan nats.Status // the connection is another one: what was asked for does not come any more
}

// read makes a reader of what is stored after pos. It waits for its turn among those that share turns, and then for a slot. The caller
// must call close.
func (l *Log) read(ctx context.Context, turns Turns, set *subjects.Set, pos uint64, headers bool) (*reader, error) {
	if err := l.queue(ctx, turns); err != nil {
		return nil, err
	}
	changed := l.stream.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	wanted := filters(set)
	c, err := l.stream.consume(ctx, consumerConfig{
		purpose: "replay", start: pos + 1, subjects: wanted, headers: headers, queue: readBatch, inactive: readInactive,
	})
	if err != nil {
		l.stream.nc.RemoveStatusListener(changed)
		l.leave(turns)
		return nil, err
	}
	l.stats.reading.Add(1)
	return &reader{log: l, c: c, done: c.pending == 0, filters: wanted, turns: turns, changed: changed}, nil
}

func (r *reader) close() {
	r.c.close()
	r.log.stream.nc.RemoveStatusListener(r.changed)
	r.log.stats.reading.Add(-1)
	r.log.leave(r.turns)
}

// filters are the subjects that a consumer is given: the set's own, or one that covers them where they are too many.
func filters(set *subjects.Set) []string {
	if p := set.Patterns(); len(p) <= maxFilters {
		return p
	}
	f := set.Filter()
	if f.Resource == subjects.Wildcard {
		return []string{subjects.All}
	}
	return []string{subjects.Root + "." + subjects.Escape(f.Resource) + ".*.*"}
}

// message is the next stored message; errEnd where there were no more when they were asked for, which is some time ago where the reader
// is slow.
func (r *reader) message(ctx context.Context) (stored, error) {
	if m := r.held; m != nil {
		r.held = nil
		return *m, nil
	}
	lost := time.NewTimer(2 * apiTimeout)
	defer lost.Stop()
	for !r.done {
		if r.c.wanted <= 0 {
			r.c.wanted = 0
			if err := r.c.pull(readBatch, readBytes, 0, 0); err != nil {
				return stored{}, err
			}
		}
		select {
		case m := <-r.c.msgs:
			got, err := r.c.accept(m)
			switch {
			case err == nil:
				r.done = r.c.pending == 0
				return got, nil
			case errors.Is(err, errPullDone):
			case errors.Is(err, errEnd):
				r.done = true
			default:
				return stored{}, err
			}
		case <-r.changed:
			return stored{}, fmt.Errorf("%w: the connection to NATS changed", ErrUnavailable)
		case <-lost.C:
			return stored{}, fmt.Errorf("%w: no delivery for %s", ErrUnavailable, 2*apiTimeout)
		case <-ctx.Done():
			return stored{}, ctx.Err()
		}
	}
	return stored{}, errEnd
}

// nothing asks the leader how far after pos there is nothing that the consumer should have delivered: to upTo, if all is well, but a
// consumer lives on any server of a cluster, also on one that lags behind.
func (r *reader) nothing(ctx context.Context, pos, upTo uint64) (uint64, error) {
	for _, filter := range r.filters {
		p, err := r.log.stream.find(ctx, map[string]any{"seq": pos + 1, "next_by_subj": filter, "no_hdr": true})
		switch {
		case errors.Is(err, errNoMessage):
		case err != nil:
			return pos, err
		case p.seq <= upTo:
			upTo = p.seq - 1
		}
	}
	return upTo, nil
}

// A reached is how far a chunk goes.
type reached struct {
	pos  uint64 // everything that matches up to here has been read
	mark Cursor // the newest position at or before it that can be verified
}

// chunk reads the events that r wants up to a sequence.
func (rd *reader) chunk(ctx context.Context, r *replayer, upTo uint64) (events []*Event, to reached, err error) {
	to = reached{r.pos, r.mark}
	for bytes, n := 0, 0; bytes < r.chunk && n < readBatch && (r.most == 0 || len(events) < r.most); {
		m, err := rd.message(ctx)
		if errors.Is(err, errEnd) {
			to.pos, err = rd.nothing(ctx, to.pos, max(to.pos, upTo))
			return events, to, err
		}
		if err != nil {
			return nil, to, err
		}
		if m.seq > upTo {
			rd.held = &m
			to.pos = max(to.pos, upTo)
			return events, to, nil
		}
		to = reached{m.seq, Cursor{inc: r.inc, seq: m.seq, at: m.at}}
		n++
		if m.at < r.since || !r.wants(m.Subject) {
			continue
		}
		if e := rd.log.event(m, r.inc); e.Subject != "" {
			events = append(events, e)
			bytes += e.size()
		}
	}
	return events, to, nil
}
