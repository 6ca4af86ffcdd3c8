package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livebridge/livebridge/protocol"
)

// An outbox is what waits to be written to one connection: bounded in bytes, with one policy for a peer that is too slow: what waits is
// dropped and the connection is closed with 4409, so that the client resumes from its cursor. Nothing is ever dropped from between.
type outbox struct {
	conn  *conn
	limit int // bytes

	lastWrite atomic.Int64 // of items, Unix nanoseconds
	closeBy   atomic.Int64 // when the close must have come to an end, Unix nanoseconds; 0 = the connection is not being closed

	mu       sync.Mutex
	items    *[]item       // nil = none
	bytes    int           // of the items, and of what is being written
	reserved int           // bytes that replays may still add
	room     chan struct{} // closed when bytes or reserved fall, and at the end; nil = nobody waits
	writing  bool          // a shard, or a goroutine of its own, is writing or about to
	stalled  bool          // … and it is a goroutine of its own: the peer takes no more for now
	control  control
	closing  bool               // nothing is queued any more; the close frame goes last
	code     protocol.CloseCode // … and why; 0 = the peer has gone
	slow     bool               // … and what was queued is dropped
	closed   bool               // the close frame has been taken, or the connection is gone
	sent     bool               // the close frame has been written
	gone     bool               // … or never will be
}

// slices of items, so that an idle connection holds none and a busy one allocates none.
var itemPool = sync.Pool{New: func() any { s := make([]item, 0, 16); return &s }}

const keepItems = 4096 // a longer slice is left to the garbage collector

func putItems(s *[]item) {
	if s == nil || cap(*s) > keepItems {
		return
	}
	clear(*s)
	*s = (*s)[:0]
	itemPool.Put(s)
}

// push queues one item of an event that is live, or of anything else that was not asked to wait for room.
func (o *outbox) push(it item) {
	o.mu.Lock()
	if o.closing || it.sub != nil && it.sub.over {
		o.mu.Unlock()
		return
	}
	// Checked before it is added: a single event larger than the limit still passes when nothing waits.
	if !o.stalled && o.bytes > o.limit/2 {
		o.conn.srv.pressed.Store(true)
	}
	if o.bytes > o.limit && (o.stalled || o.bytes > excess*o.limit) {
		o.fail(protocol.CloseSlow)
		o.conn.hurry()
		o.conn.srv.metrics.closed(protocol.CloseSlow)
	} else {
		o.add(it)
	}
	start := o.begin()
	o.mu.Unlock()
	if start {
		o.conn.shard.add(o)
	}
}

// text queues something that is no event.
func (o *outbox) text(b []byte) { o.push(item{text: &b}) }

func (o *outbox) add(it item) {
	if o.items == nil {
		o.items = itemPool.Get().(*[]item)
	}
	*o.items = append(*o.items, it)
	o.bytes += it.size()
}

// begin says whether the connection has to be given to its shard. The caller holds the lock.
func (o *outbox) begin() bool {
	if o.writing || o.closed {
		return false
	}
	o.writing = true
	return true
}

// chunk is how many bytes a replay may add at once.
func (o *outbox) chunk() int { return max(o.limit/4, 1) }

// reserve waits until the replay of a subscription may add a chunk. One that is over gets no reservation: nobody would give it back.
func (o *outbox) reserve(ctx context.Context, s *subscription) error {
	for {
		o.mu.Lock()
		if o.closing || s.over {
			o.mu.Unlock()
			return context.Canceled
		}
		if o.bytes+o.reserved <= o.chunk() {
			o.reserved += o.chunk()
			s.reserved = true
			o.mu.Unlock()
			return nil
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// release gives a reservation back. The caller holds the lock.
func (o *outbox) release() {
	o.reserved -= o.chunk()
	o.wake()
}

func (o *outbox) wake() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// ask changes what goes between the items: a ping, a pong, the close frame; or what is queued. Where the connection is being closed nothing
// is changed any more. change is called with the lock held.
func (o *outbox) ask(change func(*control)) {
	o.mu.Lock()
	if !o.closing {
		change(&o.control)
	}
	start := o.begin()
	o.mu.Unlock()
	if start {
		o.conn.shard.add(o)
	}
}

// close ends the connection once everything queued has been written. Only the first call counts.
func (o *outbox) close(code protocol.CloseCode) {
	o.ask(func(*control) { o.finish(code) })
}

// finish is close for a caller that holds the lock, and sees to it that the connection is given to its shard.
func (o *outbox) finish(code protocol.CloseCode) {
	o.control.close, o.control.code = true, code
	o.end(code)
	o.conn.srv.metrics.closed(code)
}

// expire ends the connection with its token: what still waits is dropped. The peer is told the text before the close, if there is one.
// Only the first call counts, and returns true.
func (o *outbox) expire(text []byte) (first bool) {
	o.ask(func(c *control) {
		first = true
		o.fail(protocol.CloseUnauthorized)
		c.last = text
		if o.stalled {
			o.conn.hurry()
		}
		o.conn.srv.metrics.closed(protocol.CloseUnauthorized)
	})
	return first
}

// ending says whether the connection is being closed.
func (o *outbox) ending() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing
}

// settle is called when the peer has closed, too. The connection is cut once the close frame has been written.
func (o *outbox) settle() {
	o.mu.Lock()
	sent := o.sent
	o.mu.Unlock()
	if sent {
		o.conn.cut()
	}
}

// written waits until the close frame has been written, or never will be.
func (o *outbox) written() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.sent && !o.gone {
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		<-room
		o.mu.Lock()
	}
}

// fail ends the connection and drops what is queued. The caller holds the lock.
func (o *outbox) fail(code protocol.CloseCode) {
	o.control.close, o.control.code = true, code
	o.slow = true
	putItems(o.items)
	o.items = nil
	o.end(code)
}

// end lets nothing more be queued. The caller holds the lock.
func (o *outbox) end(code protocol.CloseCode) {
	if !o.closing {
		o.closing, o.code = true, code
	}
	o.closeBy.CompareAndSwap(0, time.Now().Add(closeTime).UnixNano())
	o.wake()
}

// overdue says whether the connection should have been closed by now.
func (o *outbox) overdue(now time.Time) bool {
	by := o.closeBy.Load()
	return by != 0 && now.UnixNano() > by
}

// kill drops everything: the connection is gone.
func (o *outbox) kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone = true
	o.fail(0)
	o.control = control{}
	o.closed = true
}

// take hands what is queued to the writer. It returns false, and ends the writing, where there is nothing.
func (o *outbox) take() (items *[]item, c control, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.waits() {
		return nil, c, false
	}
	items, c = o.items, o.control
	o.items, o.control = nil, control{}
	o.closed = c.close
	return items, c, true
}

// stall notes that the peer takes no more for now.
func (o *outbox) stall() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stalled = true
}

// more says whether something has been queued since take. It ends the writing where nothing has.
func (o *outbox) more() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waits()
}

// waits says whether there is something to write, and with it whether the writing goes on. The caller holds the lock.
func (o *outbox) waits() bool {
	c := &o.control
	o.writing = !o.closed && (o.items != nil || c.pong != nil || c.ping || c.close || c.flush)
	o.stalled = o.stalled && o.writing
	return o.writing
}

// wrote notes that items of that size have been handed to the kernel. Frames of WebSocket's own do not count as a sign of life: a page
// does not see them.
func (o *outbox) wrote(size int, now int64) {
	if size > 0 {
		o.lastWrite.Store(now)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= size
	o.wake()
}

// drop says whether what the writer holds is to be dropped, because the peer was too slow.
func (o *outbox) dropped() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.slow
}
