package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/subjects"
)

// A kind of round says what may happen to the stream in it.
type kind struct {
	name                       string
	purge, erase, recreate     bool
	rollback                   bool
	steady                     bool // NATS always answers
	maxMsgs, window, maxReplay int
}

// A world is one NATS server, several bridges' logs on its stream, publishers, and subscriptions that come and go.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	kind  kind
	model *model
	nats  *natstest.Server
	js    jetstream.JetStream
	cfg   jetstream.StreamConfig

	conns   []*nats.Conn
	replays []*nats.Conn // of its replays; nil = the same
	logs    []*Log
	open    []*client
	done    []*segment

	next    atomic.Int64
	stream  sync.RWMutex // held for reading to publish, and for writing to change the stream otherwise
	jobs    chan job
	workers sync.WaitGroup

	published sync.WaitGroup // jobs that are not done

	backup string // the server's files as they were; "" = not copied
	facts  []fact // what was stored then
}

type job struct {
	n    int
	seed uint64
}

const bridges = 3

func newWorld(t *testing.T, seed uint64, k kind) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), kind: k, model: newModel(k.maxMsgs), nats: natstest.Start(t), jobs: make(chan job, 64)}
	js, err := jetstream.New(w.nats.Connect())
	if err != nil {
		t.Fatal(err)
	}
	w.js = js
	w.cfg = jetstream.StreamConfig{Name: "LIVE", Subjects: []string{subjects.All}, AllowDirect: true, MaxMsgs: int64(k.maxMsgs), Duplicates: DuplicateWindow}
	w.create(w.model.now())
	for i := range bridges {
		w.conns = append(w.conns, w.nats.Connect())
		w.replays = append(w.replays, nil)
		if i > 0 {
			w.replays[i] = w.nats.Connect()
		}
		w.logs = append(w.logs, w.openLog(i))
	}
	for range 2 {
		w.workers.Go(w.publisher)
	}
	return w
}

func (w *world) openLog(i int) (l *Log) {
	w.t.Helper()
	w.retry("open", func(ctx context.Context) (err error) {
		l, err = Open(ctx, w.conns[i], Config{WindowBytes: w.kind.window, MaxReplay: w.kind.maxReplay, Readers: 4, ReplayConn: w.replays[i], Encode: w.encode})
		return err
	})
	l.far = uint64(1 + 3*i)
	return l
}

// encode makes a frame of the event's cursor, as a client would be told it, and the number in the body.
func (w *world) encode(dst []byte, m *Message) []byte {
	n, _ := strconv.Atoi(string(m.Data))
	w.model.seen(n, m.Stored.UnixNano())
	return append(m.Cursor.AppendText(dst), m.Data...)
}

func (w *world) create(began int64) {
	w.t.Helper()
	for odd := true; odd; {
		w.retry("create the stream", func(ctx context.Context) error {
			st, err := w.js.CreateStream(ctx, w.cfg)
			if err == nil {
				odd = st.CachedInfo().State.LastSeq > 0
				w.model.begin(incarnation(w.cfg.Name, st.CachedInfo().Created), began, odd)
			}
			return err
		})
		if odd {
			w.delete()
		}
	}
}

// retry repeats what can fail while NATS restarts.
func (w *world) retry(what string, f func(ctx context.Context) error) {
	w.t.Helper()
	var err error
	for range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err = f(ctx)
		cancel()
		if err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("%s: %v", what, err)
}

// publisher does jobs: so many events about random records, one after the other, each until it is acknowledged.
func (w *world) publisher() {
	for j := range w.jobs {
		rnd := rand.New(rand.NewPCG(j.seed, 2))
		for range j.n {
			w.publish(subject(rnd))
		}
		w.published.Done()
	}
}

func subject(rnd *rand.Rand) string {
	id := "_"
	if n := rnd.IntN(8); n > 0 {
		id = strconv.Itoa(n)
	}
	return fmt.Sprintf("live.r%d.t%d.%s", rnd.IntN(3), rnd.IntN(2), id)
}

