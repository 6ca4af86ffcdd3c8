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

// encode makes an event of a stored message, and appends its frame to dst. A message whose subject is not an event's has no subject here:
// it is counted and nowhere delivered.
func (l *Log) encode(dst []byte, m stored, inc uint64) ([]byte, Event) {
	e := Event{Seq: m.seq, Stored: m.at}
	name, err := subjects.Parse(m.Subject)
	if err != nil {
		l.stats.skip(l.cfg.Logger, m.Subject, err)
		return dst, e
	}
	began := len(dst)
	dst = l.cfg.Encode(dst, &Message{
		Cursor: Cursor{inc: inc, seq: m.seq, at: m.at},
		Name:   name,
		Stored: time.Unix(0, m.at).UTC(),
		Header: m.Header,
		Data:   m.Data,
	})
	e.Subject, e.Frame = m.Subject, dst[began:len(dst):len(dst)]
	return dst, e
}

// A slab is memory for the events of a replay. They are dropped together, so they are not allocated one by one.
type slab struct {
	events []Event
	frames []byte
}

// What does not fit into the rest of a slab begins the next, which is twice as large, up to these.
const (
	slabEvents = 256
	slabFrames = 64 << 10
)

// event encodes a stored message.
func (s *slab) event(l *Log, m stored, inc uint64) *Event {
	if n := cap(s.events); len(s.events) == n {
		s.events = make([]Event, 0, min(max(8, 2*n), slabEvents))
	}
	most := 1024 + len(m.Data) + len(m.Data)/4 // few frames are longer
	if n := cap(s.frames); n-len(s.frames) < most {
		s.frames = make([]byte, 0, max(most, min(2*n, slabFrames)))
	}
	frames, e := l.encode(s.frames, m, inc)
	s.frames, s.events = frames, append(s.events, e)
	return &s.events[len(s.events)-1]
}
