package bridge

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A shard writes to its connections, one after another, what has gathered in their outboxes: many events in one call. It never waits for
// a peer: where a socket takes no more, a goroutine takes over that connection until it does.
type shard struct {
	srv    *Server
	wake   chan struct{}
	buf    []byte
	sealed []byte // buf as it goes over TLS
	now    int64

	try    func(fd uintptr) bool // kept, so that writing allocates nothing
	out    []byte                // what try writes
	n      int
	tryErr error

	mu      sync.Mutex
	dirty   []*outbox
	turned  sync.Cond // a round is over
	rounds  uint64
	busy    bool // a round is under way
	stopped bool
}

const (
	writeMax     = 128 << 10        // bytes written at once
	stuckTimeout = 20 * time.Second // a peer that takes nothing for so long is gone
)

func newShard(srv *Server) *shard {
	sh := &shard{srv: srv, wake: make(chan struct{}, 1), buf: make([]byte, 0, writeMax+frameMax)}
	sh.turned.L = &sh.mu
	sh.try = func(fd uintptr) bool {
		sh.n, sh.tryErr = tryWrite(fd, sh.out)
		return true
	}
	return sh
}

func (sh *shard) add(o *outbox) {
	sh.mu.Lock()
	sh.dirty = append(sh.dirty, o)
	first := len(sh.dirty) == 1
	sh.mu.Unlock()
	if first {
		select {
		case sh.wake <- struct{}{}:
		default:
		}
	}
}

// run writes until stop is closed.
func (sh *shard) run(stop <-chan struct{}) {
	defer sh.halt()
	var list []*outbox
	for {
		list = sh.turn(list)
		if len(list) == 0 {
			select {
			case <-sh.wake:
			case <-stop:
				return
			}
			continue
		}
		sh.now = time.Now().UnixNano()
		for _, o := range list {
			sh.flush(o)
			runtime.Gosched() // to the tail, which may have events that can go into the writes of this round
		}
		clear(list)
	}
}

// flush writes what an outbox holds, as far as the socket takes it now.
func (sh *shard) flush(o *outbox) {
	if o.conn.raw == nil {
		o.stall()
		sh.srv.spawn(func() { o.conn.pump(pending{sent: true}) })
		return
	}
	items, c, ok := o.take()
	if !ok {
		return
	}
	p := takeover(items, c)
	for !p.done() {
		frame, size, shared := p.next(o.conn.framing, &sh.buf, writeMax)
		out, err := o.conn.seal(frame, &sh.sealed)
		n := 0
		if err == nil {
			n, err = sh.write(o.conn, out)
		}
		if err != nil {
			p.drop()
			o.conn.broken()
			return
		}
		if n < len(out) {
			rest := p // a copy: what the goroutine holds is allocated, and p must not be
			if rest.rest, rest.restSize = out[n:], size; !shared || o.conn.sealed != nil {
				rest.rest = bytes.Clone(rest.rest) // it is in a buffer of the shard
			}
			o.stall()
			sh.srv.spawn(func() { o.conn.pump(rest) })
			return
		}
		o.conn.written()
		o.wrote(size, sh.now)
	}
	p.drop()
	switch {
	case c.close:
		o.conn.closeSent()
	case o.more():
		sh.add(o) // when the others have had their turn: a client that reads fast holds nobody up
	}
}

// write writes without waiting, and returns how much was taken.
func (sh *shard) write(c *conn, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	sh.out = b
	if err := c.raw.Write(sh.try); err != nil {
		return 0, err
	}
	if sh.tryErr == nil {
		return sh.n, nil
	}
	if errors.Is(sh.tryErr, syscall.EAGAIN) || errors.Is(sh.tryErr, syscall.EINTR) {
		return max(sh.n, 0), nil
	}
	return 0, sh.tryErr
}

// pending is what a writer has taken from an outbox and not yet written.
type pending struct {
	from     *[]item // where items go back to
	items    []item
	at       int // how many of them are encoded
	control  control
	sent     bool   // the control frames are encoded
	rest     []byte // encoded, sealed where that is due, and not taken by the socket
	restSize int    // size of the items in rest
}

func takeover(items *[]item, c control) pending {
	p := pending{from: items, control: c}
	if items != nil {
		p.items = *items
	}
	return p
}

func (p *pending) done() bool { return len(p.rest) == 0 && p.at == len(p.items) && p.sent }

// next returns what is to be written next, and its size. A frame that is shared never changes; anything else is encoded into buf, about max
// bytes of it.
func (p *pending) next(f framing, buf *[]byte, max int) (frame []byte, size int, shared bool) {
	if frame, size = p.shared(); frame != nil {
		return frame, size, true
	}
	*buf, size = p.encode(f, (*buf)[:0], max)
	return *buf, size, false
}

// shared takes the next item where it is a frame that other connections are sent, too. It is nil otherwise.
func (p *pending) shared() (frame []byte, size int) {
	if p.at == len(p.items) || p.items[p.at].stretch == nil || p.at == 0 && (p.control.ping || p.control.pong != nil) {
		return nil, 0
	}
	s := p.items[p.at].stretch
	if frame = s.sharedFrame(); frame != nil {
		p.at++
		p.sent = p.at == len(p.items) && !p.control.close
		size = s.size
	}
	return frame, size
}

// encode appends the next items, up to about max bytes, and returns their size. A pong or ping goes first, the close frame last.
func (p *pending) encode(f framing, dst []byte, max int) ([]byte, int) {
	if p.at == 0 && !p.sent {
		first := p.control
		first.close = false
		dst = f.appendControl(dst, first)
	}
	var size int
	if p.at < len(p.items) {
		var n int
		dst, n, size = f.appendItems(dst, p.items[p.at:], max)
		p.at += n
	}
	if p.at == len(p.items) && !p.sent {
		p.sent = true
		if p.control.close {
			dst = f.appendControl(dst, control{close: true, last: p.control.last, code: p.control.code})
		}
	}
	return dst, size
}

func (p *pending) drop() {
	p.dropItems()
	p.rest = nil
}

func (p *pending) dropItems() {
	putItems(p.from)
	p.from, p.items, p.at = nil, nil, 0
}
