package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrUnavailable says that JetStream could not be asked now. Nothing was lost by it; try again.
var ErrUnavailable = errors.New("JetStream does not answer now")

// Config says how a Log keeps and replays events. Encode is needed; every other field's zero value is its default.
type Config struct {
	Stream      StreamConfig
	WindowBytes int // memory for the newest events; 0 = 64 MiB
	MaxReplay   int // events replayed to one subscription before it is told [ReasonLimit]; 0 = 100,000
	Readers     int // replays that read from JetStream at one time, the others wait; 0 = 8
	Logger      *slog.Logger

	// ReplayConn is a connection to the same NATS for what replays read from JetStream, so that it does not hold up the tail. It is used as
	// Open's own is. nil = that one.
	ReplayConn *nats.Conn

	// Encode appends to dst what is handed to subscriptions of a message. It is called from several goroutines and must keep neither.
	Encode func(dst []byte, m *Message) []byte
}

func (c Config) withDefaults() Config {
	if c.WindowBytes == 0 {
		c.WindowBytes = 64 << 20
	}
	if c.MaxReplay == 0 {
		c.MaxReplay = 100_000
	}
	if c.Readers == 0 {
		c.Readers = 8
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Log is one bridge's view of the stream. Its methods may be called concurrently.
type Log struct {
	cfg    Config
	stream *stream
	reads  *stream // the same, over the connection for replays
	tail   *tail
	watch  *watch
	slots  chan struct{} // one for each replay that may read from JetStream
	far    uint64        // as the constant; tests change it
	ctx    context.Context
	stop   context.CancelFunc
	stats  counters

	gate    sync.Mutex // guards closed, and workers against being added to while Close waits
	closed  bool
	workers sync.WaitGroup

	mu      sync.Mutex // the seam: window, routes and live subscriptions change together
	win     *window
	routes  *routes
	takings takings
	live    map[*Subscription]struct{}
	inc     uint64   // incarnation of the stream that the window holds
	gen     uint64   // rises when sequences no longer mean what they did: the stream is another one, or has lost its end
	first   uint64   // the stream's first sequence, as far as known
	gone    position // the newest message known to have left the stream at its front
	clock   clock    // where store times are not in order
	deleted int      // messages deleted from between, as last seen
	holes   []uint64 // their sequences in order, as far as known

	pace atomic.Pointer[func()]

	moved   chan struct{} // closed when the head moves, while somebody waits
	waiting int
}

// Open makes sure that the stream exists, fills the window with its newest events and starts to follow it. nc must stay connected to the
// stream's NATS (it may reconnect) until Close has returned, and should not buffer while it reconnects.
// The error is a [*StreamError] where the stream cannot be used as it is.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*Log, error) {
	st, err := newStream(nc, cfg.Stream)
	if err != nil {
		return nil, err
	}
	reads := st
	if cfg.ReplayConn != nil {
		if reads, err = newStream(cfg.ReplayConn, cfg.Stream); err != nil {
			return nil, err
		}
	}
	if err := st.open(ctx); err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg.withDefaults(), stream: st, reads: reads, routes: newRoutes(), live: make(map[*Subscription]struct{}), moved: make(chan struct{}), far: far}
	l.win = newWindow(l.cfg.WindowBytes)
	l.slots = make(chan struct{}, l.cfg.Readers)
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.watch = &watch{log: l}
	l.tail = newTail(l)
	goal, err := l.tail.prepare(ctx)
	if err != nil {
		l.stop()
		nc.RemoveStatusListener(l.tail.connected)
		return nil, st.explain(err)
	}
	l.spawn(l.tail.run)
	if err := l.fill(ctx, goal); err != nil {
		l.Close()
		return nil, fmt.Errorf("read the newest events of stream %s: %w", st.cfg.Name, err)
	}
	return l, nil
}

// fill waits until the head is at the goal, or where the stream ends by now: it may have been deleted or rolled back meanwhile.
func (l *Log) fill(ctx context.Context, goal uint64) error {
	for {
		soon, cancel := context.WithTimeout(ctx, watchEvery)
		err := l.reach(soon, goal)
		cancel()
		if err == nil || soon.Err() == nil || ctx.Err() != nil {
			return err
		}
		if st, err := l.watch.fresh(ctx); err == nil {
			goal = min(goal, st.last.seq)
		}
	}
}

// Close stops the tail and every subscription, and waits for them. Subscriptions are told nothing.
func (l *Log) Close() {
	l.gate.Lock()
	l.closed = true
	l.stop() // before anybody finds it closed, so that nobody is told
	l.gate.Unlock()
	l.workers.Wait()
}

// spawn runs f in a goroutine that Close waits for. It returns false, and runs nothing, once the log is closed.
func (l *Log) spawn(f func()) bool {
	l.gate.Lock()
	defer l.gate.Unlock()
	if !l.closed {
		l.workers.Go(f)
	}
	return !l.closed
}

// Head is the newest position: everything up to it has been handed to the live subscriptions.
func (l *Log) Head() Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.headCursor()
}

// AtHead calls f with the newest position while no event is handed out, so that what f queues stands in the right place among the
// events. f must not block and must not call the Log.
func (l *Log) AtHead(f func(head Cursor)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.headCursor())
}

// Ready returns nil while the tail follows the stream, and otherwise why it does not.
func (l *Log) Ready() error { return l.tail.ready() }

func (l *Log) headCursor() Cursor {
	return Cursor{inc: l.inc, seq: l.win.head.seq, at: l.win.head.at}
}

