package replay

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Stats is what a Log has counted since Open, and how it stands. Sequences and counts say nothing about who published what.
type Stats struct {
	Head, StreamFirst  uint64        // sequences
	Lag                uint64        // sequences from the head to the stream's end as last seen, at most some seconds ago
	Late               time.Duration // from the store time of the newest event to when it was handed out; the clocks are two
	WindowEvents       int
	WindowBytes        int
	WindowSpan         time.Duration // from the oldest to the newest event in the window
	Live               int           // live subscriptions
	Replaying          int           // subscriptions that are being replayed to
	Reading            int           // replays that read from JetStream now, those of history too
	Waiting            int           // replays that wait for their turn to
	Replayed           uint64        // events replayed
	FromStream         uint64        // of them, those read from JetStream
	Resets             map[Reason]uint64
	TailRestarts       uint64
	Discontinuities    uint64 // times that every subscription was told to read again
	SkippedNotAnEvent  uint64 // messages whose subject is not an event's
	LastEvent          time.Time
	SinceStreamWasSeen time.Duration // since the stream was last heard of
}

type counters struct {
	replaying, reading, waiting       atomic.Int64
	replayed, fromStream              atomic.Uint64
	expired, stream, limit            atomic.Uint64
	tailRestarts, restarts, notEvents atomic.Uint64
	lastComplaint                     atomic.Int64
	end                               atomic.Uint64 // the stream's last sequence, as last seen
	late                              atomic.Int64  // nanoseconds
}

func (c *counters) reset(why Reason) {
	switch why {
	case ReasonExpired:
		c.expired.Add(1)
	case ReasonStream:
		c.stream.Add(1)
	case ReasonLimit:
		c.limit.Add(1)
	}
}

// skip counts a message that is no event, and says so at most once a minute.
func (c *counters) skip(log *slog.Logger, subject string, why error) {
	c.notEvents.Add(1)
	now, last := time.Now().Unix(), c.lastComplaint.Load()
	if now-last >= 60 && c.lastComplaint.CompareAndSwap(last, now) {
		log.Warn("a stored message is not an event and is delivered to nobody", "subject", subject, "why", why, "so_far", c.notEvents.Load())
	}
}

// Stats returns the counts. It may be called at any time.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Head: l.win.head.seq, StreamFirst: l.first, WindowEvents: l.win.count, WindowBytes: l.win.bytes, Live: len(l.live),
		Replaying: int(l.stats.replaying.Load()), Reading: int(l.stats.reading.Load()), Waiting: int(l.stats.waiting.Load()),
		Replayed: l.stats.replayed.Load(), FromStream: l.stats.fromStream.Load(),
		Resets:       map[Reason]uint64{ReasonExpired: l.stats.expired.Load(), ReasonStream: l.stats.stream.Load(), ReasonLimit: l.stats.limit.Load()},
		TailRestarts: l.stats.tailRestarts.Load(), Discontinuities: l.stats.restarts.Load(), SkippedNotAnEvent: l.stats.notEvents.Load(),
		SinceStreamWasSeen: time.Since(time.Unix(0, l.tail.alive.Load())),
	}
	if end := l.stats.end.Load(); end > s.Head {
		s.Lag = end - s.Head
	}
	s.Late = time.Duration(l.stats.late.Load())
	if l.win.count > 0 {
		s.WindowSpan = time.Duration(l.win.head.at - l.win.at(0).Stored)
	}
	if l.win.head.at != 0 {
		s.LastEvent = time.Unix(0, l.win.head.at)
	}
	return s
}
