package bridge

import (
	"time"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// cursorLen is the length of a cursor's text in an encoded event.
const cursorLen = replay.CursorLen

// The headers of an event's message, as PROTOCOL.md has them.
const (
	headerDate   = "Live-Date"   // RFC 3339
	headerMeta   = "Live-Meta"   // a JSON object
	headerOrigin = "Live-Origin" // the session or service that caused it
	headerBatch  = "Live-Batch"  // common to the messages of one event
)

// Encode appends a stored event as it is encoded once for all connections. It is what [replay.Config.Encode] of a bridge's log has to be. A
// header that is not what it should be is left out; the event is delivered all the same.
func Encode(dst []byte, m *replay.Message) []byte {
	e := protocol.Event{
		Cursor:   m.Cursor.String(),
		Resource: m.Name.Resource,
		Type:     m.Name.Type,
		ID:       m.Name.ID,
		Date:     m.Stored,
		Payload:  m.Data,
	}
	if h := m.Header; h != nil {
		if t, err := time.Parse(time.RFC3339Nano, h.Get(headerDate)); err == nil && t.UTC().Year() >= 0 && t.UTC().Year() <= 9999 {
			e.Date = t // what RFC 3339 can say in UTC, too
		}
		if meta := h.Get(headerMeta); meta != "" {
			e.Meta = []byte(meta)
		}
		e.Origin, e.Batch = h.Get(headerOrigin), h.Get(headerBatch)
	}
	return protocol.AppendEvent(dst, &e)
}