// append takes what the tail has read, in order, and hands it to the live subscriptions. It lets others have the lock now and then.
func (l *Log) append(events []*Event) {
	const atOnce = 32
	if len(events) > 0 {
		l.stats.late.Store(time.Now().UnixNano() - events[len(events)-1].Stored)
	}
	for part := range slices.Chunk(events, atOnce) {
		l.mu.Lock()
		for _, e := range part {
			l.win.push(e)
			l.clock.tick(position{e.Seq, e.Stored})
			if e.Subject != "" {
				l.routes.deliver(e)
			}
		}
		l.wake()
		l.mu.Unlock()
		if pace := l.pace.Load(); pace != nil {
			(*pace)()
		}
	}
}

// Pace has f called by the tail between handfuls of events. f may wait, so that events are not handed out faster than they are passed
// on; while it waits, nothing is lost, only late. nil takes it back.
func (l *Log) Pace(f func()) {
	if f == nil {
		l.pace.Store(nil)
		return
	}
	l.pace.Store(&f)
}

// skipTo moves the head over messages that were deleted before they were read.
func (l *Log) skipTo(p position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.seq > l.win.head.seq {
		l.win.reset(p)
		l.wake()
	}
}

// restart begins anew after a discontinuity: the window is emptied at the stream's newest position, and whoever was live is told. Replays
// go on where only events have expired: each finds out whether it is one that misses them.
func (l *Log) restart(st state, why Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if why != ReasonExpired {
		l.gen++
	}
	l.begin(st)
	l.stats.restarts.Add(1)
	for s := range l.live {
		l.stats.reset(why)
		s.sink.Notice(Notice{Kind: Reset, Reason: why, At: l.headCursor()})
	}
	l.wake()
}

// begin places the head at the end of a stream as it is. The caller holds the lock, or is the only one to know the log.
func (l *Log) begin(st state) {
	l.inc, l.first, l.deleted, l.holes, l.gone = st.inc, st.first, st.deleted, st.holes, position{}
	l.stats.end.Store(st.last.seq)
	l.win.reset(st.last)
	l.clock = clock{latest: st.last}
}

// observed takes the stream leader's answer into account: what is no longer stored is no longer replayed from memory.
func (l *Log) observed(st state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st.inc != l.inc || st.first < l.first {
		return
	}
	l.stats.end.Store(st.last.seq)
	if st.first > l.first {
		l.first = st.first
		l.clock.passed(st.firstAt)
		l.win.trim(st.first)
		if l.win.low.seq == st.first-1 && l.win.low.at != 0 {
			l.gone = l.win.low
		}
	}
	if st.firstAt == 0 && st.last.seq > 0 {
		l.gone = st.last // nothing is stored: the newest message is the newest that left
	}
	if st.deleted > l.deleted || st.deleted != l.holesFrom(st.first) && st.deleted <= maxHoles {
		l.win.clear()
		l.holes = st.holes
	}
	l.deleted = st.deleted
}

// maxHoles is how many messages deleted from between are kept count of one by one. Where there are more, new ones that appear while the
// stream's front passes as many old ones go unnoticed.
const maxHoles = 10_000

// unclear says whether messages have been deleted from between since they were last asked for.
func (l *Log) unclear(st state) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return st.inc == l.inc && st.deleted <= maxHoles && st.deleted != l.holesFrom(st.first)
}

// holesFrom counts the known holes after the stream's front. The caller holds the lock.
func (l *Log) holesFrom(first uint64) int {
	i, _ := slices.BinarySearch(l.holes, first)
	return len(l.holes) - i
}

// wake tells those who wait for the head to move. The caller holds the lock.
func (l *Log) wake() {
	if l.waiting > 0 {
		close(l.moved)
		l.moved = make(chan struct{})
	}
}

// await waits until ok, which is called with the lock held, says true.
func (l *Log) await(ctx context.Context, ok func() bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !ok() {
		moved := l.moved
		l.waiting++
		l.mu.Unlock()
		var err error
		select {
		case <-moved:
		case <-ctx.Done():
			err = ctx.Err()
		case <-l.ctx.Done():
			err = ErrUnavailable
		}
		l.mu.Lock()
		l.waiting--
		if err != nil {
			return err
		}
	}
	return nil
}

// reach waits until the head is at seq or beyond.
func (l *Log) reach(ctx context.Context, seq uint64) error {
	return l.await(ctx, func() bool { return l.win.head.seq >= seq })
}

// A Mark is a moment of the log, taken before something is published.
type Mark struct {
	log *Log
	gen uint64
}

// Mark returns the present moment.
func (l *Log) Mark() Mark { return Mark{l, l.generation()} }

// CursorOf is the position just after the stored message with that sequence, for whoever has published it since the mark. It waits up to
// two seconds for the tail to read the message, and asks the stream otherwise. It returns the zero Cursor if the message is no longer
// stored, or the stream is another one by now.
func (m Mark) CursorOf(ctx context.Context, seq uint64) (Cursor, error) {
	l := m.log
	wait, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if l.reach(wait, seq) == nil {
		l.mu.Lock()
		i, inc, same := l.win.search(seq), l.inc, l.gen == m.gen
		if same && i < l.win.count && l.win.at(i).Seq == seq {
			defer l.mu.Unlock()
			return l.win.at(i).cursor(inc), nil
		}
		l.mu.Unlock()
		if !same {
			return Cursor{}, nil
		}
	}
	p, err := l.stream.next(ctx, seq)
	if errors.Is(err, errNoMessage) || err == nil && p.seq != seq {
		return Cursor{}, nil
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gen != m.gen {
		return Cursor{}, nil
	}
	return Cursor{inc: l.inc, seq: p.seq, at: p.at}, nil
}
