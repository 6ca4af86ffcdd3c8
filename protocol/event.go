package protocol

import (
	"bytes"
	"encoding/base64"
	"time"
	"unicode/utf8"
)

// An Event is one stored event as clients see it.
type Event struct {
	Cursor             string
	Resource, Type, ID string    // texts, not tokens; ID "" = no particular record
	Date               time.Time // when it happened
	Payload            []byte    // the stored body: JSON, empty (= {}), or anything (sent as raw)
	Meta               []byte    // a JSON object; anything else is left out
	Origin, Batch      string    // "" = none
}

// EventHead begins every output of [AppendEvent]. What follows it is what a live
// event, a tagged event and the bare object of HTTP and SSE share.
const EventHead = `{"op":"event",`

// AppendEvent appends e as a live event: the frame that goes to every connection
// alike. The output is one line of valid JSON whatever the fields hold: a payload
// that is not JSON becomes null with its bytes as base64 in raw, and invalid UTF-8
// in a text becomes U+FFFD. It allocates nothing where dst has room, unless the
// payload is not JSON.
func AppendEvent(dst []byte, e *Event) []byte {
	dst = append(dst, EventHead+`"cursor":`...)
	dst = appendString(dst, e.Cursor)
	dst = appendField(dst, `,"resource":`, e.Resource)
	dst = appendField(dst, `,"type":`, e.Type)
	dst = appendField(dst, `,"id":`, e.ID)
	dst = append(dst, `,"date":`...)
	dst = appendTime(dst, e.Date)
	dst = appendPayload(dst, e.Payload)
	if isObject(e.Meta) && isText(e.Meta) {
		dst = append(dst, `,"meta":`...)
		dst = appendLine(dst, e.Meta)
	}
	if e.Origin != "" {
		dst = appendField(dst, `,"origin":`, e.Origin)
	}
	if e.Batch != "" {
		dst = appendField(dst, `,"batch":`, e.Batch)
	}
	return append(dst, '}')
}

// AppendTagged appends an output of [AppendEvent] as a replayed event, which is
// for the subscription sub alone. It allocates nothing where dst has room.
func AppendTagged(dst []byte, sub string, event []byte) []byte {
	dst = append(dst, EventHead+`"sub":`...)
	dst = appendString(dst, sub)
	dst = append(dst, ',')
	return append(dst, event[len(EventHead):]...)
}

// AppendObject appends an output of [AppendEvent] as HTTP and SSE show it: without
// the op. It allocates nothing where dst has room.
func AppendObject(dst, event []byte) []byte {
	dst = append(dst, '{')
	return append(dst, event[len(EventHead):]...)
}

func appendPayload(dst, payload []byte) []byte {
	switch {
	case len(payload) == 0:
		return append(dst, `,"payload":{}`...)
	case isText(payload):
		dst = append(dst, `,"payload":`...)
		return appendLine(dst, payload)
	}
	dst = append(dst, `,"payload":null,"raw":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	return append(dst, '"')
}

// isText reports whether value is JSON that every reader of JSON takes.
func isText(value []byte) bool { return utf8.Valid(value) && valid(value) }

func isObject(value []byte) bool {
	value = bytes.TrimLeft(value, space)
	return len(value) > 0 && value[0] == '{'
}

// appendLine appends valid JSON without raw line breaks, which can only be between
// its tokens.
func appendLine(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return append(dst, value...)
	}
	return appendCompact(dst, value)
}

// appendCompact appends valid JSON without the whitespace between its tokens.
func appendCompact(dst, value []byte) []byte {
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case ' ', '\t', '\r', '\n':
		case '"':
			end := stringEnd(value, i)
			dst = append(dst, value[i:end]...)
			i = end - 1
		default:
			dst = append(dst, value[i])
		}
	}
	return dst
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func appendField(dst []byte, head, value string) []byte {
	dst = append(dst, head...)
	return appendString(dst, value)
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0 // of what is not appended yet
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
