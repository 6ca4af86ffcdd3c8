//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// sustain: a steady stream of events for a long time, to subscribers that want all of them, a tenth, a hundredth, or one id of a thousand.
func sustain() *work {
	w := newWork("sustain", "memory, lag and latency under a steady stream of events, to 100 subscribers of different filters")
	w.alone, w.process = true, true
	rate, length := w.flags.Int("rate", 20_000, "events a second"), w.flags.Duration("for", 10*time.Minute, "how long")
	full := w.flags.Int("full", 20, "how many of the 100 subscribers want all events")
	every := w.flags.Duration("every", 30*time.Second, "how often a row is reported")
	w.run = func(t *target) ([]row, error) {
		s, err := t.mixed(*full)
		if err != nil {
			return nil, err
		}
		defer s.close()
		p, err := natsPublisher(t.nats)
		if err != nil {
			return nil, err
		}
		s.sample = 101
		began, done := time.Now(), make(chan flooded, 1)
		go func() { done <- steady(p, *rate, *length) }()
		var rows []row
		for at := *every; ; at += *every {
			cpu, events := t.cpu(), s.events.Load()
			if err := s.readUntil(began.Add(min(at, *length))); err != nil {
				return nil, err
			}
			rows = append(rows, t.standing(s, time.Since(began), t.cpu()-cpu, s.events.Load()-events, *rate))
			fmt.Println(rows[len(rows)-1])
			if at >= *length {
				break
			}
		}
		return rows, s.settled(done)
	}
	return w
}

// mixed connects 100 subscribers.
func (t *target) mixed(full int) (*swarm, error) {
	speak := livebridge
	speak.start = func(ids string) []string {
		return []string{`{"op":"connect"}`, `{"op":"subscribe","sub":"a","resource":"bench"` + ids + `}`}
	}
	s, err := newSwarm(speak, t.addr)
	if err != nil {
		return nil, err
	}
	for i := range 100 {
		count := []int64{100, 10, 1}[i%3]
		ids := make([]string, count)
		for i := range ids {
			ids[i] = fmt.Sprintf("%q", fmt.Sprint(i))
		}
		filter := `,"ids":[` + strings.Join(ids, ",") + `]`
		if i < full {
			count, filter = manyIDs, ""
		}
		if err := s.dial(1, filter); err != nil {
			s.close()
			return nil, err
		}
		s.conns[i].ids = count
	}
	if err := s.live(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// steady publishes at a rate.
func steady(p *natsStream, rate int, length time.Duration) flooded {
	began, n := time.Now(), 0
	for {
		gone := time.Since(began)
		if gone >= length {
			return flooded{n, p.close()}
		}
		for due := int(gone.Seconds() * float64(rate)); n < due; n++ {
			if err := p.send(n, 256); err != nil {
				return flooded{n, err}
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// standing is how things are at a moment. The latencies are those since the last.
func (t *target) standing(s *swarm, at, cpu time.Duration, events int64, rate int) row {
	slowest := int64(math.MaxInt64)
	for _, c := range s.conns {
		if c.ids == manyIDs {
			slowest = min(slowest, c.next)
		}
	}
	slices.Sort(s.latency)
	now, peak := t.memory()
	r := row{at.Round(time.Second).String(), []metric{
		{"MiB", float64(now >> 20), "%.0f", true, true}, {"peak MiB", float64(peak >> 20), "%.0f", true, true},
		{"events behind", max(0, at.Seconds()*float64(rate)-float64(slowest)), "%.0f", true, true},
		millis("p50", percentile(s.latency, 50)), millis("p99", percentile(s.latency, 99)), perMillion(cpu, events),
	}}
	s.latency = s.latency[:0]
	return r
}

// settled waits until every subscriber has all that it wants, and nothing else.
func (s *swarm) settled(published <-chan flooded) error {
	end := flooded{events: -1}
	err := s.until("everything is delivered", time.Minute, func() bool {
		select {
		case end = <-published:
		default:
		}
		return end.events >= 0 && !slices.ContainsFunc(s.conns, func(c *client) bool { return c.next < int64(end.events) && c.next%manyIDs < c.ids })
	})
	if err == nil {
		err = end.err
	}
	if err == nil {
		err = s.linger()
	}
	for i, c := range s.conns {
		if c.wrong > 0 && err == nil {
			err = fmt.Errorf("client %d: %d events were missing, came twice or out of order", i, c.wrong)
		}
	}
	return err
}
