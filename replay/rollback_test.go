package replay

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/subjects"
)

// The two ways in which a stream is put back to an earlier state: its files are replaced while the server is stopped, or it is restored
// from a backup while every connection stays up.
func rollbacks(t *testing.T, s *natstest.Server) map[string]func() (back func()) {
	return map[string]func() func(){
		"files": func() func() {
			saved := s.Saved()
			return func() { s.RollBack(saved) }
		},
		"backup": func() func() {
			b := s.Backup("LIVE")
			return func() { s.Restore(b) }
		},
	}
}

// A stream that is put back to an earlier state gives the sequences that it lost to other events. Cursors of the lost ones are found out,
// those of the others are still good, unless the stream was restored from a backup: that makes a new stream of the old messages.
func TestStreamLosesItsEnd(t *testing.T) {
	for _, way := range []string{"files", "backup"} {
		for _, memory := range []int{64 << 20, 1} {
			t.Run(fmt.Sprint(way, memory), func(t *testing.T) {
				s, nc := env(t)
				l := openLog(t, nc, Config{WindowBytes: memory})
				live := subscribe(t, l, everything, Start{})
				publishIDs(t, nc, 1, 5)
				c5 := cursorOf(t, l, 5)
				back := rollbacks(t, s)[way]()
				publishIDs(t, s.Connect(), 6, 8)
				live.until(t, "8.")
				c7 := cursorOf(t, l, 7)
				back()
				publishIDs(t, s.Connect(), 16, 19)
				if got := live.until(t, "!stream"); got != "+ ^ 1. 2. 3. 4. 5. 6. 7. 8. !stream" {
					t.Errorf("live: %q", got)
				}
				kept := map[string]string{"files": "+ 16 17 18 19 ^", "backup": "- !stream"}[way]
				for start, want := range map[Cursor]string{c5: kept, c7: "- !stream"} {
					if got := subscribe(t, l, everything, Start{Kind: After, After: start}).until(t, want); got != want {
						t.Errorf("after %d: %q, want %q", start.seq, got, want)
					}
				}
				publishIDs(t, s.Connect(), 20, 20)
				live.until(t, " 20.")
			})
		}
	}
}

// A tripwire runs something just before a request leaves for NATS: between the answer before it and the look-up that it is.
type tripwire struct {
	mu   sync.Mutex
	word []byte // in the request
	nth  int    // how many such requests pass before; the wire is cut when it has been hit
	hit  func()
	all  int // requests with the word so far
}

func (w *tripwire) set(word string, nth int, hit func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.word, w.nth, w.hit, w.all = []byte(word), nth, hit, 0
}

func (w *tripwire) pass(b []byte) {
	w.mu.Lock()
	var hit func()
	if n := bytes.Count(b, w.word); len(w.word) > 0 && n > 0 {
		w.all += n
		if w.hit != nil && w.all > w.nth {
			hit, w.hit = w.hit, nil
		}
	}
	w.mu.Unlock()
	if hit != nil {
		done := make(chan struct{})
		go func() { // it may end the test, but not this goroutine, which is the connection's
			defer close(done)
			hit()
		}()
		<-done
	}
}

func (w *tripwire) wasHit() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hit == nil
}

type wired struct {
	net.Conn
	wire *tripwire
}

func (c wired) Write(b []byte) (int, error) {
	c.wire.pass(b)
	return c.Conn.Write(b)
}

// Dial makes w a nats.CustomDialer.
func (w *tripwire) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return wired{c, w}, err
}

// A change is what happens to the stream just then, and what is stored in it afterwards.
type change struct {
	name   string
	must   bool // a cursor that was seen before is no longer good
	slow   bool // it takes the log's patience to be believed
	happen func(t *testing.T, r *race)
}

// A race is one stream, and a log that looks something up in it while it changes.
type race struct {
	nats  *natstest.Server
	js    jetstream.JetStream // on a connection of its own
	nc    *nats.Conn
	saved string // the server's files with the first 4 events
	next  int

	backup natstest.Backup // the same as a backup
}

func (r *race) publish(t testing.TB, n int) {
	publishIDs(t, r.nc, r.next, r.next+n-1)
	r.next += n
}

