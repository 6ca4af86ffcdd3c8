//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// take looks at what has come on a connection.
func (s *swarm) take(c *client, b []byte) {
	if c.state == shaking {
		c.head = append(c.head, b...)
		end := bytes.Index(c.head, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		if !s.shaken(c, c.head[:end+4]) {
			return
		}
		b, c.head = c.head[end+4:], nil
	}
	for len(b) > 0 {
		if c.left > 0 {
			n := min(c.left, len(b))
			c.left -= n
			s.payload(c, b[:n])
			b = b[n:]
			continue
		}
		if b = s.begin(c, b); c.left == 0 && c.op == opPing && len(c.partial) == 0 {
			s.payload(c, nil)
		}
	}
}

// begin takes the head of a frame, or of a chunk, and returns what follows it. Contents are looked at as they come, and not gathered.
func (s *swarm) begin(c *client, b []byte) []byte {
	if len(c.partial) > 0 {
		b = append(c.partial, b...)
		c.partial = nil
	}
	head := frame
	if s.speak.sse {
		head = chunk
	}
	op, n, size := head(b)
	if size == 0 {
		c.partial = bytes.Clone(b)
		return nil
	}
	c.op, c.left = op, n
	return b[size:]
}

// shaken sends what follows the handshake.
func (s *swarm) shaken(c *client, answer []byte) bool {
	want := "HTTP/1.1 101 "
	if s.speak.sse {
		want = "HTTP/1.1 200 "
	}
	if !bytes.HasPrefix(answer, []byte(want)) {
		s.failed = fmt.Errorf("handshake: %.200s", answer)
		return false
	}
	c.state = asking
	if s.speak.sse {
		c.state = ready
		return true
	}
	var all []byte
	for _, text := range s.speak.start(c.at) {
		all = append(all, clientFrame(opText, []byte(text))...)
	}
	if _, err := unix.Write(c.fd, all); err != nil {
		s.failed = fmt.Errorf("subscribe: %w", err)
	}
	return true
}

const (
	opText = 1
	opPing = 9
	opPong = 10
)

// frame reads the head of a WebSocket frame with n bytes of payload; a size of 0 says that it is not complete.
func frame(b []byte) (op byte, n, size int) {
	if len(b) < 2 {
		return 0, 0, 0
	}
	switch n = int(b[1] & 0x7F); {
	case n < 126:
		return b[0] & 0x0F, n, 2
	case n == 126 && len(b) >= 4:
		return b[0] & 0x0F, int(binary.BigEndian.Uint16(b[2:])), 4
	case n == 127 && len(b) >= 10:
		return b[0] & 0x0F, int(binary.BigEndian.Uint64(b[2:])), 10
	}
	return 0, 0, 0
}

// chunk reads the head of a chunk of an HTTP answer. The line break that ends the chunk counts as its content.
func chunk(b []byte) (op byte, n, size int) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 {
		return 0, 0, 0
	}
	length, err := strconv.ParseUint(string(b[:end-1]), 16, 31)
	if err != nil {
		return 0, 0, 0
	}
	return opText, int(length) + 2, end + 1
}

// payload looks at a part of a frame. Frames of WebSocket's own, and pings of a dialect, are small, and come in one part.
func (s *swarm) payload(c *client, b []byte) {
	if c.op == opPing {
		_, _ = unix.Write(c.fd, clientFrame(opPong, b))
		return
	}
	if c.op > 2 {
		return
	}
	if c.state == asking {
		s.confirmed(c, b)
	} else if s.speak.pong != nil {
		if pong := s.speak.pong(b); pong != nil {
			_, _ = unix.Write(c.fd, clientFrame(opText, pong))
		}
	}
	s.scan(c, b)
}

// confirmed looks for what confirms the subscription. A replay may come before it, of which nothing is kept but what may be its begin.
func (s *swarm) confirmed(c *client, b []byte) {
	mark := []byte(s.speak.ready)
	edge := append(c.head, b[:min(len(b), len(mark))]...) // it may stand across what came before and b
	if at := bytes.Index(edge, mark); at >= 0 {
		c.state, c.head = ready, append(edge[at:], b[min(len(b), len(mark)):min(len(b), 200)]...)
	} else if at := bytes.Index(b, mark); at >= 0 {
		c.state, c.head = ready, bytes.Clone(b[at:min(len(b), at+200)])
	} else {
		if len(b) >= len(mark) {
			edge = b
		}
		c.head = append(c.head[:0], edge[max(0, len(edge)-len(mark)):]...)
	}
}

// body is an event's payload of about size bytes. Its time and its number stand at its end, where [swarm.scan] finds them in what any
// server makes of it.
func body(n, size int) []byte {
	b := append(make([]byte, 0, size), `{"x":"`...)
	for len(b) < size-len(`~1234567890123456789~12345"}`) {
		b = append(b, 'x')
	}
	b = strconv.AppendInt(append(b, stampMark), time.Now().UnixNano(), 10)
	return append(strconv.AppendInt(append(b, stampMark), int64(n), 10), `"}`...)
}

// stampMark begins the time and the number of an event, and nothing else: not in what any server writes about it.
const stampMark = '~'

// scan counts the events in a stretch of a connection's text, which may begin and end within one.
func (s *swarm) scan(c *client, b []byte) {
	for {
		if len(c.carry) == 0 {
			at := bytes.IndexByte(b, stampMark)
			if at < 0 {
				return
			}
			b = b[at:]
		}
		end := bytes.IndexByte(b, '"')
		if end < 0 {
			c.carry = append(c.carry, b...)
			return
		}
		stamp := b[:end]
		if len(c.carry) > 0 {
			stamp = append(c.carry, stamp...)
			c.carry = stamp[:0]
		}
		s.event(c, stamp)
		b = b[end:]
	}
}

func (s *swarm) event(c *client, stamp []byte) {
	at := bytes.LastIndexByte(stamp, stampMark)
	c.events++
	n := integer(stamp[at+1:])
	if n != c.next {
		c.wrong++
	}
	if c.next = n + 1; c.next%manyIDs >= c.ids {
		c.next += manyIDs - c.next%manyIDs
	}
	all := s.events.Add(1)
	if s.sample == 0 || all%s.sample != 0 {
		return
	}
	if t := integer(stamp[1:max(1, at)]); t >= s.from {
		s.latency = append(s.latency, time.Duration(time.Now().UnixNano()-t))
	}
}

func integer(digits []byte) (n int64) {
	for _, d := range digits {
		if d < '0' || d > '9' {
			return -1
		}
		n = 10*n + int64(d-'0')
	}
	return n
}
