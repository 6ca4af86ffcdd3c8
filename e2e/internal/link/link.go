// Package link is a TCP connection that a test can break: a proxy that cuts, stalls, delays, throttles, tears and refuses.
package link

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A Link listens on a loopback port and passes every connection on to a target. Faults hold for all of its connections, present and
// future, until [Link.Heal], unless their description says otherwise. Its methods may be called concurrently.
type Link struct {
	addr    string
	targets []string

	mu      sync.Mutex
	ln      net.Listener // nil while connections are refused
	pairs   map[*pair]struct{}
	turn    int
	stalled Way
	delay   time.Duration
	rate    int           // bytes a second, each way; 0 = as fast as it goes
	healed  chan struct{} // closed when a stall is over
	closed  bool
	wg      sync.WaitGroup
}

// A Way is a direction, or both.
type Way int

// Up is from whoever connected to the target, Down is back.
const (
	Up Way = 1 << iota
	Down
	Both = Up | Down
)

// New listens on addr (host:port, port 0 = any) and passes connections on to the targets by turns; to the next where one does not
// answer, as a balancer does.
func New(addr string, targets ...string) (*Link, error) {
	l := &Link{targets: targets, pairs: make(map[*pair]struct{}), healed: make(chan struct{})}
	close(l.healed)
	if err := l.listen(addr); err != nil {
		return nil, err
	}
	l.addr = l.ln.Addr().String()
	return l, nil
}

// Targets changes where later connections are passed on to.
func (l *Link) Targets(targets ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets = targets
}

// Addr is where the link listens, for its whole life.
func (l *Link) Addr() string { return l.addr }

// Target is where the connection that comes from an address is passed on to; "" = there is none, or nowhere yet.
func (l *Link) Target(from net.Addr) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		if p.near.RemoteAddr().String() == from.String() {
			return p.target()
		}
	}
	return ""
}

// Conns is how many connections there are.
func (l *Link) Conns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pairs)
}

// Close ends the link and every connection, and waits until they are gone.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	l.unstall()
	l.deafen()
	l.reset()
	l.mu.Unlock()
	l.wg.Wait()
}

// Cut resets (RST) the connections of now.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reset()
}

// Stall passes on nothing that way: a black hole. Connections stay, and go on where they were when it is healed.
func (l *Link) Stall(way Way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled == 0 {
		l.healed = make(chan struct{})
	}
	l.stalled |= way
}

// Unstall ends a stall, and leaves other faults as they are.
func (l *Link) Unstall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unstall()
}

// Vanish never passes on anything again on the connections of now, and tells neither end: both are half-open. Later ones are well.
func (l *Link) Vanish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.vanish()
	}
}

// Delay passes everything on that much later.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Throttle passes on so many bytes a second each way on each connection.
func (l *Link) Throttle(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = bytes
}

// Tear resets each connection of now after n more bytes to whoever connected, wherever in a frame that is.
func (l *Link) Tear(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.tear(n)
	}
}

// Refuse resets the connections of now and refuses new ones.
func (l *Link) Refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deafen()
	l.reset()
}

// Heal ends every fault. It fails where the port cannot be listened on again.
func (l *Link) Heal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.rate = 0, 0
	l.unstall()
	if l.ln != nil || l.closed {
		return nil
	}
	return l.listen(l.addr)
}

// listen is called by New, or with the lock held.
func (l *Link) listen(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	l.ln = ln
	l.wg.Go(func() { l.accept(ln) })
	return nil
}

// The caller of the following holds the lock.

func (l *Link) deafen() {
	if l.ln != nil {
		_ = l.ln.Close()
		l.ln = nil
	}
}

func (l *Link) reset() {
	for p := range l.pairs {
		p.reset()
	}
}

func (l *Link) unstall() {
	if l.stalled != 0 {
		l.stalled = 0
		close(l.healed)
	}
}

func (l *Link) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // no descriptor is free
			continue
		}
		l.mu.Lock()
		if l.ln != ln || l.closed {
			l.mu.Unlock()
			abort(c)
			continue
		}
		p := &pair{link: l, near: narrow(c), over: make(chan struct{}), left: -1}
		l.pairs[p] = struct{}{}
		l.wg.Go(func() {
			p.run()
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.pairs, p)
		})
		l.mu.Unlock()
	}
}

// dial finds a target that answers.
func (l *Link) dial() (*net.TCPConn, error) {
	l.mu.Lock()
	first, targets := l.turn, l.targets
	l.turn++
	l.mu.Unlock()
	err := errors.New("no target")
	for i := range targets {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", targets[(first+i)%len(targets)], time.Second); err == nil {
			return narrow(c), nil
		}
	}
	return nil, err
}

// narrow bounds what the kernel holds for a connection: a link that swallows megabytes would hide a peer that does not read.
func narrow(c net.Conn) *net.TCPConn {
	tcp := c.(*net.TCPConn)
	_ = tcp.SetReadBuffer(64 << 10)
	_ = tcp.SetWriteBuffer(64 << 10)
	return tcp
}

// weather is what holds that way now.
func (l *Link) weather(way Way) (stalled <-chan struct{}, delay time.Duration, rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled&way != 0 {
		stalled = l.healed
	}
	return stalled, l.delay, l.rate
}

// abort closes a connection with RST.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

var errTorn = errors.New("torn")

// copyWay passes on what comes from src until one of them ends.
func (p *pair) copyWay(dst, src *net.TCPConn, way Way) {
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 16)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(pieces)
		for {
			buf := make([]byte, 8<<10)
			n, err := src.Read(buf)
			if n > 0 {
				_, delay, _ := p.link.weather(way)
				select {
				case pieces <- piece{buf[:n], time.Now().Add(delay)}:
				case <-p.over:
					return
				}
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					p.reset()
				}
				return
			}
		}
	})
	for piece := range pieces {
		if err := p.pass(dst, piece.data, piece.due, way); err != nil {
			p.reset()
			break
		}
	}
	if p.wait(way) == nil {
		_ = dst.CloseWrite()
	}
	wg.Wait()
}
