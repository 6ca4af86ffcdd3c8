// Package ws reads and writes WebSocket frames (RFC 6455) on the server's side of a connection whose handshake is done.
//
// It exists because a bridge writes shared bytes to many connections, many messages at a time, from a goroutine of its own: a library
// that answers pings and protocol errors by itself would write in between. Here nothing is written but what the caller writes.
// Extensions are not negotiated, so there is no compression and no bomb.
package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// An Op is the kind of a frame (RFC 6455, section 11.8).
type Op byte

const (
	continuation Op = 0
	Text         Op = 1
	Binary       Op = 2
	Close        Op = 8
	Ping         Op = 9
	Pong         Op = 10
)

// Close codes of RFC 6455, section 7.4.1, that the reader finds by itself.
const (
	CodeProtocol = 1002
	CodeInvalid  = 1007
	CodeTooLarge = 1009
	CodeNone     = 1005 // a close frame without a code; never on the wire
)

// An Error says why a connection must be closed, and with which code.
type Error struct {
	Code   int
	Reason string // fits into a close frame
}

func (e *Error) Error() string { return fmt.Sprintf("websocket: close %d: %s", e.Code, e.Reason) }

func protocolError(reason string) error { return &Error{CodeProtocol, reason} }

// ErrSlow says that a message that had begun was not complete in time.
var ErrSlow = errors.New("websocket: the message was not complete in time")

// AppendHeader appends the header of an unmasked, final frame of n bytes.
func AppendHeader(dst []byte, op Op, n int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
}

// AppendClose appends a close frame; with [CodeNone], one that is empty. The reason is cut to the whole characters that fit into 123
// bytes, and what is not UTF-8 in it is replaced.
func AppendClose(dst []byte, code int, reason string) []byte {
	if code == CodeNone {
		return AppendHeader(dst, Close, 0)
	}
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if end := maxControl - 2; len(reason) > end {
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	dst = AppendHeader(dst, Close, 2+len(reason))
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), reason...)
}

const (
	maxControl   = 125  // bytes of a control frame's payload, by section 5.5
	maxFragments = 4096 // frames of one message: enough for 16-byte fragments of the largest; nobody sends smaller ones in earnest
	bufferSize   = 512
	keptMessage  = 4096 // bytes of a message's buffer that a reader keeps while nothing is under way
)

// ErrIdle says that nothing is under way, and nothing has come. Next may be called again.
var ErrIdle = errors.New("websocket: nothing has come")

// Conn is what a Reader reads from.
type Conn interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// A Trier is a Conn that can be asked for what has come already. Where nothing has, TryRead returns [ErrIdle].
type Trier interface {
	TryRead(p []byte) (n int, err error)
}

// A Reader reads the frames of one client. It is used by one goroutine at a time, and alone sets read deadlines while it is used.
type Reader struct {
	conn    Conn
	try     Trier         // the same; nil = what comes next is waited for
	limit   int           // bytes of a message
	patient time.Duration // from a message's first byte to its last

	buf      [bufferSize]byte
	from, to int

	message   []byte // of the fragments so far
	valid     int    // bytes of message that are UTF-8, if it is text
	op        Op     // of the message under way; 0 = none
	fragments int
	began     time.Time // when the first byte of what is under way came; zero = the connection is idle
	armed     bool      // a read deadline is set
	size      int       // bytes that Next has read
	control   [maxControl]byte
}

// NewReader returns a reader of messages of up to limit bytes, each of which must be complete within patient of its first byte. If conn
// is a [Trier], it waits for the rest of what has begun, and for nothing else.
func NewReader(conn Conn, limit int, patient time.Duration) *Reader {
	r := &Reader{limit: limit, patient: patient}
	r.Reset(conn)
	return r
}

// Reset makes the reader one of another connection.
func (r *Reader) Reset(conn Conn) {
	r.conn = conn
	r.try, _ = conn.(Trier)
	r.from, r.to, r.op, r.began, r.armed, r.size = 0, 0, 0, time.Time{}, false, 0
}

