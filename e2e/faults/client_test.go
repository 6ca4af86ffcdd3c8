//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How a client behaves, as client/src does: it comes back after a random time that grows with its tries, at once when the bridge goes
// away in good order, and gives a connection up that is silent for two heartbeats.
const (
	dialTimeout = 5 * time.Second
	goingAway   = 500 * time.Millisecond
	firstRetry  = 250 * time.Millisecond
	longest     = 3 * time.Second
	again       = 250 * time.Millisecond // a subscription that the event store could not answer
)

// A client keeps its subscriptions over many connections, by WebSocket, or its one subscription by SSE.
type client struct {
	addrs []string // it connects to any of them
	sse   bool
	slow  bool // it stops to read now and then, and so has itself to blame for pauses
	rng   *rand.Rand
	subs  []*record
	clock *loadClock

	dead    time.Duration // silence after which a connection is given up
	closes  map[int]int   // by close code; 1006 = without a word
	refused int           // tries that found nobody
	ending  <-chan struct{}
	end     func() position // valid once ending is closed
	err     error           // what no client may see

	live   atomic.Bool
	ups    atomic.Int64 // times that all subscriptions have become live
	mu     sync.Mutex
	halt   chan struct{} // not nil: reading is suspended until it is closed
	lostAt time.Time     // since when it has been away; zero = it is not
	tries  int           // to come back, since then
	away   time.Duration // the longest absence
	worst  string        // what is known of it
	heard  time.Time     // when the last event came
	quiet  time.Duration // the longest silence between events, while there was load
	said   said
}

// A loadClock says while when events are published.
type loadClock struct{ began, ended atomic.Int64 } // Unix nanoseconds; 0 = not yet

// newClient makes a client with one to three subscriptions: everything, by resource, by type, by id, by several ids.
func newClient(i int, sse bool, rng *rand.Rand, addrs ...string) *client {
	c := &client{addrs: addrs, sse: sse, rng: rng, dead: 4 * time.Second, closes: map[int]int{}}
	count := 1 + rng.IntN(3)
	if sse {
		count = 1
	}
	for k := range count {
		f := filter{resource: fmt.Sprintf("r%d", rng.IntN(resources))}
		switch kind := (i + k) % 6; kind {
		case 0:
			f.resource = "*"
		case 1:
			f.types = []string{types[rng.IntN(len(types))]}
		case 2:
			f.ids = []string{strconv.Itoa(rng.IntN(records)), strconv.Itoa(rng.IntN(records))}
		case 3:
			f.types, f.ids = types[:2], []string{"1", "2", "3", "5", "8", "13", "21"}
		case 4:
			f.resource, f.ids = "*", []string{strconv.Itoa(rng.IntN(records))}
		}
		c.subs = append(c.subs, &record{filter: f, name: fmt.Sprintf("c%d-%d", i, k)})
	}
	return c
}

var errOver = errors.New("all has been told")

// run keeps the client connected until everything has been told, ctx is done, or something happens that no client may see.
func (c *client) run(ctx context.Context) {
	defer c.gaveUp()
	for tries := 0; ; tries++ {
		began := time.Now()
		session := c.overWebSocket
		if c.sse {
			session = c.overSSE
		}
		err := session(ctx, c.addrs[c.rng.IntN(len(c.addrs))])
		c.hung(err)
		for _, r := range c.subs {
			r.live = false
		}
		c.live.Store(false)
		if errors.Is(err, errOver) || ctx.Err() != nil {
			return
		}
		if time.Since(began) > 5*time.Second {
			tries = 0
		}
		c.lost()
		var cl *closing
		if errors.As(err, &cl) {
			c.closes[cl.code]++
			if cl.final() {
				c.err = err
				return
			}
		} else {
			c.closes[1006]++
		}
		var bad *badFrame
		if errors.As(err, &bad) {
			c.err = err
			return
		}
		pause := min(firstRetry<<min(tries, 10), longest)
		if cl != nil && cl.code == 1001 {
			pause = goingAway
		}
		select {
		case <-time.After(time.Duration(c.rng.Int64N(int64(pause)))):
		case <-ctx.Done():
			return
		}
	}
}

// A badFrame is something that no bridge may send.
type badFrame struct{ what string }

func (b *badFrame) Error() string { return b.what }

func bad(format string, args ...any) error { return &badFrame{fmt.Sprintf(format, args...)} }

// lost notes that the connection is gone.
func (c *client) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	if c.lostAt.IsZero() {
		c.lostAt = time.Now()
	}
}

// caughtUp is called when a subscription has become live.
func (c *client) caughtUp() {
	if slices.ContainsFunc(c.subs, func(r *record) bool { return !r.live }) {
		return
	}
	c.mu.Lock()
	if !c.lostAt.IsZero() {
		if away := time.Since(c.lostAt); away > c.away {
			c.away, c.worst = away, fmt.Sprintf("%s away from %s on, back with try %d", away.Round(time.Millisecond), c.lostAt.Format(time.TimeOnly), c.tries)
		}
		c.lostAt, c.tries = time.Time{}, 0
	}
	c.mu.Unlock()
	c.live.Store(true)
	c.ups.Add(1)
}

// hears notes that an event has come. Only a client that asked for everything knows what silence means.
func (c *client) hears() {
	began := c.clock.began.Load()
	if began == 0 || c.subs[0].resource != "*" || len(c.subs[0].ids) > 0 || len(c.subs[0].types) > 0 {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	from := c.heard
	if from.IsZero() {
		from = time.Unix(0, began)
	}
	if c.clock.ended.Load() == 0 {
		c.quiet = max(c.quiet, now.Sub(from))
	}
	c.heard = now
}

// over says whether everything has been told.
func (c *client) over() bool {
	select {
	case <-c.ending:
	default:
		return false
	}
	end := c.end()
	return !slices.ContainsFunc(c.subs, func(r *record) bool { return !r.complete(end) })
}

// suspend stops the client from reading, until the returned function is called.
func (c *client) suspend() (resume func()) {
	halt := make(chan struct{})
	c.mu.Lock()
	c.halt = halt
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		c.halt = nil
		c.mu.Unlock()
		close(halt)
	}
}

func (c *client) suspended(ctx context.Context) {
	c.mu.Lock()
	halt := c.halt
	c.mu.Unlock()
	if halt != nil {
		select {
		case <-halt:
		case <-ctx.Done():
		}
	}
}

// dial connects. A slow client has a small buffer in the kernel, so that it cannot hide.
func (c *client) dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	if c.slow {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		}
	}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		c.dialled(conn)
	}
	return conn, err
}