func (r *race) purge(t *testing.T, opts ...jetstream.StreamPurgeOpt) {
	st, err := r.js.Stream(t.Context(), "LIVE")
	if err == nil {
		err = st.Purge(t.Context(), opts...)
	}
	if err != nil {
		t.Error(err)
	}
}

// follow waits until the log is at the end of the stream as it is now.
func (r *race) follow(t *testing.T, l *Log) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	st, err := r.js.Stream(ctx, "LIVE")
	if err != nil {
		t.Fatal(err)
	}
	info := st.CachedInfo()
	last := position{info.State.LastSeq, info.State.LastTime.UnixNano()}
	if err := l.await(ctx, func() bool { return l.inc == incarnation("LIVE", info.Created) && l.win.head == last }); err != nil {
		t.Fatalf("the log is at %d: %v", l.Head().seq, err)
	}
}

// rollBack puts the stream back to its first 4 events.
func (r *race) rollBack() {
	r.nats.RollBack(r.saved)
	r.nc = r.nats.Connect()
	r.js, _ = jetstream.New(r.nc)
}

func recreateStream(t *testing.T, r *race) {
	st, err := r.js.Stream(t.Context(), "LIVE")
	if err != nil {
		t.Error(err)
		return
	}
	cfg := st.CachedInfo().Config
	if err := r.js.DeleteStream(t.Context(), "LIVE"); err != nil {
		t.Error(err)
	}
	if err := natstest.CreateStream(t.Context(), r.js, cfg); err != nil {
		t.Error(err)
	}
}

var changes = []change{
	{"nothing", false, false, func(t *testing.T, r *race) {}},
	{"more events", false, false, func(t *testing.T, r *race) { r.publish(t, 3) }},
	{"recreated, shorter", true, false, func(t *testing.T, r *race) { recreateStream(t, r); r.publish(t, 2) }},
	{"recreated, longer", true, false, func(t *testing.T, r *race) { recreateStream(t, r); r.publish(t, 20) }},
	{"rolled back, shorter", true, true, func(t *testing.T, r *race) { r.rollBack(); r.publish(t, 1) }},
	{"rolled back, longer", true, false, func(t *testing.T, r *race) { r.rollBack(); r.publish(t, 20) }},
	{"purged", false, false, func(t *testing.T, r *race) { r.purge(t); r.publish(t, 3) }},
	{"purged at the front", false, false, func(t *testing.T, r *race) { r.purge(t, jetstream.WithPurgeSequence(9)); r.publish(t, 3) }},
	{"newest erased", false, false, func(t *testing.T, r *race) {
		r.purge(t, jetstream.WithPurgeSubject("live.products.updated.12"))
		r.purge(t, jetstream.WithPurgeSubject("live.products.updated.11"))
		r.publish(t, 3)
	}},
	{"restored from a backup", true, false, func(t *testing.T, r *race) { r.nats.Restore(r.backup); r.publish(t, 20) }},
	{"rolled back without a trace", false, false, func(t *testing.T, r *race) {
		r.rollBack()
		r.publish(t, 9)
		r.purge(t, jetstream.WithPurgeSequence(13)) // just after the log's head
	}},
	{"NATS restarted", false, false, func(t *testing.T, r *race) {
		r.nats.Down()
		r.nats.Up()
		r.nc = r.nats.Connect()
		r.js, _ = jetstream.New(r.nc)
	}},
}

