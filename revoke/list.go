package revoke

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/auth"
)

// DefaultBucket is the bucket of a [Config] that names none.
const DefaultBucket = "LIVE_REVOKED"

// Config says where the list is. Its zero value is ready for use.
type Config struct {
	Bucket   string       // "" = DefaultBucket
	Replicas int          // of a bucket that has to be created; 0 = 1
	Logger   *slog.Logger // nil = none
}

// A List is the content of the bucket, held in memory. Its methods may be called concurrently.
type List struct {
	cfg     Config
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	changed chan struct{}
	stop    context.CancelFunc
	done    chan struct{}

	following atomic.Bool
	signal    atomic.Bool // somebody is about to be told of a change

	mu      sync.RWMutex
	entries entries
}

// entries are those of one bucket by their keys.
type entries struct {
	ids, subjects map[string]Entry
}

func newEntries() entries { return entries{make(map[string]Entry), make(map[string]Entry)} }

func (s entries) add(e Entry) {
	if e.ID != "" {
		s.ids[e.ID] = e
	} else {
		s.subjects[e.Subject] = e
	}
}

func (s entries) remove(e Entry) {
	if e.ID != "" {
		delete(s.ids, e.ID)
	} else {
		delete(s.subjects, e.Subject)
	}
}

// Revoked says whether a token does not count any more.
func (l *List) Revoked(g *auth.Grant) bool {
	now := time.Now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	if e, ok := l.entries.ids[g.ID]; ok && !e.over(now) {
		return true
	}
	e, ok := l.entries.subjects[g.Subject]
	return ok && !e.over(now) && g.Issued.Before(e.Before)
}

// Changed receives a moment after entries were added: tokens that counted may count no more. There is one channel for all who receive.
func (l *List) Changed() <-chan struct{} { return l.changed }

// Ready is nil while the list follows the bucket, and otherwise says that it does not: what was revoked since is not known here.
func (l *List) Ready() error {
	if l.following.Load() {
		return nil
	}
	return errors.New("the list of revoked tokens is not being followed: what has been revoked since is not known")
}

// Len is how many entries there are.
func (l *List) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.entries.ids) + len(l.entries.subjects)
}

// Close ends what the list does in the background. The list stays as it is.
func (l *List) Close() {
	l.stop()
	<-l.done
}

func (l *List) add(e Entry) {
	l.mu.Lock()
	l.entries.add(e)
	l.mu.Unlock()
	l.tell()
}

func (l *List) remove(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries.remove(e)
}

func (l *List) replace(all entries) {
	l.mu.Lock()
	l.entries = all
	l.mu.Unlock()
	l.tell()
}

// forget removes the entries that count no more.
func (l *List) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range []map[string]Entry{l.entries.ids, l.entries.subjects} {
		for name, e := range of {
			if e.over(now) {
				delete(of, name)
			}
		}
	}
}

// gather is for how long changes are gathered before they are told: a receiver looks through all connections.
const gather = 50 * time.Millisecond

func (l *List) tell() {
	if !l.signal.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(gather, func() {
		l.signal.Store(false)
		select {
		case l.changed <- struct{}{}:
		default:
		}
	})
}
