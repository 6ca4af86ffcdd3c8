package replay

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/livebridge/livebridge/subjects"
)

// A fact is one event that the stream has acknowledged, in one of its lives. Times are nanoseconds since the test began; 0 = never.
type fact struct {
	n       int // the number in its body
	life    int // which of the streams of that name
	seq     uint64
	subject string
	sent    int64 // it was not stored before
	within  span  // it was stored at such a time, Unix
	stored  int64 // its store time, Unix, where a log has read it
	leaving int64 // it was stored until then at least
	left    int64 // it was stored until then at most
	front   bool  // it left at the front, not from between
}

// storedAt says whether that can be its store time.
func (f *fact) storedAt(at int64) bool {
	if f.stored != 0 {
		return f.stored == at
	}
	return f.within.from <= at && at <= f.within.to
}

// The model is what is known of the stream: every fact, by the number in its body and by its place.
type model struct {
	began time.Time
	max   int // messages that the stream keeps; 0 = no limit

	mu     sync.Mutex
	facts  []*fact
	lives  []*life
	stored map[int]int64 // store times by number, as the logs have seen them
	rough  []span        // when NATS did not answer, or not for everybody
}

type span struct{ from, to int64 }

func newModel(maxMsgs int) *model {
	return &model{began: time.Now(), max: maxMsgs, stored: map[int]int64{}}
}

func (m *model) now() int64 { return time.Since(m.began).Nanoseconds() + 1 }

func (m *model) begin(inc uint64, at int64, odd bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives = append(m.lives, &life{inc: inc, began: at, odd: odd})
}

// add notes an event that has just been acknowledged. It was sent at a time of the test's, which was the time before in Unix nanoseconds.
func (m *model) add(n int, subject string, seq uint64, sent, before int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts = append(m.facts, &fact{n: n, life: len(m.lives) - 1, seq: seq, subject: subject, sent: sent, within: span{before, time.Now().UnixNano()}})
}

// copy is the newest life's facts as they are now.
func (m *model) copy() (facts []fact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.facts {
		if f.life == len(m.lives)-1 {
			facts = append(facts, *f)
		}
	}
	return facts
}

// trouble notes that whoever asked the stream between from and now may have got no answer, and how long that shows.
func (m *model) trouble(from int64, shows time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rough = append(m.rough, span{from, m.now() + int64(shows)})
}

func (m *model) seen(n int, stored int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stored[n] = stored
}

// remove notes that what is chosen of the newest life left the stream between from and now.
func (m *model) remove(from int64, front bool, chosen func(*fact) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.facts {
		if f.life == len(m.lives)-1 && f.left == 0 && chosen(f) {
			f.leaving, f.left, f.front = from, m.now(), front
		}
	}
}

// settle sorts the facts, once no more come. The error says which message nobody knows of.
func (m *model) settle() error {
	for _, f := range m.facts {
		f.stored = m.stored[f.n]
		m.lives[f.life].facts = append(m.lives[f.life].facts, f)
	}
	for i, l := range m.lives {
		slices.SortFunc(l.facts, func(a, b *fact) int { return cmp.Compare(a.seq, b.seq) })
		for k, f := range l.facts {
			if f.seq != uint64(k+1) {
				return fmt.Errorf("life %d: sequence %d follows %d", i, f.seq, k)
			}
			if next := k + m.max; m.max > 0 && f.left == 0 && next < len(l.facts) {
				f.leaving, f.left, f.front = l.facts[next].sent, m.now(), true
			}
		}
	}
	return nil
}

// first is the highest that the stream's first sequence can have been at a time.
func (m *model) first(life int, when int64) uint64 {
	last := uint64(0)
	for _, f := range m.lives[life].facts {
		if f.sent > when {
			break
		}
		if f.leaving == 0 || f.leaving > when {
			return f.seq
		}
		last = f.seq
	}
	return last + 1
}

// A segment is what one subscription was given, from its start to its end.
type segment struct {
	bridge   int
	filter   subjects.Filter
	set      *subjects.Set
	view     View
	start    Start
	asked    int64  // when it was subscribed
	head     Cursor // the log's head before
	most     int    // the log's MaxReplay
	finished bool   // it was open at the end, when everything had been published and handed out
	items    []item
}

