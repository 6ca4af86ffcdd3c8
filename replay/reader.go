package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/subjects"
)

// How a replay reads from JetStream.
const (
	readBatch    = 2000
	readBytes    = 4 << 20
	readAhead    = 1 << 20 // most bytes of events that are read at once, ahead of what is handed over
	readInactive = 30 * time.Second

	far  = 10_000        // messages to look through that are worth a question
	many = readBatch / 2 // messages that are worth a second consumer
	much = 4             // one in so many of the stream's

	// maxFilters is how many filter subjects a consumer is given. Beyond it the server takes longer to find what matches than to deliver
	// all of the resource (measured: 50 filters 0.7 s, 1,000 filters 0.3 s only to create the consumer).
	maxFilters = 8
)

// A reader reads stored messages from a position, in order, up to the end of the stream. It takes one of the log's slots.
type reader struct {
	log  *Log
	c    *consumer
	done bool // there were no more when messages were last asked for
	slab slab

	filters []string         // what the messages that are wanted match
	left    []string         // … and the consumer was not given: none matches any of them
	clear   uint64           // … up to here
	turns   Turns            // of which it has one
	changed chan nats.Status // the connection is another one: what was asked for does not come any more
}

// read makes a reader of what is stored after pos. It waits for its turn among those that share turns, and then for a slot. The caller
// must call close.
func (l *Log) read(ctx context.Context, turns Turns, set *subjects.Set, pos uint64, headers bool) (*reader, error) {
	if err := l.queue(ctx, turns); err != nil {
		return nil, err
	}
	changed := l.reads.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	r := &reader{log: l, filters: filters(set), turns: turns, changed: changed}
	if err := r.consume(ctx, pos, headers); err != nil {
		l.reads.nc.RemoveStatusListener(changed)
		l.leave(turns)
		return nil, err
	}
	l.stats.reading.Add(1)
	r.done = r.c.pending == 0
	return r, nil
}

// consume makes the reader's consumer. To find the next message that matches a filter, the server looks through the subjects of a block of
// them: where many messages match, and much of the stream, all of it is read, and matched here (measured with 1,000 subjects: 12 times as
// fast). With several filters it takes twice as long as with one. Whoever wants one id is to be told of what concerns all of them, too, which
// are few events or none: where none is stored, the consumer has one filter.
func (r *reader) consume(ctx context.Context, pos uint64, headers bool) (err error) {
	cfg := consumerConfig{purpose: "replay", start: pos + 1, subjects: r.filters, headers: headers, queue: 2 * readBatch, inactive: readInactive}
	head := r.log.Head().seq
	span := head - min(head, pos)
	if span >= r.log.far && !headers {
		cfg.subjects, r.left = ofIDs(r.filters)
	}
	if r.c, err = r.log.reads.consume(ctx, cfg); err != nil {
		return err
	}
	if len(r.filters) > 0 && span > 0 && r.c.pending >= max(many, span/much) {
		cfg.subjects = nil
	} else {
		err = r.clears(ctx, head) // asked now that the consumer is there: it lives no longer than the stream's store
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errUnclear):
			r.c.close()
			return err
		}
		cfg.subjects = r.filters
	}
	r.c.close()
	r.left = nil
	r.c, err = r.log.reads.consume(ctx, cfg)
	return err
}

// ofIDs parts filters into those of ids, and those of what concerns every id. Where there are none of ids, all stay together.
func ofIDs(filters []string) (ids, all []string) {
	for _, f := range filters {
		if strings.HasSuffix(f, "."+subjects.None) {
			all = append(all, f)
		} else {
			ids = append(ids, f)
		}
	}
	if len(ids) == 0 {
		return filters, nil
	}
	return ids, all
}

// errUnclear says that something came that the consumer was not given.
var errUnclear = errors.New("the filters that were left out match something")

// clears makes sure that nothing up to a sequence, which is stored, matches what the consumer was not given; the error is errUnclear where
// something may. It looks ahead to the head.
func (r *reader) clears(ctx context.Context, seq uint64) error {
	if len(r.left) == 0 || seq <= r.clear {
		return nil
	}
	upTo := max(seq, r.log.Head().seq)
	for _, filter := range r.left {
		switch found, err := r.log.stream.stores(ctx, filter); {
		case err != nil:
			return err
		case found:
			return errUnclear
		}
	}
	r.clear = upTo
	return nil
}

func (r *reader) close() {
	r.c.close()
	r.log.reads.nc.RemoveStatusListener(r.changed)
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
	for !r.done {
		if err := r.ask(); err != nil {
			return stored{}, err
		}
		m, err := r.arrival(ctx)
		if err != nil {
			return stored{}, err
		}
		got, err := r.c.accept(m)
		switch {
		case err == nil:
			r.done = r.c.pending == 0
			return got, r.clears(ctx, got.seq)
		case errors.Is(err, errPullDone):
		case errors.Is(err, errEnd):
			r.done = true
		default:
			return stored{}, err
		}
	}
	return stored{}, errEnd
}

// ask asks for more messages while half of those that were asked for are still to come, so that the server goes on sending.
func (r *reader) ask() error {
	n := readBatch
	if r.c.wanted > 0 {
		n = int(min(readBatch, int64(r.c.pending)-int64(r.c.wanted))) // a server refuses to wait for more than there are
	}
	if r.c.wanted > readBatch/2 || n <= 0 {
		return nil
	}
	return r.c.pull(n, readBytes, 0, 0)
}

// arrival is the next reply of the server.
func (r *reader) arrival(ctx context.Context) (*nats.Msg, error) {
	select {
	case m := <-r.c.msgs:
		return m, nil
	default:
	}
	lost := time.NewTimer(2 * apiTimeout)
	defer lost.Stop()
	select {
	case m := <-r.c.msgs:
		return m, nil
	case <-r.changed:
		return nil, fmt.Errorf("%w: the connection to NATS changed", ErrUnavailable)
	case <-lost.C:
		return nil, fmt.Errorf("%w: no delivery for %s", ErrUnavailable, 2*apiTimeout)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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

// chunk reads events that r wants, of about so many bytes and no more than most, from a place up to a sequence.
func (rd *reader) chunk(ctx context.Context, r *replayer, from reached, upTo uint64, size, most int) (events []*Event, to reached, err error) {
	to = from
	for bytes, n := 0, 0; bytes < size && n < 4*readBatch && len(events) < most; n++ {
		m, err := rd.message(ctx)
		switch {
		case errors.Is(err, errEnd):
			to.pos, err = rd.nothing(ctx, to.pos, max(to.pos, upTo))
			return events, to, err
		case errors.Is(err, errUnclear):
			to.pos, rd.done = max(to.pos, min(rd.clear, upTo)), true
			return events, to, nil
		case err != nil:
			return nil, to, err
		case m.seq > upTo:
			to.pos, rd.done = max(to.pos, upTo), true
			return events, to, nil
		}
		to = reached{m.seq, Cursor{inc: r.inc, seq: m.seq, at: m.at}}
		if m.at < r.since || !r.wants(m.Subject) {
			continue
		}
		if e := rd.slab.event(rd.log, m, r.inc); e.Subject != "" {
			events = append(events, e)
			bytes += e.size()
		}
	}
	return events, to, nil
}