// Whatever happens to the stream just before any request of a look-up: what the subscription is given is exactly what is stored after its
// start, or it is told to read again. LIVEBRIDGE_SEAM_FOR=1s tries every change at every request of every start, instead of a quarter of them.
func TestStreamChangesDuringLookUps(t *testing.T) {
	starts := []struct {
		name  string
		start func(c8 Cursor) Start
		least int // the id of the first event that is to be given
	}{
		{"after", func(c Cursor) Start { return Start{Kind: After, After: c} }, 9},
		{"since", func(c Cursor) Start { return Start{Kind: Since, Since: time.Unix(0, c.at)} }, 8},
		{"last", func(Cursor) Start { return Start{Kind: Last, Last: 5} }, 8},
		{"first", func(Cursor) Start { return Start{Kind: First} }, 1},
	}
	words := []string{"STREAM.INFO.LIVE", "STREAM.MSG.GET.LIVE", "CONSUMER.CREATE.LIVE.livebridge-replay", "MSG.NEXT.LIVE.livebridge-replay"}
	var all sync.WaitGroup
	defer all.Wait()
	room := make(chan struct{}, 12) // most of the time they wait
	most, soak := 2, os.Getenv("LIVEBRIDGE_SEAM_FOR") != ""
	if soak {
		most = 5
	}
	for i, ch := range changes {
		for j, st := range starts {
			for k, word := range words {
				if !soak && (ch.slow || (i+j+k)%len(starts) != 0) {
					continue
				}
				room <- struct{}{}
				all.Go(func() {
					defer func() { <-room }()
					t.Run(strings.ReplaceAll(ch.name+"/"+st.name+"/"+word, " ", "_"), func(t *testing.T) {
						for nth := range most {
							if !raceOnce(t, ch, st.start, st.least, word, nth) {
								return // no such request any more
							}
						}
					})
				})
			}
		}
	}
}

// raceOnce says whether the change happened before the subscription was live.
func raceOnce(t *testing.T, ch change, start func(Cursor) Start, least int, word string, nth int) bool {
	t.Helper()
	s := natstest.Start(t)
	wire := &tripwire{}
	l := openLog(t, s.Connect(nats.SetCustomDialer(wire)), Config{WindowBytes: 1})
	r := &race{nats: s, nc: s.Connect(), next: 1}
	r.publish(t, 4)
	r.backup, r.saved = s.Backup("LIVE"), s.Saved()
	r.nc = s.Connect()
	r.js, _ = jetstream.New(r.nc)
	r.publish(t, 8)
	c8 := cursorOf(t, l, 8)
	cursorOf(t, l, 12)
	from := start(c8)
	wire.set(word, nth, func() { ch.happen(t, r) })
	got := subscribe(t, l, everything, from)
	settled(t, got)
	hit := wire.wasHit()
	wire.set("", 0, nil)
	if strings.Contains(got.String(), "?") {
		return hit // it was told that the stream could not be asked
	}
	r.publish(t, 1)
	r.follow(t, l)
	r.publish(t, 1)
	text := got.until(t, fmt.Sprintf(" %d.", r.next-1))
	judgeRace(t, ch, hit, from.Kind, least, r, text, nth)
	return hit
}

// settled waits until the subscription is live, or told to read again.
func settled(t testing.TB, r *recorder) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		text, changed := strings.Join(r.log, " "), r.changed
		r.mu.Unlock()
		if strings.ContainsAny(text, "^!?") {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("neither live nor told anything: %q", text)
		}
	}
}

// judgeRace compares what was given with what is stored now.
func judgeRace(t *testing.T, ch change, hit bool, kind StartKind, least int, r *race, text string, nth int) {
	t.Helper()
	reset := strings.Contains(text, "!")
	if hit && ch.must && kind == After && !reset {
		t.Errorf("request %d: %q, but the cursor is of events that are gone", nth, text)
	}
	if hit && ch.must && kind == After {
		// Until it is told, it must not be given what was stored after the change: it might leave with a cursor of that.
		old, _, _ := strings.Cut(text, "!")
		for _, word := range strings.Fields(old) {
			if id, err := strconv.Atoi(strings.TrimSuffix(word, ".")); err == nil && id > 12 {
				t.Errorf("request %d: %q, given %d before it was told", nth, text, id)
			}
		}
	}
	if reset {
		return // whatever came before, the reader was told; and what came afterwards is live
	}
	var want []string
	for _, id := range r.stored(t) {
		if id >= least || hit && ch.must {
			want = append(want, fmt.Sprint(id))
		}
	}
	given := strings.NewReplacer("+", "", "^", "", ".", "").Replace(text)
	have := strings.Fields(given)
	// What is still stored must all have come, in order, from the first one given on.
	if kind == Last && len(have) > 5 { // the newest 5 of some moment
		if i := len(want) - len(have); i > 0 {
			want = want[i:]
		}
	}
	missing := difference(want, have)
	if kind == Since && hit && ch.must {
		missing = nil // what was stored since then in the stream as it is now
		for _, id := range difference(want, have) {
			if n := 0; func() bool { fmt.Sscan(id, &n); return n > 12 }() {
				missing = append(missing, id)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("request %d: %q lacks %v", nth, text, missing)
	}
}

// stored are the ids of what is stored now.
func (r *race) stored(t testing.TB) (ids []int) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	st, err := r.js.Stream(ctx, "LIVE")
	if err != nil {
		t.Fatal(err)
	}
	for seq := st.CachedInfo().State.FirstSeq; seq <= st.CachedInfo().State.LastSeq; seq++ {
		m, err := st.GetMsg(ctx, seq)
		if err != nil {
			continue // deleted from between
		}
		n := 0
		if _, err := fmt.Sscanf(m.Subject, "live.products.updated.%d", &n); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, n)
	}
	return ids
}