// wants says whether an event of that subject is to be given.
func (s *segment) wants(subject string) bool { return s.set.Match(subject) && s.view.shows(subject) }

// refused says that the start could not be honoured.
func (s *segment) refused() bool {
	return s.items[0].notice.Kind == Subscribed && !s.items[0].notice.Recovered
}

type itemKind int

const (
	isNotice itemKind = iota
	isEvent
	isMark // everything up to the cursor has been told
)

// An item is one thing that a subscription was told.
type item struct {
	kind     itemKind
	notice   Notice
	n        int // the number in the event's body
	seq      uint64
	replayed bool
	at       Cursor
	when     int64
}

func (it item) String() string {
	switch {
	case it.kind == isMark:
		return fmt.Sprintf("=%d", it.at.seq)
	case it.kind == isEvent && it.replayed:
		return fmt.Sprint(it.seq)
	case it.kind == isEvent:
		return fmt.Sprintf("%d.", it.seq)
	}
	return fmt.Sprintf("%s@%d", [...]string{"+", "^", "!" + string(it.notice.Reason), "?"}[it.notice.Kind], it.at.floor())
}

// A reading checks one segment against the model.
type reading struct {
	*model
	*segment
	life  int
	pos   uint64 // everything that matches up to here has been told
	fresh bool   // no event has come yet
	live  bool
	given int // events replayed

	resets int
}

func (m *model) check(s *segment) (resets int, err error) {
	if slices.ContainsFunc(s.items, func(it item) bool { i := m.life(it.at, it.when); return i >= 0 && m.lives[i].odd }) {
		return 0, nil
	}
	r := reading{model: m, segment: s, fresh: true}
	for i, it := range s.items {
		if i == 0 && it.kind != isNotice || i == 1 && s.refused() && (it.kind != isNotice || it.notice.Kind != Reset) {
			return r.resets, fmt.Errorf("begins with %v %v", s.items[0], it)
		}
		switch it.kind {
		case isEvent:
			err = r.event(it)
		case isMark:
			err = r.upTo(it)
		default:
			err = r.told(it, i)
		}
		if err != nil {
			return r.resets, fmt.Errorf("item %d, %v: %w", i, it, err)
		}
	}
	if len(s.items) == 0 || !s.finished {
		return r.resets, nil
	}
	newest := m.lives[len(m.lives)-1]
	if err := r.step(uint64(len(newest.facts))+1, m.now(), func(l *life) bool { return l == newest }); err != nil {
		return r.resets, fmt.Errorf("the end: %w", err)
	}
	return r.resets, nil
}

// unsteady says whether NATS may not have answered between the start and then.
func (r *reading) unsteady(when int64) bool {
	return slices.ContainsFunc(r.rough, func(s span) bool { return s.from <= when && r.asked <= s.to })
}

func (r *reading) event(it item) error {
	switch {
	case it.seq <= r.pos:
		return fmt.Errorf("sequence %d after everything up to %d: twice, or out of order", it.seq, r.pos)
	case it.replayed && r.live:
		return fmt.Errorf("replayed after live")
	case !it.replayed && !r.live:
		return fmt.Errorf("live before live")
	}
	err := r.step(it.seq, it.when, func(l *life) bool {
		return l.inc == it.at.inc && it.seq <= uint64(len(l.facts)) && l.facts[it.seq-1].n == it.n
	})
	if err != nil {
		return err
	}
	f := r.lives[r.life].facts[it.seq-1]
	switch {
	case !r.wants(f.subject):
		return fmt.Errorf("%s does not match", f.subject)
	case it.replayed && !r.unsteady(it.when) && f.left != 0 && f.left < r.asked && f.seq <= r.head.seq && r.head.inc == it.at.inc:
		return fmt.Errorf("replayed although it had been deleted before")
	}
	if r.fresh = false; it.replayed {
		r.given++
	}
	return nil
}

// upTo takes a cursor up to which everything has been told.
func (r *reading) upTo(it item) error {
	if it.at.floor() < r.pos {
		return fmt.Errorf("a cursor before %d, which has been told", r.pos)
	}
	err := r.step(it.at.floor()+1, it.when, func(l *life) bool { return l.has(it.at) })
	r.pos = it.at.floor()
	return err
}

