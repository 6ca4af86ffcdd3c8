package replay

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/subjects"
)

// A Message is one stored event as JetStream delivers it, before it is encoded.
type Message struct {
	Cursor Cursor
	Name   subjects.Name
	Stored time.Time // JetStream's store time
	Header nats.Header
	Data   []byte
}

// An Event is one stored event as it is handed to subscriptions: encoded once, shared by all of them, never changed.
type Event struct {
	Seq     uint64
	Stored  int64  // store time, Unix nanoseconds
	Subject string // "" for a message that is no event; it is nowhere delivered
	Frame   []byte // what [Config.Encode] made of it
}

// eventOverhead is what one event costs in the window besides its subject and frame: the struct, its slot, and allocation rounding.
const eventOverhead = 128

func (e *Event) size() int { return len(e.Subject) + len(e.Frame) + eventOverhead }

// cursor is the position just after the event.
func (e *Event) cursor(inc uint64) Cursor { return Cursor{inc: inc, seq: e.Seq, at: e.Stored} }