func difference(want, have []string) (missing []string) {
	got := map[string]bool{}
	for _, h := range have {
		got[h] = true
	}
	for _, w := range want {
		if !got[w] {
			missing = append(missing, w)
		}
	}
	return missing
}

// A cursor that is ahead of the tail was good when it was looked up. The stream is rolled back before the tail has come there, so the tail
// itself misses nothing; but the cursor's place goes to another event, or to none.
func TestStreamLosesACursorWhileTheTailIsBehind(t *testing.T) {
	for name, stored := range map[string]int{"longer": 5, "shorter": 1} {
		t.Run(name, func(t *testing.T) { loseACursorAhead(t, stored) })
	}
}

// loseACursorAhead stores so many events after the roll-back; the cursor is the third of those that were there before.
func loseACursorAhead(t *testing.T, stored int) {
	s, nc := env(t)
	other := openLog(t, s.Connect(), Config{})
	l, held, release := openHeld(t, nc, Config{WindowBytes: 1}, "4")
	publishIDs(t, s.Connect(), 1, 4)
	<-held
	cursorOf(t, other, 4)
	deleteConsumers(t, other) // so that the tail is brought nothing more
	saved := s.Saved()
	publishIDs(t, s.Connect(), 5, 9)
	c7 := cursorOf(t, other, 7)
	ahead := subscribe(t, l, everything, Start{Kind: After, After: c7})
	waits(t, l)
	s.RollBack(saved)
	publishIDs(t, s.Connect(), 15, 14+stored)
	release()
	if got := ahead.until(t, "!stream"); got != "- !stream" {
		t.Errorf("got %q", got)
	}
}

// Where nothing matched for a stretch, a replay goes on after it, from the last position that can be verified. The stream is rolled back to
// just after that position, and the tail does not know of it yet. Then the stretch is another one, and what matches in it comes first: a
// reader who leaves before the reset has a cursor that is good, and must have missed nothing before it.
func TestStretchWithoutMatchesIsRolledBack(t *testing.T) {
	s, nc := env(t)
	l := openLog(t, nc, Config{WindowBytes: 1}) // it holds the newest event alone
	held, release := holdAt(t, l, 8)
	store := func(resource string, ids ...int) {
		for _, id := range ids {
			publish(t, s.Connect(), fmt.Sprintf("live.%s.updated.%d", resource, id), "x")
		}
	}
	store("orders", 1)
	saved := s.Saved()
	store("products", 2, 3, 4, 5, 6)
	cursorOf(t, l, 6)
	r := record()
	r.room = make(chan struct{}, 1)
	r.room <- struct{}{}
	sub, err := l.Subscribe(r, SubscribeOptions{Set: set(t, subjects.Filter{Resource: "orders"}), Start: Start{Kind: First}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	r.until(t, "+ 1") // and no more of them up to 6, the head
	store("products", 7, 8)
	<-held
	s.RollBack(saved)
	store("orders", 12, 13, 14, 15, 16, 17, 18, 19, 20)
	close(r.room)
	r.until(t, " 18") // up to 8, the head
	waitFor(t, "the replay finds out that this 8 is not the one in memory", func() bool { return len(l.tail.kicked) > 0 })
	release()
	if got, want := r.until(t, "!stream"), "+ 1 12 13 14 15 16 17 18 !stream"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
