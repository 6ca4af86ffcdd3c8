package replay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/fnv"
	"time"
)

// ErrBadCursor says that a text is not a cursor: it was cut, altered, or never came from a bridge.
var ErrBadCursor = errors.New("not a cursor: pass on a cursor exactly as a bridge sent it")

// A Cursor is a position in one stream: everything up to it has been seen, everything after it has not. It is valid at every bridge of
// that stream. The zero Cursor is no position.
//
// A cursor carries the stream's incarnation and the store time of one message, so that a stream that was recreated, or that lost its
// newest messages and gave their sequences to others, is found out when the cursor is used.
type Cursor struct {
	inc    uint64 // which stream: name and creation time, hashed
	seq    uint64 // the message the check is on
	at     int64  // its store time in Unix nanoseconds; 0 = not known
	before bool   // the position is just before seq, not just after it
}

// CursorLen is the length in bytes of every cursor's text.
const CursorLen = 36

const (
	kindAfter  = 1
	kindBefore = 2
	rawLen     = 27 // kind, incarnation, sequence, time, 2 bytes of checksum; 27 bytes are 36 characters of base64 without padding
)

// AppendText appends the cursor's text, [CursorLen] printable bytes without spaces or quotes.
func (c Cursor) AppendText(dst []byte) []byte {
	var raw [rawLen]byte
	raw[0] = kindAfter
	if c.before {
		raw[0] = kindBefore
	}
	binary.BigEndian.PutUint64(raw[1:], c.inc)
	binary.BigEndian.PutUint64(raw[9:], c.seq)
	binary.BigEndian.PutUint64(raw[17:], uint64(c.at))
	binary.BigEndian.PutUint16(raw[25:], checksum(raw[:25]))
	return base64.RawURLEncoding.AppendEncode(dst, raw[:])
}

// String is the cursor's text; see [Cursor.AppendText].
func (c Cursor) String() string { return string(c.AppendText(make([]byte, 0, CursorLen))) }

// ParseCursor is the inverse of [Cursor.String]. It returns [ErrBadCursor] for anything else. Whether the position still exists is only
// known when the cursor is used.
func ParseCursor(text string) (Cursor, error) {
	var raw [rawLen]byte
	if len(text) != CursorLen {
		return Cursor{}, ErrBadCursor
	}
	if n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(text)); err != nil || n != rawLen {
		return Cursor{}, ErrBadCursor
	}
	if binary.BigEndian.Uint16(raw[25:]) != checksum(raw[:25]) || (raw[0] != kindAfter && raw[0] != kindBefore) {
		return Cursor{}, ErrBadCursor
	}
	c := Cursor{
		inc:    binary.BigEndian.Uint64(raw[1:]),
		seq:    binary.BigEndian.Uint64(raw[9:]),
		at:     int64(binary.BigEndian.Uint64(raw[17:])),
		before: raw[0] == kindBefore,
	}
	if c.before && c.seq == 0 {
		return Cursor{}, ErrBadCursor
	}
	return c, nil
}

// IsZero says that c is no position.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// floor is the sequence up to which everything has been seen.
func (c Cursor) floor() uint64 {
	if c.before {
		return c.seq - 1
	}
	return c.seq
}

// checksum tells a cursor that was typed, cut or flipped on its way from a real one; it is no protection against forgery, and need not
// be: a forged cursor is only another position to start from.
func checksum(b []byte) uint16 {
	sum := crc32.ChecksumIEEE(b)
	return uint16(sum) ^ uint16(sum>>16)
}

// incarnation identifies one life of a stream: a stream that is deleted and created again gets another one.
func incarnation(stream string, created time.Time) uint64 {
	h := fnv.New64a()
	h.Write([]byte(stream))
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(created.UnixNano()))
	h.Write(t[:])
	return h.Sum64()
}
