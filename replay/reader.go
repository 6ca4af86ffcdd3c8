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
	end  uint64  // the stream ended here or beyond when messages were last asked for
	done bool    // there were no more then
	held *stored // read, but not yet handed out

	turns   Turns            // of which it has one
	changed chan nats.Status // the connection is another one: what was asked for does not come any more
}

// read makes a reader of what is stored after pos, of a stream that ends at end or beyond. It waits for its turn among those that share
// turns, and then for a slot. The caller must call close.
func (l *Log) read(ctx context.Context, turns Turns, set *subjects.Set, pos, end uint64, headers bool) (*reader, error) {
	if err := l.queue(ctx, turns); err != nil {
		return nil, err
	}
	changed := l.stream.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	c, err := l.stream.consume(ctx, consumerConfig{
		purpose: "replay", start: pos + 1, subjects: filters(set), headers: headers, queue: readBatch, inactive: readInactive,
	})
	if err != nil {
		l.stream.nc.RemoveStatusListener(changed)
		l.leave(turns)
		return nil, err
	}
	l.stats.reading.Add(1)
	return &reader{log: l, c: c, end: end, done: c.pending == 0, turns: turns, changed: changed}, nil
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

// message is the next stored message of a stream that by now ends at end or beyond; errEnd where there were no more when they were asked
// for, which is some time ago where the reader is slow.
func (r *reader) message(ctx context.Context, end uint64) (stored, error) {
	if m := r.held; m != nil {
		r.held = nil
		return *m, nil
	}
	lost := time.NewTimer(2 * apiTimeout)
	defer lost.Stop()
	for !r.done {
		if r.c.wanted <= 0 {
			r.c.wanted, r.end = 0, end
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

// chunk reads the events that r wants up to a sequence, and returns the position that they reach.
func (rd *reader) chunk(ctx context.Context, r *replayer, upTo uint64) (events []*Event, pos uint64, err error) {
	pos = r.pos
	for bytes, n := 0, 0; bytes < r.chunk && n < readBatch && (r.most == 0 || len(events) < r.most); n++ {
		m, err := rd.message(ctx, upTo)
		if errors.Is(err, errEnd) {
			return events, max(pos, rd.end), nil
		}
		if err != nil {
			return nil, r.pos, err
		}
		if m.seq > upTo {
			rd.held = &m
			return events, max(pos, upTo), nil
		}
		pos = m.seq
		if m.at < r.since || !r.wants(m.Subject) {
			continue
		}
		if e := rd.log.event(m, r.inc); e.Subject != "" {
			events = append(events, e)
			bytes += e.size()
		}
	}
	return events, pos, nil
}
