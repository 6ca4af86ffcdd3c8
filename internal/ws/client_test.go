package ws

import (
	"encoding/binary"
	"io"
	"os"
	"time"
)

// A sent is one frame as a client sends it. The zero values of the last fields are what the protocol wants.
type sent struct {
	op      Op
	payload string
	more    bool // not the message's last frame

	reserved byte // reserved bits to set
	plain    bool // not masked
	wide     int  // bytes of the extended length, where it is not the shortest
	claimed  uint64
}

var mask = [4]byte{0xA5, 0x00, 0xFF, 0x3C}

// append writes the frame. Where a length is claimed, that many bytes are announced and the payload is what comes of them.
func (f sent) append(dst []byte) []byte {
	first := byte(f.op) | f.reserved
	if !f.more {
		first |= 0x80
	}
	n := uint64(len(f.payload))
	if f.claimed != 0 {
		n = f.claimed
	}
	masked := byte(0x80)
	if f.plain {
		masked = 0
	}
	switch {
	case f.wide == 8 || n > 0xFFFF:
		dst = binary.BigEndian.AppendUint64(append(dst, first, masked|127), n)
	case f.wide == 2 || n > 125:
		dst = binary.BigEndian.AppendUint16(append(dst, first, masked|126), uint16(n))
	default:
		dst = append(dst, first, masked|byte(n))
	}
	if f.plain {
		return append(dst, f.payload...)
	}
	dst = append(dst, mask[:]...)
	for i := range len(f.payload) {
		dst = append(dst, f.payload[i]^mask[i&3])
	}
	return dst
}

func frames(list ...sent) (raw []byte) {
	for _, f := range list {
		raw = f.append(raw)
	}
	return raw
}

// A wire is a connection that brings the given bytes, up to step at a time (0 = as many as are asked for), and then ends or, if it is
// stuck, is silent: a read without a deadline is then io.ErrNoProgress, and one with a deadline is over at once.
type wire struct {
	raw      []byte
	step     int
	stuck    bool
	empty    int // reads that bring nothing, before each that does
	emptied  int
	deadline time.Time
	set      int // how often a deadline was set or cleared
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.raw) == 0 {
		switch {
		case !w.stuck:
			return 0, io.EOF
		case w.deadline.IsZero():
			return 0, io.ErrNoProgress
		default:
			return 0, os.ErrDeadlineExceeded
		}
	}
	if w.emptied++; w.emptied <= w.empty {
		return 0, nil
	}
	w.emptied = 0
	if w.step > 0 {
		p = p[:min(w.step, len(p))]
	}
	n := copy(p, w.raw)
	w.raw = w.raw[n:]
	return n, nil
}

func (w *wire) SetReadDeadline(t time.Time) error {
	w.deadline, w.set = t, w.set+1
	return nil
}
