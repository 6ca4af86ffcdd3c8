//go:build linux

package faults

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// What is published: a few resources, so that every subscription has something to do.
const (
	resources = 8
	records   = 25
)

var types = []string{"created", "updated", "deleted"}

// An entry is one event that a publisher was to store.
type entry struct {
	resource, typ, id string // id "" = no particular record
	acked             bool
	seq               uint64 // as acknowledged; 0 = not said
	tries             int
}

func (e *entry) subject() string {
	id := e.id
	if id == "" {
		id = "_"
	}
	return "live." + e.resource + "." + e.typ + "." + id
}

// A ledger is what the publishers know: the n-th event, and whether it was acknowledged.
type ledger struct {
	mu      sync.Mutex
	entries []*entry
	acked   int
	retries int
	moved   chan struct{} // closed at the next acknowledgement
}

func newLedger() *ledger { return &ledger{moved: make(chan struct{})} }

// draw makes up the next event.
func (l *ledger) draw(rng *rand.Rand) (n int, e *entry) {
	e = &entry{resource: fmt.Sprintf("r%d", rng.IntN(resources)), typ: types[rng.IntN(len(types))], id: strconv.Itoa(rng.IntN(records))}
	if rng.IntN(40) == 0 {
		e.id = ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	return len(l.entries) - 1, e
}

func (l *ledger) tried(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.tries++; e.tries > 1 {
		l.retries++
	}
}

func (l *ledger) ack(e *entry, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.acked, e.seq = true, seq
	l.acked++
	close(l.moved)
	l.moved = make(chan struct{})
}

// count is how many were acknowledged, and a channel that is closed when there are more.
func (l *ledger) count() (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked, l.moved
}

// A truth is what the stream holds in the end.
type truth struct {
	end    position
	stored map[int]uint64 // number of an event → its sequence
	twice  int            // events that are stored more than once
	times  []time.Time    // when each message was stored, in order
}
