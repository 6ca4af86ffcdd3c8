//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// replay: one client reads what is stored, beside a bare JetStream consumer that does the same.
func replay() *work {
	w := newWork("replay", "events a second to one client, beside a bare JetStream consumer")
	w.alone, w.args = true, []string{"--max-replay", "100000000"}
	events, ids := w.flags.Int("events", 1_000_000, "events that are stored"), w.flags.Int("ids", 1000, "ids that they are about")
	w.run = func(t *target) ([]row, error) {
		at, err := t.cursor()
		if err != nil {
			return nil, err
		}
		p, err := natsPublisher(t.nats)
		if err != nil {
			return nil, err
		}
		p.ids = *ids
		if _, err := p.flood(256, func(n int) bool { return n < *events }); err != nil {
			return nil, err
		}
		defer p.close()
		var rows []row
		for _, filter := range []struct {
			name, subject, ids string
			events             int
		}{
			{"all", "", "", *events},
			{"one id of " + fmt.Sprint(*ids), "live.bench.*.7", `,"ids":["7"]`, (*events - 7 + *ids - 1) / *ids},
		} {
			var ours, bare [3]time.Duration
			for i := range len(ours) { // in turn: whoever comes second finds what the first has brought into memory
				if bare[i], err = consume(p.js, *events, filter.subject, filter.events); err != nil {
					return nil, fmt.Errorf("bare consumer: %w", err)
				}
				if ours[i], err = t.replay(at, filter.ids, int64(filter.events)); err != nil {
					return nil, err
				}
			}
			slices.Sort(ours[:])
			slices.Sort(bare[:])
			n, us, them := float64(filter.events), percentile(ours[:], 50).Seconds(), percentile(bare[:], 50).Seconds()
			rows = append(rows, row{filter.name, []metric{{"bridge, events/s", n / us, "%.0f", false, true}, {"bare consumer, events/s", n / them, "%.0f", false, true},
				{"ratio", them / us, "%.2f", false, true}}})
		}
		return rows, nil
	}
	return w
}

// replay reads everything after a cursor with one client.
func (t *target) replay(at, ids string, events int64) (time.Duration, error) {
	speak := livebridge
	speak.start = func(string) []string {
		return []string{`{"op":"connect"}`, fmt.Sprintf(`{"op":"subscribe","sub":"a","resource":"bench"%s,"after":%q}`, ids, at)}
	}
	s, err := newSwarm(speak, t.addr)
	if err != nil {
		return 0, err
	}
	defer s.close()
	began := time.Now()
	if err := s.dial(1, at); err != nil {
		return 0, err
	}
	if err := s.until("all events are replayed", 5*time.Minute, func() bool { return s.events.Load() >= events }); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if c := s.conns[0]; ids == "" && c.wrong > 0 {
		return 0, fmt.Errorf("%d events were missing, came twice or out of order", c.wrong)
	}
	return took, nil
}

// consume reads the newest events with a plain pull consumer.
func consume(js jetstream.JetStream, stored int, subject string, events int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	st, err := js.Stream(ctx, "LIVE")
	if err != nil {
		return 0, err
	}
	began := time.Now()
	c, err := st.CreateConsumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq: st.CachedInfo().State.LastSeq - uint64(stored) + 1, FilterSubject: subject, MemoryStorage: true, InactiveThreshold: time.Minute})
	if err != nil {
		return 0, err
	}
	for got := 0; got < events; {
		batch, err := c.Fetch(min(5000, events-got), jetstream.FetchMaxWait(30*time.Second))
		if err != nil {
			return 0, err
		}
		for range batch.Messages() {
			got++
		}
		if err := batch.Error(); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}
