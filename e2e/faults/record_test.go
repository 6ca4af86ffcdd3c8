//go:build linux

package faults

import (
	"fmt"
	"slices"
)

// A filter is what a subscription asks for.
type filter struct {
	resource   string // or *
	types, ids []string
}

func (f *filter) matches(resource, typ, id string) bool {
	return (f.resource == "*" || f.resource == resource) &&
		(len(f.types) == 0 || slices.Contains(f.types, typ)) &&
		(len(f.ids) == 0 || id == "" || slices.Contains(f.ids, id))
}

// numbers is a set of the numbers of events.
type numbers []uint64

func (s numbers) has(n int) bool { return n>>6 < len(s) && s[n>>6]&(1<<(n&63)) != 0 }

func (s *numbers) add(n int) {
	for n>>6 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[n>>6] |= 1 << (n & 63)
}

// A reset is what a subscription was told of a loss.
type reset struct {
	reason string
	at     position
}

// A record is one subscription over all of its connections, and what it was told. It judges as it goes what needs no hindsight.
type record struct {
	filter
	name   string
	cursor string // where to resume; "" = from now
	live   bool

	first position // where it began
	at    position // up to here it has been told everything
	seqs  []uint32 // of each event that was delivered, by number; 0 = it was not
	since numbers  // delivered since the last reset
	count int

	resets                         []reset
	duplicated, reordered, unasked int
	notes                          []string // what was wrong, the first few
}

func (r *record) note(format string, args ...any) {
	if len(r.notes) < 5 {
		r.notes = append(r.notes, r.name+": "+fmt.Sprintf(format, args...))
	}
}

// subscribed is told the cursor after which a subscription starts.
func (r *record) subscribed(cursor string, recovered bool) error {
	p, err := parse(cursor)
	switch {
	case err != nil:
		return err
	case r.cursor == "":
		r.first, r.at, r.cursor = p, p, cursor
	case recovered && p != r.at:
		r.reordered++
		r.note("resumed from %v, not from %v as asked", p, r.at)
	}
	return nil
}

// event is given an event that is for this subscription.
func (r *record) event(f *frame) error {
	p, err := parse(f.Cursor)
	if err != nil {
		return err
	}
	n := f.Payload.N
	switch {
	case !r.matches(f.Resource, f.Type, f.ID):
		r.unasked++
		r.note("event %d (%s.%s.%s) was not asked for", n, f.Resource, f.Type, f.ID)
	case r.since.has(n):
		r.duplicated++
		r.note("event %d came again, at %v after %v", n, p, r.at)
	case p.inc != r.at.inc || p.seq <= r.at.seq:
		r.reordered++
		r.note("event %d came at %v after %v", n, p, r.at)
	}
	r.since.add(n)
	for n >= len(r.seqs) {
		r.seqs = append(r.seqs, 0)
	}
	r.seqs[n] = uint32(p.seq)
	r.count++
	if p.inc != r.at.inc || p.seq > r.at.seq {
		r.at, r.cursor = p, f.Cursor
	}
	return nil
}

// told is given a cursor up to which everything has been told.
func (r *record) told(cursor string) error {
	p, err := parse(cursor)
	if err != nil {
		return err
	}
	if p.inc != r.at.inc || p.seq < r.at.seq {
		r.reordered++
		r.note("told %v after %v", p, r.at)
	}
	r.at, r.cursor = p, cursor
	return nil
}

// wasReset is told of a loss.
func (r *record) wasReset(reason, cursor string) error {
	p, err := parse(cursor)
	if err != nil {
		return err
	}
	r.resets = append(r.resets, reset{reason, p})
	r.at, r.cursor, r.since = p, cursor, nil
	return nil
}

// complete says whether it has been told everything up to the end.
func (r *record) complete(end position) bool {
	return r.live && r.at.inc == end.inc && r.at.seq >= end.seq
}

// covers says whether a reset told of everything up to a position in the stream as it is in the end.
func (r *record) covers(p position) bool {
	return slices.ContainsFunc(r.resets, func(x reset) bool { return x.at.inc == p.inc && x.at.seq >= p.seq })
}

// A policy says what a scenario may do to events that were acknowledged.
type policy int

const (
	exact policy = iota // every one is delivered, and nobody is told to reset
	told                // those that a fault took away are missed; who misses one is told to reset
	gone                // as told, but what is taken away before it was seen is as if it had never been
)

// A verdict is what one subscription missed.
type verdict struct {
	lost int // neither delivered nor told
	away int // taken away by the fault, and told where it has to be
}

// judge compares with what the publishers and the stream know in the end.
func (r *record) judge(entries []*entry, tr *truth, p policy) (v verdict) {
	if len(r.resets) > 0 && p == exact {
		r.note("was told to reset: %v", r.resets)
	}
	for n, e := range entries {
		if !r.matches(e.resource, e.typ, e.id) {
			continue
		}
		seq, stored := tr.stored[n]
		switch {
		case stored && r.first.inc == tr.end.inc && seq <= r.first.seq:
		case n < len(r.seqs) && r.seqs[n] != 0:
			if stored && uint64(r.seqs[n]) != seq && len(r.resets) == 0 {
				r.reordered++
				r.note("event %d came at sequence %d, but is at %d", n, r.seqs[n], seq)
			}
		case !stored && !e.acked:
		case stored && r.covers(position{tr.end.inc, seq}):
			v.away++
		case !stored && (p == gone || p == told && len(r.resets) > 0):
			v.away++
		default:
			v.lost++
			r.note("event %d is lost: stored %t at %d, acknowledged %t at %d, told up to %v", n, stored, seq, e.acked, e.seq, r.at)
		}
	}
	return v
}
