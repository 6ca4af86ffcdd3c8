//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A swarm is many clients read by one thread with epoll, so that the load generator costs little of the machine it shares with what it
// measures. It reads every server in the same way: an event is counted, and its order checked, by the number at the end of its payload
// (see [body]).
type swarm struct {
	speak dialect
	addr  *unix.SockaddrInet4
	ep    int
	conns []*client
	byFD  map[int32]*client
	buf   []byte
	wait  int // clients that are connecting now

	events  atomic.Int64    // received
	latency []time.Duration // from before the publish to the arrival, of one event in sample
	sample  int64           // 0 = none
	from    int64           // events published before this time count for no latency, Unix nanoseconds
	dropped int             // clients whose connection the server has closed
	failed  error           // of a client that could not be connected
}

// A client is one connection of a swarm.
type client struct {
	fd      int
	at      string // where it resumes; "" = now
	state   state
	head    []byte // the end of what has come before it was ready; then what made it so, and some of what follows
	partial []byte // of the head of a WebSocket frame, or of an HTTP chunk
	op      byte   // of the frame
	left    int    // bytes of it that have not come yet
	carry   []byte // of an event's stamp
	ids     int64  // of the ids 0 to 999, which events are about in turn, it wants so many
	next    int64  // number of the next event
	events  int64
	wrong   int64 // events whose number was not the next
	closed  bool
}

// manyIDs is how many ids the events are about, in turn.
const manyIDs = 1000

type state int

const (
	connecting state = iota
	shaking          // the handshake has been sent
	asking           // … and answered, and the subscription sent
	ready            // the subscription is confirmed
)

func newSwarm(speak dialect, addr string) (*swarm, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &swarm{speak: speak, addr: &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, ep: ep, buf: make([]byte, 256<<10), byFD: make(map[int32]*client)}, err
}

// atOnce is how many clients connect at one time: more would overflow the queue of a listening socket, and come again a second later.
const atOnce = 200

// dial begins to connect so many clients, and reads meanwhile. They resume at a position of the server's, or begin now.
func (s *swarm) dial(n int, at string) error {
	for range n {
		for s.wait >= atOnce {
			if err := s.read(100 * time.Millisecond); err != nil {
				return err
			}
		}
		if err := s.connect(at); err != nil {
			return err
		}
		if err := s.read(0); err != nil {
			return err
		}
	}
	return nil
}

func (s *swarm) connect(at string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	// A pair of addresses has only so many ports, so the clients' are spread over 127.0.0.0/8; which port, is for connect to choose.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + len(s.conns)%250)}}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.Connect(fd, s.addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	c := &client{fd: fd, at: at, ids: manyIDs}
	s.conns = append(s.conns, c)
	s.byFD[int32(fd)] = c
	s.wait++
	return unix.EpollCtl(s.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)})
}

// until reads until ok says true, or the time is over.
func (s *swarm) until(what string, within time.Duration, ok func() bool) error {
	for end := time.Now().Add(within); !ok(); {
		if err := s.read(100 * time.Millisecond); err != nil {
			return err
		}
		if s.dropped > 0 {
			return fmt.Errorf("the server dropped clients: %s", s.standing())
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %s: %s; %s", within, what, s.standing())
		}
	}
	return nil
}

// readUntil reads until a time.
func (s *swarm) readUntil(end time.Time) error {
	for rest := time.Until(end); rest > 0; rest = time.Until(end) {
		if err := s.read(min(rest, 100*time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

// standing says how far the clients are.
func (s *swarm) standing() string {
	var open, live int
	for _, c := range s.conns {
		if !c.closed {
			open++
		}
		if c.state == ready {
			live++
		}
	}
	return fmt.Sprintf("%d clients, %d of them open, %d ready, %d events received", len(s.conns), open, live, s.events.Load())
}

// live waits until every client's subscription is confirmed.
func (s *swarm) live() error {
	at := 0
	return s.until("all are subscribed", time.Minute, func() bool {
		for at < len(s.conns) && s.conns[at].state == ready {
			at++
		}
		return at == len(s.conns)
	})
}

// read takes what has come, for at most so long.
func (s *swarm) read(within time.Duration) error {
	var list [512]unix.EpollEvent
	n, err := unix.EpollWait(s.ep, list[:], int(within.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("epoll: %w", err)
	}
	for _, e := range list[:max(n, 0)] {
		c := s.byFD[e.Fd]
		if c.state == connecting {
			s.connected(c)
			continue
		}
		m, err := unix.Read(c.fd, s.buf)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case m <= 0:
			s.dropped++
			s.drop(c)
		default:
			s.take(c, s.buf[:m])
		}
	}
	return s.failed
}

func (s *swarm) connected(c *client) {
	s.wait--
	c.state = shaking
	if err := unix.EpollCtl(s.ep, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)}); err != nil {
		s.failed = err
	}
	if _, err := unix.Write(c.fd, s.speak.handshake(c.at)); err != nil {
		s.failed = fmt.Errorf("connect: %w", err)
	}
}

func (s *swarm) drop(c *client) {
	if !c.closed {
		c.closed = true
		_ = unix.Close(c.fd) // and out of epoll with it
		delete(s.byFD, int32(c.fd))
	}
}

func (s *swarm) close() {
	for _, c := range s.conns {
		if !c.closed { // at once, so that the port is free for the next run
			_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
		s.drop(c)
	}
	_ = unix.Close(s.ep)
}
