//go:build linux

package main

import (
	"bytes"
	"crypto/sha1" // what RFC 6455 asks for
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/livebridge/livebridge/internal/ws"
)

// The floor is no server that anybody could use: one thread that accepts, answers handshakes, and writes the same bytes to every client, as
// many as it can at once. It stores nothing, looks at nothing and serves nobody else. What it needs is what the kernel and the clients
// need, which any server needs, too.
type floor struct {
	ep      int
	ln, pub int // listening sockets: for clients, and for the publisher
	peers   map[int32]*peer
	live    []*peer
	history []byte // all events, in frames
	buf     []byte
}

const floorName = "floor"

type peer struct {
	fd        int
	publishes bool
	in        []byte // that is not complete yet
	shaken    bool
	out       []byte // not yet taken by the socket
	waits     bool   // for the socket to take more
}

func (t *target) startFloor() (err error) {
	t.speakFloor()
	t.proc, err = launch(t.spec.dir, func() error { return accepts(t.addr) }, t.spec.bin, floorName, t.addr, t.nats)
	return err
}

// speakFloor says how one speaks with the floor: its clients' dialect is ours.
func (t *target) speakFloor() {
	t.speak, t.order = livebridge, true
	t.position = t.cursor
	t.publisher = func() (publisher, error) {
		c, err := net.Dial("tcp", t.nats)
		return &floorPublisher{c: c}, err
	}
}

// A floorPublisher sends each event with its length before it, and reads its length as the acknowledgement.
type floorPublisher struct {
	c       net.Conn
	pending int
}

func (p *floorPublisher) send(n, size int) error {
	b := body(n, size)
	if _, err := p.c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		return err
	}
	if p.pending++; p.pending < pending {
		return nil
	}
	return p.await(1)
}

func (p *floorPublisher) await(n int) error {
	p.pending -= n
	_, err := io.CopyN(io.Discard, p.c, 4*int64(n))
	return err
}

func (p *floorPublisher) flood(size int, more func(int) bool) (n int, err error) {
	if n, err = sendAll(p, size, more); err != nil {
		return n, err
	}
	return n, p.await(p.pending)
}

func (p *floorPublisher) close() error {
	defer p.c.Close()
	return p.await(p.pending)
}

// newFloor listens for clients and for a publisher.
func newFloor(clients, publishers string) (*floor, error) {
	f := &floor{peers: make(map[int32]*peer), buf: make([]byte, 256<<10)}
	var err error
	if f.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		if f.ln, err = listen(clients); err == nil {
			f.pub, err = listen(publishers)
		}
	}
	if err != nil {
		return nil, err
	}
	f.watch(f.ln, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
	f.watch(f.pub, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
	return f, nil
}

// serve does not return, but for an error.
func (f *floor) serve() error {
	for {
		var list [512]unix.EpollEvent
		n, err := unix.EpollWait(f.ep, list[:], -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, e := range list[:max(n, 0)] {
			if fd := int(e.Fd); fd == f.ln || fd == f.pub {
				f.accept(fd)
			} else if p := f.peers[e.Fd]; p != nil {
				f.turn(p, e.Events)
			}
		}
	}
}

func listen(addr string) (int, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}); err == nil {
			err = unix.Listen(fd, 4096)
		}
	}
	return fd, err
}

func (f *floor) watch(fd, op int, events uint32) {
	_ = unix.EpollCtl(f.ep, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (f *floor) accept(ln int) {
	for {
		fd, _, err := unix.Accept4(ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		f.peers[int32(fd)] = &peer{fd: fd, publishes: ln == f.pub}
		f.watch(fd, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
	}
}

func (f *floor) turn(p *peer, events uint32) {
	if events&unix.EPOLLOUT != 0 {
		f.write(p)
	}
	if events&^unix.EPOLLOUT == 0 {
		return
	}
	n, err := unix.Read(p.fd, f.buf)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if n <= 0 {
		f.drop(p)
		return
	}
	p.in = append(p.in, f.buf[:n]...)
	if p.publishes {
		f.publish(p)
	} else {
		f.client(p)
	}
}

func (f *floor) drop(p *peer) {
	_ = unix.Close(p.fd)
	delete(f.peers, int32(p.fd))
	if i := slices.Index(f.live, p); i >= 0 {
		f.live = slices.Delete(f.live, i, i+1)
	}
}

// client answers the handshake and, when the frame that subscribes has come, gives what is to be replayed.
func (f *floor) client(p *peer) {
	switch {
	case !p.shaken && bytes.Contains(p.in, []byte("\r\n\r\n")):
		_, key, _ := bytes.Cut(p.in, []byte("Sec-WebSocket-Key: "))
		key, _, _ = bytes.Cut(key, []byte("\r\n"))
		sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
		p.out = fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: livebridge.v1\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		p.shaken, p.in = true, nil
	case p.shaken && bytes.Contains(p.in, []byte(`"op":"subscribe"`)): // with a mask of zero, as the clients here send it
		end := len(f.history)
		p.out = textFrame(nil, fmt.Appendf(nil, `{"op":"live","sub":"a","cursor":"%d"}`, end))
		if _, after, ok := bytes.Cut(p.in, []byte(`"after":"`)); ok {
			f.write(p)
			p.out = f.history[max(0, integer(after[:bytes.IndexByte(after, '"')])):end:end]
		}
		f.live = append(f.live, p)
		p.in = nil
	case p.shaken:
		p.in = nil
	}
	f.write(p)
}

func textFrame(dst, text []byte) []byte {
	return append(ws.AppendHeader(dst, ws.Text, len(text)), text...)
}

// publish gives what has come to all clients at once.
func (f *floor) publish(p *peer) {
	var events []byte
	var acks []byte
	for len(p.in) >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(p.in))
		if len(p.in) < size {
			break
		}
		if len(events) > 0 {
			events = append(events, '\n')
		}
		events = append(events, `{"op":"event","sub":"a","cursor":"AeEnbOCh0us8AAAAAAAAA-gY63D8e9EfKBGz","resource":"bench","type":"updated","id":"123","date":"2026-01-01T00:00:00.000000000Z","payload":`...)
		events = append(append(events, p.in[4:size]...), '}')
		acks = append(acks, p.in[:4]...)
		p.in = p.in[size:]
	}
	if len(events) == 0 {
		return
	}
	frame := textFrame(nil, events)
	f.history = append(f.history, frame...)
	for _, c := range f.live {
		if len(c.out) > 0 {
			c.out = append(c.out, frame...)
		} else {
			c.out = frame[:len(frame):len(frame)]
		}
		f.write(c)
	}
	p.out = acks
	f.write(p)
}

// write gives a socket as much as it takes.
func (f *floor) write(p *peer) {
	for len(p.out) > 0 {
		n, err := unix.Write(p.fd, p.out[:min(len(p.out), 256<<10)])
		if err != nil {
			break // a peer that has gone is seen by reading
		}
		p.out = p.out[n:]
	}
	if waits := len(p.out) > 0; waits != p.waits {
		p.waits = waits
		events := uint32(unix.EPOLLIN)
		if waits {
			events |= unix.EPOLLOUT
		}
		f.watch(p.fd, unix.EPOLL_CTL_MOD, events)
	}
}
