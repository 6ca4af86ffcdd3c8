package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/subjects"
)

// The property of the seam, on a real NATS: whatever happens meanwhile, each subscription is given, in stream order, exactly the events
// that match after its start, or is told that events are missing; and it is told so only where they are. What it may be given between a
// roll-back of the stream and the reset that follows is bounded, too: see step.
//
// LIVEBRIDGE_SEAM_SEED repeats one round, as far as goroutines can be repeated. LIVEBRIDGE_SEAM_FOR=10m makes a soak of it.
func TestSeam(t *testing.T) {
	kinds := []kind{
		{name: "calm", window: 1},
		{name: "calm", window: 20_000},
		{name: "limit", window: 4000, maxReplay: 30},
		{name: "purge", window: 3000, purge: true},
		{name: "erase", window: 3000, erase: true, steady: true},
		{name: "erase", window: 64 << 20, erase: true, purge: true, steady: true},
		{name: "retention", window: 2000, maxMsgs: 150},
		{name: "recreate", window: 3000, recreate: true},
		{name: "rollback", window: 3000, rollback: true},
		{name: "rollback", window: 1, rollback: true, erase: true, purge: true},
		{name: "everything", window: 1, purge: true, erase: true, recreate: true},
		{name: "everything", window: 64 << 20, purge: true, erase: true, recreate: true},
	}
	first, rounds := uint64(time.Now().UnixNano()), uint64(len(kinds))
	soak, _ := time.ParseDuration(os.Getenv("LIVEBRIDGE_SEAM_FOR"))
	chosen := os.Getenv("LIVEBRIDGE_SEAM_SEED")
	if chosen != "" {
		seed, err := strconv.ParseUint(chosen, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, rounds = seed, 1
	} else if testing.Short() {
		rounds = 3
	}
	began := time.Now()
	for seed := first; seed < first+rounds || time.Since(began) < soak; seed++ {
		k := kinds[seed%uint64(len(kinds))]
		if !t.Run(fmt.Sprintf("%s/%d", k.name, seed), func(t *testing.T) { seam(t, seed, k) }) {
			t.Fatalf("repeat with LIVEBRIDGE_SEAM_SEED=%d", seed)
		}
	}
}

const opsOfARound = 400

func seam(t *testing.T, seed uint64, k kind) {
	w := newWorld(t, seed, k)
	w.publish("live.r0.t0.1")
	restarts := 0
	for i := range opsOfARound {
		if k.rollback && w.overdue(i) {
			w.rollBack()
		}
		switch p := w.rnd.IntN(1000); {
		case p < 200:
			w.published.Add(1)
			w.jobs <- job{1 + w.rnd.IntN(4)*w.rnd.IntN(10), w.rnd.Uint64()}
		case p < 400:
			w.subscribe(w.rnd.IntN(bridges), w.filter(), w.start())
		case p < 600:
			w.resume()
		case p < 650:
			w.leave(w.pick())
		case p < 800:
			w.letRead()
		case p < 850:
			w.mark()
		case p < 890:
			w.history()
		case p < 920:
			w.cursorOf()
		case p < 940:
			w.published.Wait()
		case p < 960:
			if !k.purge {
				continue
			}
			from := w.sequence()
			w.purge(true, jetstream.WithPurgeSequence(from), func(f *fact) bool { return f.seq < from })
		case p < 980:
			if !k.erase {
				continue
			}
			s := subject(w.rnd)
			w.purge(false, jetstream.WithPurgeSubject(s), func(f *fact) bool { return f.subject == s })
		case p < 985:
			if k.recreate {
				w.recreate()
			}
			if k.rollback {
				w.rollBack()
			}
		case p < 990 && !k.steady:
			w.cut()
		case p < 993 && !k.steady:
			if restarts++; restarts <= 2 {
				w.restart()
			}
		case p < 996 && !k.steady:
			w.dropConsumers()
		case p < 998:
			w.reopen()
		}
	}
	w.end()
}

// overdue says whether a copy, or after it a roll-back, must come now, as chance has not brought one: each round has one at least.
func (w *world) overdue(op int) bool {
	return len(w.model.lives) == 1 && (op == opsOfARound/2 && w.backup == "" || op == opsOfARound*3/4)
}

func (w *world) filter() subjects.Filter {
	f := subjects.Filter{Resource: "*"}
	if w.rnd.IntN(3) > 0 {
		f.Resource = fmt.Sprintf("r%d", w.rnd.IntN(3))
	}
	if w.rnd.IntN(3) == 0 {
		f.Types = []string{fmt.Sprintf("t%d", w.rnd.IntN(2))}
	}
	switch w.rnd.IntN(5) {
	case 0, 1:
		for range 1 + w.rnd.IntN(3) {
			f.IDs = append(f.IDs, strconv.Itoa(1+w.rnd.IntN(7)))
		}
	case 2: // more than there are patterns for
		for i := range 100 {
			f.IDs = append(f.IDs, strconv.Itoa(2*i))
		}
	}
	return f
}

func (w *world) start() Start {
	switch w.rnd.IntN(6) {
	case 0:
		return Start{}
	case 1:
		return Start{Kind: First}
	case 2:
		return Start{Kind: Last, Last: 1 + w.rnd.IntN(60)}
	case 3:
		return Start{Kind: Since, Since: time.Now().Add(time.Duration(w.rnd.IntN(50)-40) * 20 * time.Millisecond)}
	default:
		return Start{Kind: After, After: w.cursor()}
	}
}

// cursor is one that somebody has seen, lately or not.
func (w *world) cursor() Cursor {
	if c := w.pick(); c != nil {
		if at, ok := c.seen(w.rnd.IntN(100)); ok {
			return at
		}
	}
	return w.logs[w.rnd.IntN(bridges)].Head()
}

func (w *world) client(bridge int, f subjects.Filter, start Start) *client {
	var view View
	if w.rnd.IntN(4) == 0 {
		view.Allows = func(subject string) bool {
			return !strings.HasSuffix(subject, ".3") && !strings.HasSuffix(subject, "._")
		}
	}
	return &client{world: w, changed: make(chan struct{}), segment: &segment{
		view:   view,
		bridge: bridge, filter: f, set: set(w.t, f), start: start, asked: w.model.now(), head: w.logs[bridge].Head(), most: w.kind.maxReplay,
	}}
}

func (w *world) subscribe(bridge int, f subjects.Filter, start Start) {
	c := w.client(bridge, f, start)
	if w.rnd.IntN(3) == 0 {
		c.gate = make(chan struct{}, 1000)
	}
	sub, err := w.logs[bridge].Subscribe(c, SubscribeOptions{Set: c.set, View: c.view, Start: start, Chunk: []int{0, 1, 500, 2000}[w.rnd.IntN(4)]})
	if err != nil {
		w.t.Fatal(err)
	}
	c.sub = sub
	w.open = append(w.open, c)
}

func (w *world) pick() *client {
	if len(w.open) == 0 {
		return nil
	}
	return w.open[w.rnd.IntN(len(w.open))]
}

// leave closes a subscription.
func (w *world) leave(c *client) {
	if c == nil {
		return
	}
	c.sub.Close()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	w.open = slices.DeleteFunc(w.open, func(o *client) bool { return o == c })
	w.done = append(w.done, c.segment)
	if len(c.late) > 0 {
		w.t.Errorf("told after it was closed: %v", c.late)
	}
}

// resume closes a subscription and begins another one, anywhere, after the last cursor that the client saw.
func (w *world) resume() {
	c := w.pick()
	if c == nil {
		return
	}
	at, ok := c.seen(0)
	if w.rnd.IntN(2) == 0 {
		w.leave(c)
		at, ok = c.seen(0)
	} else {
		defer w.leave(c)
	}
	start := c.start
	if ok {
		start = Start{Kind: After, After: at}
	}
	w.subscribe(w.rnd.IntN(bridges), c.filter, start)
}

// letRead lets a slow reader have some more.
func (w *world) letRead() {
	if c := w.pick(); c != nil && c.gate != nil {
		for range 1 + w.rnd.IntN(5) {
			c.gate <- struct{}{}
		}
	}
}

// mark notes in a live subscription how far its log has told everything.
func (w *world) mark() {
	c := w.pick()
	if c == nil {
		return
	}
	w.logs[c.bridge].AtHead(func(head Cursor) {
		c.mu.Lock()
		live := c.settled && c.items[len(c.items)-1].notice.Kind != Failed
		c.mu.Unlock()
		if live {
			c.add(item{kind: isMark, at: head})
		}
	})
}

// history reads pages until the end.
func (w *world) history() {
	bridge := w.rnd.IntN(bridges)
	l, start := w.logs[bridge], Start{Kind: After, After: w.cursor()}
	c := w.client(bridge, w.filter(), start)
	defer func() { w.done = append(w.done, c.segment) }()
	for more := true; more; {
		page, err := l.History(w.t.Context(), c.set, c.view, start, 1+w.rnd.IntN(40), 1+w.rnd.IntN(2000))
		var lost *LostError
		if lose := errors.As(err, &lost); err == nil && len(c.items) == 0 || lose && len(c.items) == 0 {
			c.Notice(Notice{Kind: Subscribed, Recovered: !lose, At: start.After})
		}
		switch {
		case lost != nil:
			c.Notice(Notice{Kind: Reset, Reason: lost.Reason, At: l.Head()})
			return
		case err != nil:
			c.Notice(Notice{Kind: Failed, Err: err})
			return
		}
		if len(page.Events) > 0 {
			c.Replayed(page.Events)
		}
		c.add(item{kind: isMark, at: page.Next})
		start, more = Start{Kind: After, After: page.Next}, page.More
	}
}

// cursorOf asks for the cursor of a stored event, and subscribes after it.
func (w *world) cursorOf() {
	var f fact
	w.stream.RLock()
	w.model.mu.Lock()
	if n := len(w.model.facts); n > 0 && w.model.facts[n-1].life == len(w.model.lives)-1 {
		for f = *w.model.facts[w.rnd.IntN(n)]; f.life < len(w.model.lives)-1; {
			f = *w.model.facts[w.rnd.IntN(n)]
		}
	}
	w.model.mu.Unlock()
	w.stream.RUnlock()
	if f.seq == 0 {
		return
	}
	bridge := w.rnd.IntN(bridges)
	c, err := w.logs[bridge].Mark().CursorOf(w.t.Context(), f.seq)
	if err == nil && !c.IsZero() {
		w.subscribe(bridge, w.filter(), Start{Kind: After, After: c})
	}
}

// sequence is one in the newest stream, near its end more often than not; at times just after a log's head, from which on nothing shows that
// what is before was lost.
func (w *world) sequence() uint64 {
	back, head := uint64(w.rnd.IntN(1+w.rnd.IntN(100))), w.logs[w.rnd.IntN(bridges)].Head().seq
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	last := uint64(1)
	for _, f := range w.model.facts {
		if f.life == len(w.model.lives)-1 {
			last = max(last, f.seq)
		}
	}
	if w.rnd.IntN(4) == 0 {
		return min(last, head) + 1
	}
	return max(last+1, back+1) - back
}

// cut makes one bridge's connection drop and come again.
func (w *world) cut() {
	from := w.model.now()
	_ = w.conns[w.rnd.IntN(bridges)].ForceReconnect()
	w.model.trouble(from, 4*apiTimeout)
}

// dropConsumers deletes every consumer, as an operator may or a server that loses its memory does.
func (w *world) dropConsumers() {
	from := w.model.now()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
	defer cancel()
	if s, err := w.js.Stream(ctx, w.cfg.Name); err == nil {
		for name := range s.ConsumerNames(ctx).Name() {
			_ = s.DeleteConsumer(ctx, name)
		}
	}
	w.model.trouble(from, 4*apiTimeout)
}

// reopen closes one bridge's log with its subscriptions under way, as a deployment does, and opens it again. The clients resume elsewhere.
func (w *world) reopen() {
	i := w.rnd.IntN(bridges)
	w.logs[i].Close()
	for _, c := range slices.Clone(w.open) {
		if c.bridge == i {
			w.leave(c)
			if at, ok := c.seen(0); ok {
				w.subscribe((i+1)%bridges, c.filter, Start{Kind: After, After: at})
			}
		}
	}
	w.logs[i] = w.openLog(i)
}

// end waits until everything has been published and handed out, and judges what every subscription was given.
func (w *world) end() {
	t := w.t
	close(w.jobs)
	w.workers.Wait()
	end := time.Now().UnixNano()
	w.publish("live.r0.t0._")
	for _, c := range w.open {
		if c.gate != nil {
			close(c.gate)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	w.model.mu.Lock()
	last := len(w.model.lives) - 1
	inc, seq := w.model.lives[last].inc, w.model.facts[len(w.model.facts)-1].seq
	w.model.mu.Unlock()
	for i, l := range w.logs {
		// In a stream that was rolled back the same sequence may be that of another event.
		if err := l.await(ctx, func() bool { return l.inc == inc && l.win.head.seq >= seq && l.win.head.at >= end }); err != nil {
			t.Fatalf("bridge %d is at %d of %d: %v, ready: %v", i, l.Head().seq, seq, err, l.Ready())
		}
	}
	for _, c := range slices.Clone(w.open) {
		if !c.settle(ctx) {
			t.Fatalf("not live at the end: %v", c)
		}
		c.finished = c.items[len(c.items)-1].notice.Kind != Failed
		w.leave(c)
	}
	for _, l := range w.logs {
		l.Close()
	}
	w.judge()
}

func (w *world) judge() {
	t := w.t
	if err := w.model.settle(); err != nil {
		t.Fatal(err)
	}
	events, resets, failed := 0, 0, 0
	for _, s := range w.done {
		n, err := w.model.check(s)
		if err != nil {
			t.Errorf("%v\n%v", &client{segment: s}, err)
		}
		resets += n
		for _, it := range s.items {
			switch {
			case it.kind == isEvent:
				events++
			case it.kind == isNotice && it.notice.Kind == Failed:
				failed++
			}
		}
	}
	if k := w.kind; resets > 0 && !k.rollback && !k.purge && !k.erase && !k.recreate && k.maxMsgs == 0 && k.maxReplay == 0 {
		t.Errorf("%d resets although nothing was removed", resets)
	}
	t.Logf("%d events, %d subscriptions were given %d of them; %d resets, %d failed, %d streams", len(w.model.facts), len(w.done), events, resets, failed, len(w.model.lives))
}