func (r *reading) told(it item, i int) error {
	switch n := it.notice; n.Kind {
	case Subscribed:
		if i != 0 {
			return fmt.Errorf("subscribed again")
		}
		if !n.Recovered {
			return nil // the reset that must follow is judged by the start
		}
		r.life, r.pos = r.model.life(n.At, it.when), n.At.floor()
		return r.began(it)
	case Live:
		if i == 0 || r.live {
			return fmt.Errorf("live twice, or first")
		}
		err := r.upTo(it)
		r.live, r.fresh = true, false
		return err
	case Reset:
		return r.reset(it, i)
	default:
		if !r.unsteady(it.when) {
			return fmt.Errorf("failed without a cause: %w", n.Err)
		}
		return nil
	}
}

// began checks that the subscription began where it was asked to, in one of the lives that the stream had while that was looked up. If it
// had none of those in which that is a position, a reset follows.
func (r *reading) began(it item) (err error) {
	if r.life < 0 {
		return fmt.Errorf("a cursor of no stream")
	}
	for i, l := range r.lives {
		over := i+1 < len(r.lives) && r.lives[i+1].began < r.asked
		if over || l.began > it.when || !l.has(it.at) {
			continue
		}
		changed := r.rolledBack(it.when) || i+1 < len(r.lives) && r.lives[i+1].began <= it.when
		if err = r.beganIn(l, it, changed); err == nil {
			return nil
		}
	}
	return err
}

// beganIn judges that in one life. Where the stream was changed into another by then, what was found may be the other's: a reset follows.
func (r *reading) beganIn(l *life, it item, changed bool) error {
	after, before := 0, 0 // those that can have been counted, and those that were stored all the time
	for _, f := range l.facts {
		switch stays := f.left == 0 || f.leaving > it.when; {
		case !r.wants(f.subject) || f.sent > it.when:
		case f.seq > r.pos:
			if f.left == 0 || f.left >= r.asked {
				after++
			}
		case stays && r.start.Kind == Since && !changed && f.stored >= r.start.Since.UnixNano():
			return fmt.Errorf("sequence %d was stored at or after the time asked for", f.seq)
		case stays:
			before++
		}
	}
	switch {
	case r.start.Kind == After && it.at != r.start.After:
		return fmt.Errorf("asked for %d", r.start.After.floor())
	case r.start.Kind == First && before > 0:
		return fmt.Errorf("%d events are stored before", before)
	case r.start.Kind == Last && !changed && after < r.start.Last && before > 0:
		return fmt.Errorf("only %d of the last %d follow", after, r.start.Last)
	}
	return nil
}

// reset says whether there was a reason to.
func (r *reading) reset(it item, i int) error {
	r.resets++
	refused := i == 1 && r.refused()
	if !r.live {
		defer func() { r.live = true }()
	}
	old := r.life
	if refused {
		r.pos, old = 0, 0
		if r.start.Kind == After {
			r.pos, old = r.start.After.floor(), r.model.life(r.start.After, r.asked)
		}
	}
	r.life = r.model.life(it.at, it.when)
	pos := r.pos
	r.pos = it.at.floor()
	r.fresh = false
	if r.life < 0 {
		return fmt.Errorf("a cursor of no stream")
	}
	switch it.notice.Reason {
	case ReasonStream:
		// A replay may have read what a stream was rolled back to before its log knew of that.
		if newer := old+1 < len(r.lives) && r.lives[old+1].began <= it.when; !newer && !r.rolledBack(it.when) {
			return fmt.Errorf("needless: the stream is the same")
		}
	case ReasonExpired:
		if r.rolledBack(it.when) {
			return nil // which of the lives it is about cannot be told from a cursor that both have
		}
		if !refused && old != r.life {
			return fmt.Errorf("expired, but the stream is another one")
		}
		if first := r.first(r.life, it.when); first <= pos+1 {
			return fmt.Errorf("needless: the stream began at %d at most, and all up to %d had been told", first, pos)
		}
	case ReasonLimit:
		if r.given != r.most {
			return fmt.Errorf("limit after %d events instead of %d", r.given, r.most)
		}
	}
	return nil
}