func (w *world) publish(subject string) {
	w.stream.RLock()
	defer w.stream.RUnlock()
	n, sent, before := int(w.next.Add(1)), w.model.now(), time.Now().UnixNano()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		ack, err := w.js.Publish(ctx, subject, []byte(strconv.Itoa(n)), jetstream.WithMsgID(strconv.Itoa(n)))
		cancel()
		if err == nil {
			w.model.add(n, subject, ack.Sequence, sent, before)
			return
		}
		if w.t.Context().Err() != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// purge removes messages. Nobody publishes meanwhile, so that it is known which.
func (w *world) purge(front bool, opt jetstream.StreamPurgeOpt, chosen func(*fact) bool) {
	w.stream.Lock()
	defer w.stream.Unlock()
	from := w.model.now()
	w.retry("purge", func(ctx context.Context) error {
		s, err := w.js.Stream(ctx, w.cfg.Name)
		if err != nil {
			return err
		}
		return s.Purge(ctx, opt)
	})
	w.model.remove(from, front, chosen)
}

func (w *world) recreate() {
	w.stream.Lock()
	defer w.stream.Unlock()
	from := w.model.now()
	w.delete()
	w.create(from)
	w.model.trouble(from, 4*apiTimeout)
}

// rollBack copies the server's files, or, the next time, puts them back. What was stored in between is gone, and its sequences go to others.
func (w *world) rollBack() {
	w.stream.Lock()
	defer w.stream.Unlock()
	from := w.model.now()
	w.nats.Down()
	if w.backup == "" {
		w.backup, w.facts = w.t.TempDir(), w.model.copy()
		w.nats.CopyFiles(w.backup)
	} else {
		w.nats.ReplaceFiles(w.backup)
		w.model.rollBack(w.facts, from)
		w.backup = ""
	}
	w.nats.Up()
	w.model.trouble(from, patience+4*apiTimeout) // as long as the stream seems to be too short, it cannot be asked
}

func (w *world) delete() {
	w.retry("delete the stream", func(ctx context.Context) error {
		err := w.js.DeleteStream(ctx, w.cfg.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil // an answer was lost
		}
		return err
	})
}

func (w *world) restart() {
	from := w.model.now()
	w.nats.Down()
	w.nats.Up()
	w.model.trouble(from, 4*apiTimeout)
}

// A client is one open subscription: a sink that notes what it is given.
type client struct {
	*segment
	world *world
	sub   *Subscription
	gate  chan struct{} // one token for each chunk; nil = never waits

	mu      sync.Mutex
	changed chan struct{}
	settled bool // live, or over
	closed  bool
	late    []item // what came after the subscription was closed, against the contract
}

func (c *client) add(items ...item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range items {
		items[i].when = c.world.model.now()
	}
	if c.closed {
		if items[0].kind != isEvent || !items[0].replayed {
			c.late = append(c.late, items...)
		}
		return
	}
	c.items = append(c.items, items...)
	if last := items[len(items)-1]; last.kind == isNotice && last.notice.Kind != Subscribed {
		c.settled = true
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *client) Notice(n Notice) { c.add(item{kind: isNotice, notice: n, at: n.At}) }

func (c *client) event(e *Event, replayed bool) item {
	at, err := ParseCursor(string(e.Frame[:CursorLen]))
	n, err2 := strconv.Atoi(string(e.Frame[CursorLen:]))
	if err != nil || err2 != nil {
		c.world.t.Errorf("frame %q: %v %v", e.Frame, err, err2)
	}
	return item{kind: isEvent, n: n, seq: e.Seq, replayed: replayed, at: at}
}

func (c *client) Live(e *Event) { c.add(c.event(e, false)) }

func (c *client) Replayed(events []*Event) {
	items := make([]item, len(events))
	for i, e := range events {
		items[i] = c.event(e, true)
	}
	c.add(items...)
}

func (c *client) Wait(ctx context.Context) error {
	if c.gate == nil {
		return ctx.Err()
	}
	select {
	case <-c.gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seen is the last cursor that the client was told, or one of those before; ok is false where it was told none.
func (c *client) seen(back int) (at Cursor, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.items) - 1 - back; i >= 0; i-- {
		if it := c.items[i]; !it.at.IsZero() {
			return it.at, true
		}
	}
	return Cursor{}, false
}

// settle waits until the client is live, or over.
func (c *client) settle(ctx context.Context) bool {
	for {
		c.mu.Lock()
		ok, changed := c.settled, c.changed
		c.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (c *client) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	words := make([]string, len(c.items))
	for i, it := range c.items {
		words[i] = it.String()
	}
	return fmt.Sprintf("bridge %d, %+v, start %+v (after %d): %s", c.bridge, c.filter, c.start.Kind, c.start.After.floor(), strings.Join(words, " "))
}
