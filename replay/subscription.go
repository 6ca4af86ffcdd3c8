package replay

import (
	"context"
	"errors"
	"time"

	"github.com/livebridge/livebridge/subjects"
)

// A Reason says why events cannot be replayed.
type Reason string

const (
	ReasonExpired Reason = "expired" // they are no longer stored
	ReasonStream  Reason = "stream"  // the stream was recreated, or lost its end: the cursor is not a position in it
	ReasonLimit   Reason = "limit"   // there are more than [Config.MaxReplay]
)

// A StartKind says how the start of a replay is given.
type StartKind int

const (
	Now   StartKind = iota // nothing is replayed
	After                  // everything after a cursor
	Since                  // everything stored at or after a time
	Last                   // the newest N that match
	First                  // everything that is stored
)

// A Start is where a subscription begins. The zero Start is Now.
type Start struct {
	Kind  StartKind
	After Cursor
	Since time.Time
	Last  int
}

// A NoticeKind says what a [Notice] is about.
type NoticeKind int

const (
	Subscribed NoticeKind = iota // accepted; what follows starts after At. Recovered says whether the start could be honoured.
	Live                         // the replay is over; from At on the subscription is live
	Reset                        // events were missed and cannot be replayed; from At on the subscription is live
	Failed                       // the start could not be looked up (Err); the subscription is over
)

// String is the kind in one word, for logs.
func (k NoticeKind) String() string {
	return [...]string{Subscribed: "subscribed", Live: "live", Reset: "reset", Failed: "failed"}[k]
}

// A Notice is what a subscription is told besides events.
type Notice struct {
	Kind      NoticeKind
	At        Cursor
	Recovered bool
	Reason    Reason
	Err       error
}

// A Sink is where one subscription's events go. The first call is Notice with Subscribed or Failed. Calls come one after another. Live,
// and every Notice, may come with the log's lock held: they queue, never block, and never call the Log.
type Sink interface {
	Notice(Notice)
	// Live takes an event of a subscription that is live. The same *Event goes to every subscription that it matches.
	Live(*Event)
	// Replayed takes events of the replay. It queues and does not block.
	Replayed([]*Event)
	// Wait blocks until there is room for a chunk of the replay, or ctx is done. It is called before each call of Replayed.
	Wait(ctx context.Context) error
}

// SubscribeOptions say what a subscription gets.
type SubscribeOptions struct {
	Set   *subjects.Set
	Start Start
	Chunk int   // bytes of events that Replayed takes at once; at least one event is. 0 = 256 KiB
	Turns Turns // shared by subscriptions that are not to read from JetStream all at once; nil = this one waits for no others of its kind

	View
}

// A View narrows what a reader may see of what it asks for. The zero View shows everything.
type View struct {
	Allows    func(subject string) bool // events that it does not allow are left out; nil = all are allowed. Called concurrently, and often.
	NotBefore time.Time                 // nothing stored before is replayed; zero = everything that is stored may be
}

// shows says whether an event of that subject may be seen.
func (v *View) shows(subject string) bool { return v.Allows == nil || v.Allows(subject) }

// A Subscription is given events until it is closed.
type Subscription struct {
	log    *Log
	set    *subjects.Set
	sink   Sink
	start  Start
	view   View
	chunk  int
	turns  Turns
	cancel context.CancelFunc

	// guarded by the log's lock
	closed bool
	exact  bool // the set's patterns match nothing but the set
	places []place
}

const defaultChunk = 256 << 10

// Subscribe begins to give events to sink, in the background where something has to be looked up. It returns [ErrUnavailable] once the
// log is closed.
func (l *Log) Subscribe(sink Sink, opts SubscribeOptions) (*Subscription, error) {
	if l.ctx.Err() != nil {
		return nil, ErrUnavailable
	}
	ctx, cancel := context.WithCancel(l.ctx)
	s := &Subscription{log: l, set: opts.Set, sink: sink, start: opts.Start, view: opts.View, chunk: opts.Chunk, turns: opts.Turns, cancel: cancel, exact: opts.Set.Exact()}
	if s.chunk == 0 {
		s.chunk = defaultChunk
	}
	if s.atHead() {
		return s, nil
	}
	if !l.spawn(func() { s.run(ctx) }) {
		cancel()
		return nil, ErrUnavailable
	}
	return s, nil
}