// Wait makes Next wait, whatever the connection is.
func (r *Reader) Wait() { r.try = nil }

// Next returns the next message or control frame. Its payload is valid until the next call. Control frames are returned as they come,
// also between the fragments of a message. An error is an [*Error], [ErrSlow], [ErrIdle] from a connection that is a [Trier], or the
// connection's; Next is not called again after any but ErrIdle.
func (r *Reader) Next() (Op, []byte, error) {
	if r.op == 0 && cap(r.message) > keptMessage {
		r.message = nil // an idle connection keeps no large buffer
	}
	r.size = 0
	for {
		if r.op == 0 {
			r.idle()
		}
		h, err := r.header()
		if err != nil {
			return 0, nil, err
		}
		if h.op >= Close {
			payload, err := r.controlFrame(h)
			return h.op, payload, err
		}
		if err := r.fragment(h); err != nil {
			return 0, nil, err
		}
		if !h.final {
			continue
		}
		op := r.op
		r.op = 0
		if op == Text && r.valid < len(r.message) {
			return 0, nil, errText // it ends in the midst of a character
		}
		return op, r.message, nil
	}
}

// Size is how many bytes the last call of Next has read: the message or control frame that it returned, with the headers of its frames,
// however little was in them.
func (r *Reader) Size() int { return r.size }

type header struct {
	op    Op
	final bool
	size  int
	mask  [4]byte
}

func (r *Reader) header() (h header, err error) {
	var b [8]byte
	if err := r.full(b[:2]); err != nil {
		return h, err
	}
	h.op, h.final = Op(b[0]&0x0F), b[0]&0x80 != 0
	size := uint64(b[1] & 0x7F)
	switch {
	case b[0]&0x70 != 0:
		return h, protocolError("reserved bits are set, but no extension was agreed on")
	case h.op > Binary && h.op < Close || h.op > Pong:
		return h, protocolError("unknown opcode")
	case b[1]&0x80 == 0:
		return h, protocolError("a client's frames must be masked")
	case h.op >= Close && (size > maxControl || !h.final):
		return h, protocolError("control frames hold at most 125 bytes and are never fragmented")
	case h.op == continuation && r.op == 0:
		return h, protocolError("a continuation of nothing")
	case (h.op == Text || h.op == Binary) && r.op != 0:
		return h, protocolError("a new message inside a fragmented one")
	}
	if size >= 126 {
		n := 2
		if size == 127 {
			n = 8
		}
		clear(b[:])
		if err := r.full(b[8-n:]); err != nil {
			return h, err
		}
		size = binary.BigEndian.Uint64(b[:])
		switch {
		case size>>63 != 0:
			return h, protocolError("a frame's length has its highest bit set")
		case size < 126 || n == 8 && size <= 0xFFFF:
			return h, protocolError("a frame's length has more bytes than it needs")
		}
	}
	if h.op < Close && size > uint64(r.limit-r.sofar()) {
		return h, &Error{CodeTooLarge, fmt.Sprintf("a message may have %d bytes", r.limit)}
	}
	h.size = int(size)
	return h, r.full(h.mask[:])
}

// sofar is how many bytes of the message under way have been read.
func (r *Reader) sofar() int {
	if r.op == 0 {
		return 0
	}
	return len(r.message)
}

func (r *Reader) fragment(h header) error {
	if h.op != continuation {
		r.op, r.message, r.valid, r.fragments = h.op, r.message[:0], 0, 0
	}
	if r.fragments++; r.fragments > maxFragments {
		return &Error{CodeTooLarge, fmt.Sprintf("a message may have %d fragments", maxFragments)}
	}
	// The buffer grows with what arrives, not with what a header claims; and text is looked at as it arrives.
	for left := h.size; left > 0; {
		if r.from == r.to {
			if err := r.fill(); err != nil {
				return err
			}
		}
		step, at := min(left, r.to-r.from), len(r.message)
		r.grow(step)
		if err := r.full(r.message[at:]); err != nil {
			return err
		}
		unmask(r.message[at:], h.mask, h.size-left)
		if r.op == Text && !r.checkText() {
			return errText
		}
		left -= step
	}
	return nil
}

