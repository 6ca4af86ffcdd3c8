package bridge

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Ready returns nil while the bridge can do its work, and otherwise why it cannot: it drains, does not follow the stream, cannot verify
// tokens or does not know which are revoked, or the stream stores nothing. It may be called at any time.
func (s *Server) Ready() error {
	if s.isDraining() {
		return errors.New("the bridge is draining")
	}
	if err := s.cfg.Log.Ready(); err != nil {
		return err
	}
	if err := s.canVerify(); err != nil {
		return err
	}
	if s.cfg.Revoked != nil {
		if err := s.cfg.Revoked.Ready(); err != nil {
			return err
		}
	}
	if s.cfg.Health != nil {
		if err := s.cfg.Health(); err != nil {
			return err
		}
	}
	return s.storing.trouble(s.cfg.Log.Stats().Head, time.Now())
}

// forgiven is how long after a publish went unanswered the bridge is ready again, where nobody has tried since: only a publish can tell.
const forgiven = 30 * time.Second

// storing notes whether the stream still stores what is published. A stream whose disk was full acknowledges nothing, and goes on with
// that until its server is restarted: nothing else about it seems wrong.
type storing struct {
	mu     sync.Mutex
	since  time.Time // of the first publish that was not acknowledged; zero = the last one was
	last   time.Time // of the last one
	head   uint64    // the newest message that had been read when the first one failed
	missed int       // publishes since then
}

func (s *storing) acknowledged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Time{}
}

func (s *storing) failed(head uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || head > s.head {
		s.since, s.head, s.missed = now, head, 0
	}
	s.last = now
	s.missed++
}

// trouble is an error while publishes are not acknowledged, and nobody else's event has been stored since either.
func (s *storing) trouble(head uint64, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || head > s.head || now.Sub(s.last) > forgiven {
		return nil
	}
	return fmt.Errorf("JetStream has stored nothing since %s, %d publishes went unanswered: is its disk full, or the cluster without a leader?",
		s.since.UTC().Format(time.RFC3339), s.missed)
}
