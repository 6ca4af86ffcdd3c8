package bridge

import (
	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
)

// An item is one line for a client: an event, or anything else; or, on a WebSocket, a stretch of a replay. Events are shared between
// connections, so an item points to its text.
type item struct {
	text    *[]byte
	sub     *subscription // the one that the event is for; nil for a live event on a WebSocket, and for all that is no event
	stretch *stretch      // instead of both
}

// size is how many bytes the item takes on a WebSocket, with the line break that joins it to the next.
func (it item) size() int {
	if it.stretch != nil {
		return it.stretch.size
	}
	if it.sub == nil || it.sub.head == nil {
		return len(*it.text) + 1
	}
	return tagged(it.sub.head, *it.text)
}

// tagged is the size of an event that begins with the head of a subscription instead of its own.
func tagged(head, event []byte) int { return len(head) + len(event) - len(protocol.EventHead) + 1 }

func appendTagged(dst, head, event []byte) []byte {
	return append(append(dst, head...), event[len(protocol.EventHead):]...)
}

// A framing puts items on the wire.
type framing interface {
	// appendItems appends items until about max bytes are reached, at least one, and returns how many it took and their size.
	appendItems(dst []byte, items []item, max int) (out []byte, taken, size int)
	// appendControl appends what is asked for between items.
	appendControl(dst []byte, c control) []byte
}

// A control is what goes between items.
type control struct {
	pong  []byte // answer to a ping with this payload; nil = none
	ping  bool   // ask for a sign of life
	flush bool   // TLS has something of its own to say
	close bool   // the last that is sent
	last  []byte // a text before that; nil = none
	code  protocol.CloseCode
}

// frameMax is how many bytes of items are joined into one WebSocket frame: a browser parses a frame at a time.
const frameMax = 64 << 10

// wsFraming joins items by line breaks into text frames.
type wsFraming struct{}

func (wsFraming) appendItems(dst []byte, items []item, limit int) ([]byte, int, int) {
	taken, total := 0, 0
	for taken < len(items) && total < limit {
		if c := items[taken].stretch; c != nil {
			if total > 0 && total+c.size > limit {
				break
			}
			dst = c.appendFrame(dst)
			total += c.size
			taken++
			continue
		}
		n, size := 0, 0
		for _, it := range items[taken:] {
			if n > 0 && (it.stretch != nil || size+it.size() > frameMax || total+size >= limit) {
				break
			}
			size += it.size()
			n++
		}
		dst = ws.AppendHeader(dst, ws.Text, size-1)
		for i, it := range items[taken : taken+n] {
			if i > 0 {
				dst = append(dst, '\n')
			}
			if it.sub == nil {
				dst = append(dst, *it.text...)
			} else {
				dst = appendTagged(dst, it.sub.head, *it.text)
			}
		}
		total += size
		taken += n
	}
	return dst, taken, total
}

func (wsFraming) appendControl(dst []byte, c control) []byte {
	if c.pong != nil {
		dst = append(ws.AppendHeader(dst, ws.Pong, len(c.pong)), c.pong...)
	}
	if c.ping {
		dst = ws.AppendHeader(dst, ws.Ping, 0)
	}
	if c.close {
		if c.last != nil {
			dst = append(ws.AppendHeader(dst, ws.Text, len(c.last)), c.last...)
		}
		dst = ws.AppendClose(dst, int(c.code), c.code.String())
	}
	return dst
}

// sseFraming writes each event as a block of the event stream, and everything else as it is.
type sseFraming struct{}

// cursorAt is where the cursor stands in an encoded event.
const cursorAt = len(protocol.EventHead) + len(`"cursor":"`)

func (sseFraming) appendItems(dst []byte, items []item, limit int) ([]byte, int, int) {
	taken, total := 0, 0
	for taken < len(items) && (taken == 0 || total < limit) {
		it := items[taken]
		if it.sub == nil {
			dst = append(dst, *it.text...)
		} else {
			dst = append(append(dst, "id: "...), (*it.text)[cursorAt:cursorAt+cursorLen]...)
			dst = protocol.AppendObject(append(dst, "\ndata: "...), *it.text)
			dst = append(dst, "\n\n"...)
		}
		taken++
		total += it.size()
	}
	return dst, taken, total
}

func (sseFraming) appendControl(dst []byte, c control) []byte {
	if c.close {
		dst = append(dst, c.last...)
	}
	return dst
}
