//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A swarm is many WebSocket clients read by one thread with epoll, so that the load generator costs little of the machine it shares with
// what it measures. It counts events and checks their order.
type swarm struct {
	addr  string
	ep    int
	conns []*peer
	buf   []byte

	events  int64           // received
	bytes   int64           // received
	seen    map[int32]*peer // by descriptor
	latency []time.Duration // of events that carry "t", one in sample
	sample  int
	onEvent func(p *peer, line []byte) // for every event, if set
}

type peer struct {
	fd      int
	partial []byte // of a frame
	last    int64  // number of the last event
	events  int
	lost    int // gaps or steps back in the numbers
	live    bool
	closed  bool
	cursor  string
}

func newSwarm(addr string) (*swarm, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &swarm{addr: addr, ep: ep, buf: make([]byte, 1<<20), seen: make(map[int32]*peer), sample: 1}, err
}

// dial opens one connection and sends the given lines after the handshake. Source addresses are spread over 127.0.0.0/8, since a pair of
// addresses has only so many ports.
func (s *swarm) dial(lines ...string) (*peer, error) {
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+len(s.conns)/10000))}}
	c, err := d.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: livebridge.v1\r\n\r\n", s.addr)
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) { // nothing follows before we have sent something
		n, err := c.Read(s.buf[:4096])
		if err != nil {
			return nil, err
		}
		head = append(head, s.buf[:n]...)
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		return nil, fmt.Errorf("handshake: %s", head)
	}
	for _, line := range lines {
		if _, err := c.Write(clientFrame(1, []byte(line))); err != nil {
			return nil, err
		}
	}
	f, err := c.(*net.TCPConn).File() // a descriptor of our own, outside Go's poller
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	p := &peer{fd: fd, last: -1}
	s.conns = append(s.conns, p)
	s.seen[int32(fd)] = p
	return p, unix.EpollCtl(s.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// send writes a text frame.
func (p *peer) send(line string) error {
	_, err := unix.Write(p.fd, clientFrame(1, []byte(line)))
	return err
}

// clientFrame is a masked frame; the mask is zero.
func clientFrame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// read takes what has come, for at most so long. It returns how many reads there were.
func (s *swarm) read(within time.Duration) (int, error) {
	var list [512]unix.EpollEvent
	n, err := unix.EpollWait(s.ep, list[:], int(within.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return 0, err
	}
	for _, e := range list[:max(n, 0)] {
		p := s.seen[e.Fd]
		m, err := unix.Read(p.fd, s.buf)
		if err != nil && (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)) {
			continue
		}
		if m <= 0 {
			s.drop(p)
			continue
		}
		s.bytes += int64(m)
		s.take(p, s.buf[:m])
	}
	return max(n, 0), nil
}

func (s *swarm) drop(p *peer) {
	if !p.closed {
		p.closed = true
		_ = unix.EpollCtl(s.ep, unix.EPOLL_CTL_DEL, p.fd, nil)
		_ = unix.Close(p.fd)
		delete(s.seen, int32(p.fd))
	}
}

func (s *swarm) close() {
	for _, p := range s.conns {
		s.drop(p)
	}
	_ = unix.Close(s.ep)
}

// take splits what came into frames.
func (s *swarm) take(p *peer, b []byte) {
	if len(p.partial) > 0 {
		p.partial = append(p.partial, b...)
		b = p.partial
	}
	for {
		head, size, ok := frameHead(b)
		if !ok || len(b) < head+size {
			p.partial = append(p.partial[:0], b...)
			if len(b) == 0 {
				p.partial = nil
			}
			return
		}
		s.frame(p, b[0]&0x0F, b[head:head+size])
		b = b[head+size:]
	}
}

func frameHead(b []byte) (head, size int, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	switch size = int(b[1] & 0x7F); size {
	case 126:
		if len(b) < 4 {
			return 0, 0, false
		}
		return 4, int(binary.BigEndian.Uint16(b[2:])), true
	case 127:
		if len(b) < 10 {
			return 0, 0, false
		}
		return 10, int(binary.BigEndian.Uint64(b[2:])), true
	}
	return 2, size, true
}

var (
	opEvent = []byte(`{"op":"event"`)
	opLive  = []byte(`{"op":"live"`)
	number  = []byte(`"n":`)
	stamp   = []byte(`"t":`)
)

func (s *swarm) frame(p *peer, op byte, payload []byte) {
	if op == 9 {
		_, _ = unix.Write(p.fd, clientFrame(10, payload))
		return
	}
	for line := range bytes.SplitSeq(payload, []byte("\n")) {
		switch {
		case bytes.HasPrefix(line, opEvent):
			s.event(p, line)
		case bytes.HasPrefix(line, opLive):
			p.live = true
			if at := bytes.Index(line, []byte(`"cursor":"`)); at > 0 {
				p.cursor = string(line[at+10 : at+46])
			}
		}
	}
}

func (s *swarm) event(p *peer, line []byte) {
	s.events++
	p.events++
	if at := bytes.LastIndex(line, number); at >= 0 {
		n := leadingInt(line[at+len(number):])
		if p.last >= 0 && n != p.last+1 {
			p.lost++
		}
		p.last = n
	}
	if s.sample > 0 && s.events%int64(s.sample) == 0 {
		if at := bytes.LastIndex(line, stamp); at >= 0 {
			s.latency = append(s.latency, time.Since(time.Unix(0, leadingInt(line[at+len(stamp):]))))
		}
	}
	if s.onEvent != nil {
		s.onEvent(p, line)
	}
}

func leadingInt(b []byte) int64 {
	end := 0
	for end < len(b) && b[end] >= '0' && b[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(string(b[:end]), 10, 64)
	return n
}
