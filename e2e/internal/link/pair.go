package link

import (
	"net"
	"sync"
	"time"
)

// A pair is one connection through a link: the end of whoever connected, and the target's.
type pair struct {
	link *Link
	near *net.TCPConn
	over chan struct{} // closed by reset

	mu     sync.Mutex
	far    *net.TCPConn // nil until the target has answered
	done   bool
	silent bool // half-open for ever
	left   int  // bytes to near before a reset; negative = no such end
}

// run ends when both directions have.
func (p *pair) run() {
	defer p.reset()
	if p.wait(Both) != nil { // what comes in is not passed on: not even that somebody has connected
		return
	}
	far, err := p.link.dial()
	if err != nil {
		return
	}
	p.mu.Lock()
	p.far = far
	done := p.done
	p.mu.Unlock()
	if done {
		abort(far)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.copyWay(far, p.near, Up) })
	wg.Go(func() { p.copyWay(p.near, far, Down) })
	wg.Wait()
}

func (p *pair) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	p.done = true
	close(p.over)
	abort(p.near)
	if p.far != nil {
		abort(p.far)
	}
}

// target is where far leads.
func (p *pair) target() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.far == nil {
		return ""
	}
	return p.far.RemoteAddr().String()
}

func (p *pair) vanish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = true
}

func (p *pair) tear(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

// pass writes b when it is due, within what the link lets through.
func (p *pair) pass(dst *net.TCPConn, b []byte, due time.Time, way Way) error {
	for len(b) > 0 {
		if err := p.pause(time.Until(due)); err != nil {
			return err
		}
		if err := p.wait(way); err != nil {
			return err
		}
		_, _, rate := p.link.weather(way)
		n := len(b)
		if rate > 0 {
			n = min(n, max(1, rate/20))
			due = time.Now().Add(time.Duration(n) * time.Second / time.Duration(rate))
		}
		n, torn := p.allow(n, way)
		if _, err := dst.Write(b[:n]); err != nil {
			return err
		}
		if torn {
			return errTorn
		}
		b = b[n:]
	}
	return nil
}

// allow takes n bytes off what may still be sent.
func (p *pair) allow(n int, way Way) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if way != Down || p.left < 0 {
		return n, false
	}
	n = min(n, p.left)
	p.left -= n
	return n, p.left == 0
}

// wait waits while the link is stalled that way, or for the end of a pair that has vanished.
func (p *pair) wait(way Way) error {
	for {
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		stalled, _, _ := p.link.weather(way)
		switch {
		case silent:
			<-p.over
			return net.ErrClosed
		case stalled == nil:
			return p.pause(0)
		}
		select {
		case <-stalled:
		case <-p.over:
			return net.ErrClosed
		}
	}
}

func (p *pair) pause(d time.Duration) error {
	if d <= 0 {
		select {
		case <-p.over:
			return net.ErrClosed
		default:
			return nil
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.over:
		return net.ErrClosed
	}
}
