//go:build linux

package main

import "time"

// storm: many clients come back at once, each so many events behind.
func storm() *work {
	w := newWork("storm", "clients that come back at once, until the last has what it missed")
	w.process = true
	clients, behind := w.flags.Int("clients", 1000, "clients"), w.flags.Int("behind", 1000, "events that each has missed")
	restart := w.flags.Bool("restart", false, "restart the server before")
	rate := w.flags.Int("rate", 0, "events a second that are published meanwhile")
	w.run = func(t *target) ([]row, error) {
		at, err := t.missed(*behind)
		if err != nil {
			return nil, err
		}
		if *restart {
			if err := t.restart(); err != nil {
				return nil, err
			}
		}
		return t.storm(*clients, *behind, *rate, at)
	}
	return w
}

// missed publishes events, and returns the position before them.
func (t *target) missed(events int) (at string, err error) {
	if at, err = t.position(); err != nil {
		return "", err
	}
	p, err := t.publisher()
	if err != nil {
		return "", err
	}
	if _, err := p.flood(256, func(n int) bool { return n < events }); err != nil {
		return "", err
	}
	return at, p.close()
}

func (t *target) storm(clients, behind, rate int, at string) ([]row, error) {
	s, err := newSwarm(t.speak, t.addr)
	if err != nil {
		return nil, err
	}
	defer s.close()
	time.Sleep(time.Second) // what was done before is over
	t.forget()
	before, _ := t.memory()
	cpu, began := t.cpu(), time.Now()
	stop, published := make(chan struct{}), make(chan flooded, 1)
	go func() { published <- t.trickle(behind, rate, stop) }()
	if err := s.dial(clients, at); err != nil {
		return nil, err
	}
	want := int64(behind) * int64(clients)
	if err := s.until("all have caught up", 2*time.Minute, func() bool { return s.events.Load() >= want }); err != nil {
		return nil, err
	}
	took, spent := time.Since(began), t.cpu()-cpu
	all := s.events.Load()
	close(stop)
	each, err := s.finish(published, time.Minute)
	if err != nil {
		return nil, err
	}
	if err := s.linger(); err != nil {
		return nil, err
	}
	_, peak := t.memory()
	return []row{{t.name, []metric{{"s", took.Seconds(), "%.2f", true, false}, perMillion(spent, all),
		{"memory before MiB", float64(before >> 20), "%.0f", true, true}, {"peak MiB", float64(peak >> 20), "%.0f", true, true}, wrongs(t.wrong(s, each))}}}, nil
}

// trickle publishes at a steady rate until it is stopped, and returns how many events there are then.
func (t *target) trickle(n, rate int, stop <-chan struct{}) flooded {
	if rate == 0 {
		<-stop
		return flooded{n, nil}
	}
	p, err := t.publisher()
	if err != nil {
		return flooded{n, err}
	}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := p.send(n, 256); err != nil {
				return flooded{n, err}
			}
			n++
		case <-stop:
			return flooded{n, p.close()}
		}
	}
}
