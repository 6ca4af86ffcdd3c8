//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"
)

// A row is what one run has measured of one server.
type row struct {
	name    string
	metrics []metric
}

// A metric is one figure. Where what it stands for is better when it is less, it says so.
type metric struct {
	name  string
	value float64
	form  string // of the value, such as %.1f
	less  bool
	bare  bool // no ratio is made of it
}

func (r row) String() string {
	text := r.name
	for _, m := range r.metrics {
		text += fmt.Sprintf("  %s "+m.form, m.name, m.value)
	}
	return text
}

func newWork(name, about string) *work {
	return &work{name: name, about: about, flags: flag.NewFlagSet(name, flag.ContinueOnError)}
}

func perMillion(cpu time.Duration, deliveries int64) metric {
	return metric{"CPU s per million", cpu.Seconds() / float64(deliveries) * 1e6, "%.2f", true, false}
}

func wrongs(n int64) metric { return metric{"wrong", float64(n), "%.0f", true, true} }

func millis(name string, d time.Duration) metric {
	return metric{name + " ms", float64(d) / 1e6, "%.2f", true, false}
}

// fanout: how many deliveries a second when events are published as fast as they get through.
func fanout() *work {
	w := newWork("fanout", "deliveries a second, when events come as fast as they get through")
	subs, size := w.flags.Int("subs", 1000, "subscribers"), w.flags.Int("size", 256, "bytes of a payload")
	length := w.flags.Duration("for", 5*time.Second, "how long events are published")
	ahead := w.flags.Int("ahead", 0, "events that may be published and not yet delivered; 0 = a million deliveries, and no more than 1000 events")
	w.run = func(t *target) ([]row, error) {
		s, err := t.subscribers(*subs)
		if err != nil {
			return nil, err
		}
		defer s.close()
		p, err := t.publisher()
		if err != nil {
			return nil, err
		}
		defer p.close()
		limit := int64(*ahead)
		if limit == 0 {
			limit = int64(min(1000, max(50, 1_000_000 / *subs)))
		}
		cpu, began := t.cpu(), time.Now()
		flooded := flood(p, *size, func(n int) bool {
			for int64(n)-s.events.Load()/int64(*subs) >= limit && time.Since(began) < *length {
				time.Sleep(100 * time.Microsecond)
			}
			return time.Since(began) < *length
		})
		events, err := s.finish(flooded, 2*time.Minute)
		if err != nil {
			return nil, err
		}
		took, all := time.Since(began), s.events.Load()
		spent := t.cpu() - cpu
		if err := s.linger(); err != nil {
			return nil, err
		}
		return []row{{t.name, []metric{{"deliveries/s", float64(all) / took.Seconds(), "%.0f", false, false}, perMillion(spent, all), wrongs(t.wrong(s, events))}}}, nil
	}
	return w
}

// A flooded is the end of a flood.
type flooded struct {
	events int
	err    error
}

// flood publishes in the background.
func flood(p publisher, size int, more func(n int) bool) <-chan flooded {
	done := make(chan flooded, 1)
	go func() {
		n, err := p.flood(size, more)
		done <- flooded{n, err}
	}()
	return done
}

// finish reads until everything that is published has been delivered to every client.
func (s *swarm) finish(published <-chan flooded, within time.Duration) (each int64, err error) {
	each = -1
	err = s.until("everything is delivered", within, func() bool {
		select {
		case end := <-published:
			if each = int64(end.events); end.err != nil {
				s.failed = fmt.Errorf("publish: %w", end.err)
				return false
			}
		default:
		}
		return each >= 0 && s.events.Load() >= each*int64(len(s.conns))
	})
	return each, err
}

// linger reads a little longer, for what should not come.
func (s *swarm) linger() error { return s.readUntil(time.Now().Add(200 * time.Millisecond)) }

// latency: from before the publish to the arrival, at a steady rate.
func latency() *work {
	w := newWork("latency", "time from before the publish to the arrival, at a steady rate")
	subs, rate := w.flags.Int("subs", 100, "subscribers"), w.flags.Int("rate", 1000, "deliveries a second")
	length, warm := w.flags.Duration("for", 10*time.Second, "how long"), w.flags.Duration("warm", time.Second, "how long before anything counts")
	w.run = func(t *target) ([]row, error) {
		every := time.Second * time.Duration(*subs) / time.Duration(*rate)
		if every <= 0 {
			return nil, errors.New("-rate is more than one event a nanosecond")
		}
		s, err := t.subscribers(*subs)
		if err != nil {
			return nil, err
		}
		defer s.close()
		p, err := t.publisher()
		if err != nil {
			return nil, err
		}
		t.order = t.order && t.nats != "" // single events over HTTP overtake one another
		began := time.Now()
		s.sample = max(1, int64(*rate)*int64(*length/time.Second)/1_000_000)
		s.from = began.Add(*warm).UnixNano()
		cpu, events := t.cpu(), int((*warm+*length)/every)
		done := make(chan flooded, 1)
		go func() {
			for n := range events {
				time.Sleep(time.Until(began.Add(time.Duration(n) * every)))
				if err := p.send(n, 256); err != nil {
					done <- flooded{n, err}
					return
				}
			}
			done <- flooded{events, p.close()}
		}()
		each, err := s.finish(done, *warm+*length+time.Minute)
		if err != nil {
			return nil, err
		}
		spent := t.cpu() - cpu
		if err := s.linger(); err != nil {
			return nil, err
		}
		slices.Sort(s.latency)
		return []row{{t.name, []metric{millis("p50", percentile(s.latency, 50)), millis("p99", percentile(s.latency, 99)), millis("p99.9", percentile(s.latency, 99.9)),
			perMillion(spent, s.events.Load()), wrongs(t.wrong(s, each))}}}, nil
	}
	return w
}

// percentile of sorted durations.
func percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[min(len(d)-1, int(float64(len(d))*p/100))]
}

// idle: the memory of connections that do nothing.
func idle() *work {
	w := newWork("idle", "memory of connections with one subscription each that do nothing")
	w.process = true
	subs, settle := w.flags.Int("subs", 10_000, "connections"), w.flags.Duration("settle", 10*time.Second, "how long to wait before memory is read")
	w.run = func(t *target) ([]row, error) {
		before, _ := t.memory()
		s, err := t.subscribers(*subs)
		if err != nil {
			return nil, err
		}
		defer s.close()
		if err := s.readUntil(time.Now().Add(*settle)); err != nil {
			return nil, err
		}
		after, _ := t.memory()
		cpu := t.cpu()
		if err := s.readUntil(time.Now().Add(*settle)); err != nil {
			return nil, err
		}
		return []row{{t.name, []metric{{"KiB each", float64(after-before) / 1024 / float64(*subs), "%.1f", true, false}, {"MiB in all", float64(after >> 20), "%.0f", true, true},
			{"idle CPU %", 100 * (t.cpu() - cpu).Seconds() / settle.Seconds(), "%.1f", true, true}, {"lost connections", float64(s.dropped), "%.0f", true, true}}}}, nil
	}
	return w
}
