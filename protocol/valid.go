package protocol

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep values may be nested; encoding/json has the same limit.
const maxDepth = 10_000

// valid reports whether b is one JSON value (RFC 8259). It agrees with encoding/json's Valid, which takes several times as long
// (BenchmarkValid): every event passes here, stored by whomever. Like that one it does not look whether strings are UTF-8.
func valid(b []byte) bool {
	end := valueFrom(b, skipSpace(b, 0), 0)
	return end >= 0 && skipSpace(b, end) == len(b)
}

// The functions below return the index after what begins at i, and -1 where that is not what it should be.

func valueFrom(b []byte, i, depth int) int {
	switch byteAt(b, i) {
	case '"':
		return textFrom(b, i+1)
	case '{':
		return membersFrom(b, i+1, depth+1, '}')
	case '[':
		return membersFrom(b, i+1, depth+1, ']')
	case 't':
		return literalFrom(b, i, "true")
	case 'f':
		return literalFrom(b, i, "false")
	case 'n':
		return literalFrom(b, i, "null")
	}
	return numberFrom(b, i)
}

// byteAt is the byte at i; 0, which stands nowhere in JSON, beyond the end.
func byteAt(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

func literalFrom(b []byte, i int, text string) int {
	if bytes.HasPrefix(b[i:], []byte(text)) {
		return i + len(text)
	}
	return -1
}

// membersFrom is about the inside of an object or array and its closing bracket.
func membersFrom(b []byte, i, depth int, closing byte) int {
	if depth > maxDepth {
		return -1
	}
	if i = skipSpace(b, i); byteAt(b, i) == closing {
		return i + 1
	}
	for {
		if closing == '}' {
			if i = nameFrom(b, i); i < 0 {
				return -1
			}
		}
		if i = valueFrom(b, i, depth); i < 0 {
			return -1
		}
		switch i = skipSpace(b, i); byteAt(b, i) {
		case closing:
			return i + 1
		case ',':
			i = skipSpace(b, i+1)
		default:
			return -1
		}
	}
}

// nameFrom is about a member's name, the colon, and the space up to the value.
func nameFrom(b []byte, i int) int {
	if byteAt(b, i) != '"' {
		return -1
	}
	if i = textFrom(b, i+1); i < 0 {
		return -1
	}
	if i = skipSpace(b, i); byteAt(b, i) != ':' {
		return -1
	}
	return skipSpace(b, i+1)
}

// textFrom is about a string after its opening quote.
func textFrom(b []byte, i int) int {
	for {
		switch i = plainEnd(b, i); byteAt(b, i) {
		case '"':
			return i + 1
		case '\\':
			if i = escapeFrom(b, i+1); i < 0 {
				return -1
			}
		default:
			return -1
		}
	}
}

// plainEnd is the index of the first byte that is a quote, a backslash or a control character. It looks at eight bytes at a time; how is
// described in Warren, Hacker's Delight, 6-1: the lowest of the bits that are set is right.
func plainEnd(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^ones*'"', x^ones*'\\'
		if found := ((x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// escapeFrom is about what follows a backslash.
func escapeFrom(b []byte, i int) int {
	switch byteAt(b, i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for n := range 4 {
			if c := byteAt(b, i+1+n); !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func numberFrom(b []byte, i int) int {
	if byteAt(b, i) == '-' {
		i++
	}
	if byteAt(b, i) == '0' {
		i++
	} else if i = digitsFrom(b, i); i < 0 {
		return -1
	}
	if byteAt(b, i) == '.' {
		if i = digitsFrom(b, i+1); i < 0 {
			return -1
		}
	}
	if byteAt(b, i)|0x20 == 'e' {
		if i++; byteAt(b, i) == '+' || byteAt(b, i) == '-' {
			i++
		}
		return digitsFrom(b, i)
	}
	return i
}

func digitsFrom(b []byte, i int) int {
	if !isDigit(byteAt(b, i)) {
		return -1
	}
	for isDigit(byteAt(b, i)) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