// Close ends the subscription: no call to the sink begins after it has returned, except of Replayed or Wait where one is under way. It
// must not be called from within the sink.
func (s *Subscription) Close() {
	s.cancel()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.closed = true
	s.log.routes.remove(s)
	delete(s.log.live, s)
}

// atHead makes a subscription live at once where there is nothing to replay.
func (s *Subscription) atHead() bool {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	head := l.headCursor()
	if s.start.Kind != Now && (s.start.Kind != After || s.start.After != head || head.at == 0) {
		return false
	}
	s.sink.Notice(Notice{Kind: Subscribed, Recovered: true, At: head})
	s.register(Notice{Kind: Live, At: head})
	return true
}

// register makes the subscription live. The caller holds the log's lock, and has handed over everything up to the head under it.
func (s *Subscription) register(n Notice) {
	if s.closed {
		return
	}
	s.log.routes.add(s)
	s.log.live[s] = struct{}{}
	s.sink.Notice(n)
}

// run replays from the start to the head, and there makes the subscription live.
func (s *Subscription) run(ctx context.Context) {
	l := s.log
	l.stats.replaying.Add(1)
	defer l.stats.replaying.Add(-1)
	r, err := l.replayer(ctx, s.turns, s.set, s.view, s.start, s.chunk)
	if err != nil {
		s.notice(ctx, Notice{Kind: Failed, Err: err})
		return
	}
	defer r.close()
	if r.reason != "" {
		s.reset(r.reason, true)
		return
	}
	s.notice(ctx, Notice{Kind: Subscribed, Recovered: true, At: r.at})
	s.replay(ctx, r)
}

func (s *Subscription) replay(ctx context.Context, r *replayer) {
	l, left := s.log, s.log.cfg.MaxReplay
	for s.wait(ctx, r) == nil {
		r.most = left + 1 // one more tells that there are too many
		events, end, err := r.next(ctx, func(events []*Event) {
			if len(events) <= left && ctx.Err() == nil {
				s.hand(events)
				s.register(Notice{Kind: Live, At: l.headCursor()})
			}
		})
		var lost resetError
		switch {
		case errors.As(err, &lost):
			s.reset(lost.reason, false)
			return
		case err != nil:
			r.pause(ctx, err)
			continue
		case len(events) > left:
			s.hand(events[:left])
			s.reset(ReasonLimit, false)
			return
		case end:
			return
		}
		s.hand(events)
		left -= len(events)
	}
}

func (s *Subscription) hand(events []*Event) {
	if len(events) > 0 {
		s.log.stats.replayed.Add(uint64(len(events)))
		s.sink.Replayed(events)
	}
}

// wait gives a slow reader its time, without holding what others could use.
func (s *Subscription) wait(ctx context.Context, r *replayer) error {
	const brief = 250 * time.Millisecond
	soon, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	err := s.sink.Wait(soon)
	if err != nil && ctx.Err() == nil {
		r.close()
		err = s.sink.Wait(ctx)
	}
	return errors.Join(err, ctx.Err())
}

// notice tells the sink something, unless the subscription has been closed.
func (s *Subscription) notice(ctx context.Context, n Notice) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if ctx.Err() == nil && !s.closed {
		s.sink.Notice(n)
	}
}

// reset tells the sink that events are missing, and makes the subscription live at the head.
func (s *Subscription) reset(why Reason, first bool) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.closed {
		return
	}
	l.stats.reset(why)
	if first {
		s.sink.Notice(Notice{Kind: Subscribed, Recovered: false, At: l.headCursor()})
	}
	s.register(Notice{Kind: Reset, Reason: why, At: l.headCursor()})
}
