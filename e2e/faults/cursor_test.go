//go:build linux

package faults

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"
)

// A position is what a cursor means. Clients must not look inside a cursor; these tests do, to be as strict as they can be.
type position struct{ inc, seq uint64 }

// parse reads a cursor as replay/cursor.go writes it: kind, incarnation, sequence, time, checksum.
func parse(cursor string) (position, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 27 {
		return position{}, fmt.Errorf("cursor %q cannot be read: %v", cursor, err)
	}
	p := position{inc: binary.BigEndian.Uint64(raw[1:]), seq: binary.BigEndian.Uint64(raw[9:])}
	if raw[0] == 2 { // just before that sequence
		p.seq--
	}
	return p, nil
}

// incarnation is how a cursor names one life of the stream, as replay/cursor.go does.
func incarnation(created time.Time) uint64 {
	h := fnv.New64a()
	h.Write([]byte(streamName))
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(created.UnixNano()))
	h.Write(t[:])
	return h.Sum64()
}
