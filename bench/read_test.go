//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// wsFrame is a server's frame.
func wsFrame(payload string) []byte {
	b := []byte{0x81}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// What is counted does not depend on where a server, or the network, cuts the text.
func TestTakeAnywhereCut(t *testing.T) {
	var lines []string
	for n := range 40 {
		lines = append(lines, fmt.Sprintf(`{"op":"event","payload":%s}`, body(n, 100+10*n)))
	}
	frames := wsFrame(`{"op":"live","sub":"a","cursor":"abc"}`)
	frames = append(frames, wsFrame(strings.Join(lines[:3], "\n"))...)
	frames = append(frames, wsFrame(strings.Join(lines[3:], "\n"))...)
	frames = append(frames, wsFrame(strings.Repeat(" ", 70_000))...)
	var chunks []byte
	for _, line := range lines {
		data := "data: " + line + "\n\n"
		chunks = fmt.Appendf(chunks, "%x\r\n%s\r\n", len(data), data)
	}
	for name, test := range map[string]struct {
		speak dialect
		text  []byte
	}{"WebSocket": {livebridge, frames}, "SSE": {mercure, chunks}} {
		for cut := 1; cut < 700; cut += 1 + cut/20 {
			s := &swarm{speak: test.speak, sample: 1}
			c := &client{fd: -1, state: asking, ids: manyIDs}
			if test.speak.sse {
				c.state = ready
			}
			for left := test.text; len(left) > 0; {
				n := min(cut, len(left))
				s.take(c, bytes.Clone(left[:n]))
				left = left[n:]
			}
			if c.events != 40 || c.wrong != 0 || c.state != ready || len(s.latency) != 40 || s.latency[0] <= 0 {
				t.Fatalf("%s, cut at every %d bytes: %d events, %d wrong, state %d, %d latencies", name, cut, c.events, c.wrong, c.state, len(s.latency))
			}
		}
	}
}

// An event that is missing, comes twice or too early is found, whatever ids a client wants.
func TestWrongIsFound(t *testing.T) {
	for name, test := range map[string]struct {
		ids    int64
		come   []int
		wrongs int64
	}{
		"all":        {manyIDs, []int{0, 1, 2, 3}, 0},
		"missing":    {manyIDs, []int{0, 1, 3, 4}, 1},
		"twice":      {manyIDs, []int{0, 1, 1, 2}, 1},
		"order":      {manyIDs, []int{0, 2, 1, 3}, 3},
		"not at 0":   {manyIDs, []int{1, 2}, 1},
		"ten ids":    {3, []int{0, 1, 2, 1000, 1001, 1002, 2000}, 0},
		"of another": {3, []int{0, 1, 2, 3, 1000}, 1},
	} {
		s := &swarm{speak: livebridge}
		c := &client{state: ready, ids: test.ids}
		for _, n := range test.come {
			s.scan(c, body(n, 60))
		}
		if c.wrong != test.wrongs {
			t.Errorf("%s: %d wrong, want %d", name, c.wrong, test.wrongs)
		}
	}
}
