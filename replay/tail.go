package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How the tail reads. The heartbeat bounds how long a lost delivery goes unnoticed; the rest only matters to throughput.
const (
	tailBatch     = 4096
	tailBytes     = 16 << 20
	tailExpires   = 10 * time.Second
	tailHeartbeat = time.Second
	tailInactive  = 30 * time.Second
	tailDrain     = 256 // messages encoded before they are appended together

	watchEvery = 2 * time.Second
	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second

	// patience is how long the stream may seem to be behind us before we believe that it lost messages: a server that has just lost its
	// leadership answers with older states for a while.
	patience = 8 * time.Second

	// missing is how long the stream may be gone before it is created again: whoever deleted it may be about to do so.
	missing = 5 * time.Second
)

// The tail follows the stream from the log's head. It never relies on a consumer to survive: at the first sign of trouble (a heartbeat
// missed, a delivery lost, a reconnect, an answer that does not fit) it drops the consumer, asks the stream whether the head is still
// what it was, and goes on from there.
type tail struct {
	log       *Log
	connected chan nats.Status
	kicked    chan struct{}
	alive     atomic.Int64 // when the stream was last heard of, Unix nanoseconds
	running   atomic.Bool
	denied    atomic.Bool // NATS refuses something that is needed
	ahead     time.Time   // since when the stream has seemed to be behind the head; zero = it is not
	absent    time.Time   // since when the stream has been missing; zero = it is not
	frame     []byte      // of the event that was encoded last
}

func newTail(l *Log) *tail {
	return &tail{log: l, kicked: make(chan struct{}, 1), connected: l.stream.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING)}
}

// prepare places the head so far before the stream's end that the window will be filled, and returns the sequence at which it is.
func (t *tail) prepare(ctx context.Context) (goal uint64, err error) {
	var st state
	var bytes uint64
	info, err := t.log.stream.js.Stream(ctx, t.log.stream.cfg.Name)
	if err == nil {
		bytes = info.CachedInfo().State.Bytes
		st, err = t.log.stream.state(ctx, info.CachedInfo().State.NumDeleted <= maxHoles)
	}
	if err != nil {
		return 0, err
	}
	start := st.first - 1
	if stored := st.last.seq - start; stored > 0 && bytes > 0 {
		perEvent := bytes/stored + 2*eventOverhead
		if fit := uint64(t.log.cfg.WindowBytes) / perEvent; fit < stored {
			start = st.last.seq - fit
		}
	}
	t.log.begin(st)
	if start < st.last.seq {
		t.log.win.reset(position{seq: start})
		t.log.clock = clock{}
	}
	return st.newest(), nil
}

// kick makes the tail look at the stream now.
func (t *tail) kick() {
	select {
	case t.kicked <- struct{}{}:
	default:
	}
}

func (t *tail) ready() error {
	quiet := time.Since(time.Unix(0, t.alive.Load()))
	switch {
	case !t.log.stream.nc.IsConnected():
		return errors.New("not connected to NATS")
	case t.denied.Load():
		return errors.New("NATS does not give the bridge a right that it needs: its log says which")
	case !t.running.Load():
		return errors.New("the tail does not follow the stream yet")
	case quiet > 2*watchEvery+apiTimeout:
		return fmt.Errorf("the stream has not answered for %s", quiet.Round(time.Second))
	}
	return nil
}

