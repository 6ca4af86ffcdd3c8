package bridge

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/replay"
)

// A stretch is a part of a replay that goes into one WebSocket frame. When many clients come back at once, they are often at the same
// place and ask for the same: then the frame is made once, and all of them share it.
type stretch struct {
	head   []byte // how each of its events begins
	events []*replay.Event
	size   int // of the frame's payload, with a line break after each event

	shared atomic.Bool // another connection has it, too
	once   sync.Once
	frame  []byte // made once, if it is shared
}

// sharedFrame is the frame, which never changes, if another connection has it, too; otherwise nil.
func (c *stretch) sharedFrame() []byte {
	if !c.shared.Load() {
		return nil
	}
	c.once.Do(func() { c.frame = c.make(make([]byte, 0, c.size+16)) })
	return c.frame
}

// appendFrame appends the frame.
func (c *stretch) appendFrame(dst []byte) []byte {
	if frame := c.sharedFrame(); frame != nil {
		return append(dst, frame...)
	}
	return c.make(dst)
}

func (c *stretch) make(dst []byte) []byte {
	dst = ws.AppendHeader(dst, ws.Text, c.size-1)
	for i, e := range c.events {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = appendTagged(dst, c.head, e.Frame)
	}
	return dst
}

// stretches remembers the newest stretches. It may be used concurrently.
type stretches struct {
	mu     sync.Mutex
	recent [64]*stretch // each of at most frameMax, or one event
	next   int
	used   time.Time
}

// split makes stretches of a replay's events.
func (cs *stretches) split(head []byte, events []*replay.Event, each func(*stretch)) {
	for len(events) > 0 {
		n, size := 0, 0
		for _, e := range events {
			s := tagged(head, e.Frame)
			if n > 0 && size+s > frameMax {
				break
			}
			size += s
			n++
		}
		each(cs.of(head, events[:n:n], size))
		events = events[n:]
	}
}

// of is a stretch of these events: one that another connection has been given, if there is one.
func (cs *stretches) of(head []byte, events []*replay.Event, size int) *stretch {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.recent {
		if c != nil && c.size == size && c.events[0] == events[0] && bytes.Equal(c.head, head) && slices.Equal(c.events, events) {
			c.shared.Store(true)
			return c
		}
	}
	c := &stretch{head: head, events: events, size: size}
	cs.recent[cs.next] = c
	cs.next = (cs.next + 1) % len(cs.recent)
	cs.used = time.Now()
	return c
}

// forget drops what has not been added to for a while.
func (cs *stretches) forget(now time.Time) {
	const while = 2 * time.Second
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !cs.used.IsZero() && now.Sub(cs.used) > while {
		cs.recent, cs.next, cs.used = [64]*stretch{}, 0, time.Time{}
	}
}