var errText = &Error{CodeInvalid, "text is not valid UTF-8"}

// checkText says whether the text so far can be the beginning of valid UTF-8. Its last character may go on in what follows.
func (r *Reader) checkText() bool {
	end := len(r.message)
	for n := 1; n < utf8.UTFMax && n <= end-r.valid; n++ {
		if last := r.message[end-n:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				end -= n
			}
			break
		}
	}
	ok := utf8.Valid(r.message[r.valid:end])
	r.valid = end
	return ok
}

// grow lengthens the message by n bytes. It doubles the buffer as long as that is within the limit, which the message is.
func (r *Reader) grow(n int) {
	need := len(r.message) + n
	if need > cap(r.message) {
		bigger := make([]byte, need, max(need, min(2*cap(r.message), r.limit)))
		copy(bigger, r.message)
		r.message = bigger
	}
	r.message = r.message[:need]
}

func (r *Reader) controlFrame(h header) ([]byte, error) {
	payload := r.control[:h.size]
	if err := r.full(payload); err != nil {
		return nil, err
	}
	unmask(payload, h.mask, 0)
	if h.op != Close || h.size == 0 {
		return payload, nil
	}
	if h.size == 1 {
		return nil, protocolError("a close frame's code has two bytes")
	}
	if code := int(binary.BigEndian.Uint16(payload)); !sendable(code) {
		return nil, protocolError(fmt.Sprintf("%d is no close code", code))
	}
	if !utf8.Valid(payload[2:]) {
		return nil, &Error{CodeInvalid, "the reason is not valid UTF-8"}
	}
	return payload, nil
}

// sendable says whether a close code may be sent: section 7.4 and IANA's registry.
func sendable(code int) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code == 1004, code == 1005, code == 1006:
		return false
	default:
		return code >= 1000 && code <= 1014
	}
}

// CloseCode is the code in a close frame's payload, [CodeNone] where it has none.
func CloseCode(payload []byte) int {
	if len(payload) < 2 {
		return CodeNone
	}
	return int(binary.BigEndian.Uint16(payload))
}

func unmask(b []byte, mask [4]byte, offset int) {
	for i := range b {
		b[i] ^= mask[(offset+i)&3]
	}
}

// idle notes that no message is under way, so that the connection may be silent.
func (r *Reader) idle() {
	r.began = time.Time{}
	if r.armed {
		r.armed = false
		_ = r.conn.SetReadDeadline(time.Time{})
	}
}

// full fills p. Only a read in the midst of a message has a deadline.
func (r *Reader) full(p []byte) error {
	for n := 0; n < len(p); {
		if r.from == r.to {
			if err := r.fill(); err != nil {
				return err
			}
		}
		c := copy(p[n:], r.buf[r.from:r.to])
		n, r.from, r.size = n+c, r.from+c, r.size+c
		if r.began.IsZero() {
			r.began = time.Now()
		}
	}
	return nil
}

func (r *Reader) fill() error {
	if r.try != nil && r.op == 0 && r.began.IsZero() {
		n, err := r.try.TryRead(r.buf[:])
		r.from, r.to = 0, n
		return err
	}
	if !r.began.IsZero() && !r.armed {
		r.armed = true
		if err := r.conn.SetReadDeadline(r.began.Add(r.patient)); err != nil {
			return err
		}
	}
	var n int
	var err error
	for tries := 0; n == 0 && err == nil; tries++ {
		if tries == 100 {
			return io.ErrNoProgress
		}
		n, err = r.conn.Read(r.buf[:])
	}
	r.from, r.to = 0, n
	var timeout interface{ Timeout() bool }
	switch {
	case n > 0:
		return nil
	case !r.began.IsZero() && errors.As(err, &timeout) && timeout.Timeout() && time.Since(r.began) >= r.patient:
		return ErrSlow
	}
	return err
}