func (t *tail) run() {
	defer t.log.stream.nc.RemoveStatusListener(t.connected)
	ctx, backoff := t.log.ctx, minBackoff
	for {
		began := time.Now()
		err := t.follow(ctx)
		t.running.Store(false)
		t.denied.Store(denies(err))
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > 2*watchEvery {
			backoff = minBackoff
		}
		t.log.stats.tailRestarts.Add(1)
		t.log.cfg.Logger.Warn("tail interrupted, resuming from the head", "stream", t.log.stream.cfg.Name, "head", t.log.Head().seq, "cause", err, "again_in", backoff)
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// follow reads one consumer until something is wrong.
func (t *tail) follow(ctx context.Context) error {
	for len(t.connected) > 0 || len(t.kicked) > 0 { // what changed before now is looked at now
		select {
		case <-t.connected:
		case <-t.kicked:
		}
	}
	if _, err := t.agree(ctx); err != nil {
		return err
	}
	head := t.log.Head()
	c, err := t.log.stream.consume(ctx, consumerConfig{purpose: "tail", start: head.seq + 1, queue: 2 * tailBatch, inactive: tailInactive})
	if err != nil {
		return err
	}
	defer c.close()
	// The head is judged once more, now that the consumer is there: it lives no longer than the stream's store, so what it delivers from
	// now on belongs to the stream that was judged.
	st, err := t.agree(ctx)
	if err != nil {
		return err
	}
	if t.log.Head() != head {
		return errors.New("the stream changed while its consumer was made")
	}
	if c.pending == 0 && st.last.seq > head.seq {
		if err := t.skip(ctx, head, st); err != nil {
			return err
		}
	}
	t.heard()
	t.running.Store(true)
	return t.read(ctx, c, st.inc)
}

// skip moves the head to the stream's end where all that follows it has been deleted from between. A consumer that has nothing to deliver
// does not show that: it may live on a server that lags behind the leader.
func (t *tail) skip(ctx context.Context, head Cursor, st state) error {
	if st.deleted > maxHoles {
		_, err := t.log.stream.next(ctx, head.seq+1)
		switch {
		case errors.Is(err, errNoMessage):
			t.log.skipTo(st.last)
		case err != nil:
			return err
		}
		return nil
	}
	st, err := t.log.stream.state(ctx, true) // one answer, which shows both the end and the holes before it
	switch {
	case err != nil:
		return err
	case st.inc != head.inc || st.first > head.seq+1:
		return errors.New("the stream changed while its consumer was made")
	case st.newest() <= head.seq && st.last.seq > head.seq:
		t.log.skipTo(st.last)
	}
	return nil
}

// agree makes sure that the head is a position in the stream as it is now, and begins anew where it is not.
func (t *tail) agree(ctx context.Context) (state, error) {
	head := t.log.Head()
	found, st, err := t.log.stream.verify(ctx, head, func(ctx context.Context) (state, error) { return t.log.stream.state(ctx, false) })
	if t.recreate(ctx, err) || err != nil {
		t.ahead = time.Time{} // patience is for what the stream keeps saying: nobody knows what it would have said meanwhile
		return state{}, err
	}
	if found == ahead {
		if t.ahead.IsZero() {
			t.ahead = time.Now()
		}
		if time.Since(t.ahead) < patience {
			return state{}, fmt.Errorf("the stream ends at sequence %d, before the head %d", st.last.seq, head.seq)
		}
		found = foreign
	}
	t.ahead = time.Time{}
	t.log.observed(st)
	if why := found.reason(); why != "" {
		t.log.cfg.Logger.Error("events were missed and cannot be replayed: every subscription is told to read again",
			"stream", t.log.stream.cfg.Name, "reason", why, "head", head.seq, "first", st.first, "last", st.last.seq)
		t.log.restart(st, why)
	}
	return st, nil
}

// recreate creates a stream that has been missing for a while. It says whether err means that it is missing.
func (t *tail) recreate(ctx context.Context, err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamNotFound {
		if err == nil {
			t.absent = time.Time{}
		}
		return false
	}
	if t.absent.IsZero() {
		t.absent = time.Now()
	}
	if time.Since(t.absent) > missing {
		t.log.cfg.Logger.Error("the stream was deleted: creating it again", "stream", t.log.stream.cfg.Name, "error", t.log.stream.create(ctx))
		t.absent = time.Time{}
	}
	return true
}

func (t *tail) heard() { t.alive.Store(time.Now().UnixNano()) }

// What one look at the stream showed, and where the head was before it was asked.
type sight struct {
	head uint64
	st   state
	err  error
}

// read pulls and appends until something is wrong with the consumer, the connection or the stream.
func (t *tail) read(ctx context.Context, c *consumer, inc uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	looks := time.NewTicker(watchEvery)
	defer looks.Stop()
	const silent = 2*tailHeartbeat + tailHeartbeat/2
	silence := time.NewTimer(silent)
	defer silence.Stop()
	sights, looking, stalls := make(chan sight, 1), false, 0
	var batch []*Event
	for {
		if c.wanted < tailBatch {
			if err := c.pull(tailBatch, tailBytes, tailExpires, tailHeartbeat); err != nil {
				return err
			}
		}
		select {
		case m := <-c.msgs:
			var err error
			batch, err = t.drain(c, m, inc, batch[:0])
			if e := t.hand(ctx, batch, inc); e != nil {
				return e
			}
			if err != nil {
				return err
			}
			t.heard()
			silence.Reset(silent)
		case <-silence.C:
			return t.mute(ctx, c)
		case <-t.kicked:
			return errors.New("asked to look at the stream")
		case <-t.connected:
			return errors.New("the connection to NATS changed")
		case <-looks.C:
			if !looking {
				looking = true
				t.log.spawn(func() { sights <- t.look(ctx) })
			}
		case s := <-sights:
			looking = false
			if err := t.judge(s, inc, &stalls); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drain encodes what has arrived, up to a batch. The events before an error are good.
func (t *tail) drain(c *consumer, m *nats.Msg, inc uint64, batch []*Event) ([]*Event, error) {
	for {
		got, err := c.accept(m)
		switch {
		case err == nil:
			batch = append(batch, t.event(got, inc))
		case errors.Is(err, errHeartbeat), errors.Is(err, errPullDone):
		default:
			return batch, err
		}
		if len(batch) >= tailDrain {
			return batch, nil
		}
		select {
		case m = <-c.msgs:
		default:
			return batch, nil
		}
	}
}

// event encodes a stored message. The window keeps it: it is given no more memory than it needs.
func (t *tail) event(m stored, inc uint64) *Event {
	var e Event
	t.frame, e = t.log.encode(t.frame[:0], m, inc)
	e.Frame = bytes.Clone(e.Frame)
	return &e
}

// hand appends events. Where sequences are missing between them it asks the stream whether they were deleted from between, which is no
// loss, or had left the stream at its front before they were read, which is.
func (t *tail) hand(ctx context.Context, batch []*Event, inc uint64) error {
	if len(batch) == 0 {
		return nil
	}
	last := t.log.Head().seq
	for i, e := range batch {
		if e.Seq == last+1 {
			last = e.Seq
			continue
		}
		if e.Seq <= last {
			t.log.append(batch[:i])
			return fmt.Errorf("sequence %d was delivered after %d", e.Seq, last)
		}
		if err := t.between(ctx, last, e.Seq, batch[len(batch)-1].Seq, inc); err != nil {
			t.log.append(batch[:i])
			return err
		}
		break // the front is at or before the first hole: every later hole is between, too
	}
	t.log.append(batch)
	return nil
}

// between returns nil if what is missing between two sequences that were delivered was deleted from between. The leader must not know of
// a message there, must have seen the newest that was delivered, and must say that its front has not come so far.
func (t *tail) between(ctx context.Context, last, seq, newest, inc uint64) error {
	at, err := t.log.stream.next(ctx, last+1)
	if err != nil && !errors.Is(err, errNoMessage) {
		return err
	}
	if err == nil && at.seq < seq {
		return fmt.Errorf("sequence %d is stored, but %d was delivered after %d", at.seq, seq, last)
	}
	st, err := t.log.watch.fresh(ctx)
	switch {
	case err != nil:
		return err
	case st.inc != inc:
		return errors.New("the stream was deleted and created again")
	case st.last.seq < newest:
		return fmt.Errorf("the stream ends at sequence %d, before %d, which was delivered", st.last.seq, newest)
	case st.first > last+1:
		return fmt.Errorf("the stream now begins at sequence %d, after the head %d", st.first, last)
	}
	return nil
}

// look asks for the stream's state. The head is taken first: the answer is about a later moment.
func (t *tail) look(ctx context.Context) sight {
	head := t.log.Head().seq
	st, err := t.log.watch.fresh(ctx)
	return sight{head, st, err}
}

// judge finds what a healthy consumer would not tell: another stream under the same name, a stream that lost its end, a stalled consumer.
func (t *tail) judge(s sight, inc uint64, stalls *int) error {
	now := t.log.Head().seq
	t.denied.Store(denies(s.err))
	switch {
	case s.err != nil:
		return nil // heartbeats tell whether the stream still delivers
	case s.st.inc != inc:
		return errors.New("the stream was deleted and created again")
	case s.st.last.seq < s.head:
		return fmt.Errorf("the stream ends at sequence %d, before the head %d", s.st.last.seq, s.head)
	case s.st.last.seq > s.head && now == s.head:
		if *stalls++; *stalls >= 2 {
			return fmt.Errorf("nothing arrives although the stream goes on to sequence %d", s.st.last.seq)
		}
	default:
		*stalls = 0
	}
	t.heard()
	return nil
}

// mute is called when heartbeats are missing. Where the API is silent too, the connection is dead without knowing it: it is made anew.
func (t *tail) mute(ctx context.Context, c *consumer) error {
	if _, err := t.log.watch.fresh(ctx); err != nil && ctx.Err() == nil && t.log.stream.nc.IsConnected() {
		if e := t.log.stream.nc.ForceReconnect(); e != nil {
			return fmt.Errorf("no heartbeat, no answer, no reconnect: %w", e)
		}
		return fmt.Errorf("no heartbeat and no answer, reconnecting: %w", err)
	}
	if err := t.log.stream.nc.LastError(); denies(err) && strings.Contains(err.Error(), c.name) {
		return err
	}
	return errors.New("no heartbeat from the consumer")
}
