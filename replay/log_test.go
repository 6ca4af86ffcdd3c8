package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/subjects"
)

func cursorOf(t testing.TB, l *Log, seq uint64) Cursor {
	t.Helper()
	c, err := l.Mark().CursorOf(t.Context(), seq)
	if err != nil || c.IsZero() {
		t.Fatalf("cursor of %d: %v %v", seq, c, err)
	}
	return c
}

func jsStream(t testing.TB, l *Log) jetstream.Stream {
	t.Helper()
	s, err := l.stream.js.Stream(t.Context(), l.stream.cfg.Name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLiveEventsReachWhoMatches(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	all := subscribe(t, l, everything, Start{})
	two := subscribe(t, l, subjects.Filter{Resource: "products", IDs: []string{"2"}}, Start{})
	publishIDs(t, nc, 1, 3)
	publish(t, nc, "live.products.created._", "bulk")
	all.until(t, "+ ^ 1. 2. 3. .")
	two.until(t, "+ ^ 2. .")
}

func TestReplayStarts(t *testing.T) {
	for _, memory := range []int{64 << 20, 1} { // all in the window, and all but the newest in JetStream
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			_, nc := env(t)
			l := openLog(t, nc, Config{WindowBytes: memory})
			publishIDs(t, nc, 1, 4)
			c4 := cursorOf(t, l, 4)
			since := time.Unix(0, c4.at+1) // just after event 4 was stored
			publishIDs(t, nc, 5, 8)
			head := cursorOf(t, l, 8)
			for _, tc := range []struct {
				name  string
				start Start
				want  string
			}{
				{"now", Start{}, "+ ^"},
				{"after", Start{Kind: After, After: c4}, "+ 5 6 7 8 ^"},
				{"after the head", Start{Kind: After, After: head}, "+ ^"},
				{"since", Start{Kind: Since, Since: since}, "+ 5 6 7 8 ^"},
				{"since the time of the event", Start{Kind: Since, Since: time.Unix(0, c4.at)}, "+ 4 5 6 7 8 ^"},
				{"since the time of the newest", Start{Kind: Since, Since: time.Unix(0, head.at)}, "+ 8 ^"},
				{"since the future", Start{Kind: Since, Since: time.Now().Add(time.Hour)}, "+ ^"},
				{"since ever", Start{Kind: Since, Since: time.Unix(0, 0)}, "+ 1 2 3 4 5 6 7 8 ^"},
				{"last 3", Start{Kind: Last, Last: 3}, "+ 6 7 8 ^"},
				{"last 1", Start{Kind: Last, Last: 1}, "+ 8 ^"},
				{"last of more than there are", Start{Kind: Last, Last: 99}, "+ 1 2 3 4 5 6 7 8 ^"},
				{"first", Start{Kind: First}, "+ 1 2 3 4 5 6 7 8 ^"},
			} {
				t.Run(tc.name, func(t *testing.T) {
					if got := subscribe(t, l, everything, tc.start).until(t, "^"); got != tc.want {
						t.Errorf("got %q, want %q", got, tc.want)
					}
				})
			}
			last := subscribe(t, l, subjects.Filter{Resource: "products", IDs: []string{"2", "3"}}, Start{Kind: Last, Last: 1})
			if got := last.until(t, "^"); got != "+ 3 ^" {
				t.Errorf("last of two ids: %q", got)
			}
			publishIDs(t, nc, 9, 9)
			last.until(t, "+ 3 ^")
		})
	}
}

// A cursor that a subscription is given at its start leads to the same events again.
func TestSubscribedCursorResumes(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{WindowBytes: 1})
	publishIDs(t, nc, 1, 5)
	cursorOf(t, l, 5)
	r := record()
	r.room = make(chan struct{}, 1)
	r.room <- struct{}{}
	s, err := l.Subscribe(r, SubscribeOptions{Set: set(t, everything), Start: Start{Kind: Last, Last: 2}, Chunk: 1})
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, "+ 4")
	at := r.at
	s.Close()
	if got := subscribe(t, l, everything, Start{Kind: After, After: at}).until(t, "^"); got != "+ 4 5 ^" {
		t.Errorf("got %q", got)
	}
}

func TestResets(t *testing.T) {
	for _, memory := range []int{64 << 20, 1} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			_, nc := env(t)
			l := openLog(t, nc, Config{WindowBytes: memory})
			publishIDs(t, nc, 1, 9)
			c3, c5, c9 := cursorOf(t, l, 3), cursorOf(t, l, 5), cursorOf(t, l, 9)
			if err := jsStream(t, l).Purge(t.Context(), jetstream.WithPurgeSequence(6)); err != nil {
				t.Fatal(err)
			}
			want := func(name string, start Start, want string) {
				t.Helper()
				r := subscribe(t, l, everything, start)
				if got := r.until(t, want); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			want("purged", Start{Kind: After, After: c3}, "- !expired")
			want("just not purged", Start{Kind: After, After: c5}, "+ 6 7 8 9 ^")
			want("since before the purge", Start{Kind: Since, Since: time.Unix(0, 0)}, "- !expired")
			want("last", Start{Kind: Last, Last: 99}, "+ 6 7 8 9 ^")
			wrong := c9
			wrong.at++
			want("reused sequence", Start{Kind: After, After: wrong}, "- !stream")
			wrong = c9
			wrong.inc++
			want("another stream", Start{Kind: After, After: wrong}, "- !stream")
			if err := jsStream(t, l).Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			want("all purged, all seen", Start{Kind: After, After: c9}, "+ ^")
			want("all purged", Start{Kind: After, After: c5}, "- !expired")
			want("since, all purged", Start{Kind: Since, Since: time.Unix(0, 1)}, "- !expired")
			want("since after all that was purged", Start{Kind: Since, Since: time.Now()}, "+ ^")
		})
	}
}

func TestReplayLimit(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{MaxReplay: 3})
	publishIDs(t, nc, 1, 4)
	cursorOf(t, l, 4)
	start := Start{Kind: After, After: cursorOf(t, l, 1)}
	if got := subscribe(t, l, everything, start).until(t, "^"); got != "+ 2 3 4 ^" {
		t.Errorf("exactly the limit: %q", got)
	}
	if got := subscribe(t, l, everything, Start{Kind: First}).until(t, "limit"); got != "+ 1 2 3 !limit" {
		t.Errorf("over the limit: %q", got)
	}
}

func TestStreamRecreatedWhileLive(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	r := subscribe(t, l, everything, Start{})
	publishIDs(t, nc, 1, 3)
	r.until(t, "3.")
	old := l.Head()
	cfg := jsStream(t, l).CachedInfo().Config
	if err := l.stream.js.DeleteStream(t.Context(), "LIVE"); err != nil {
		t.Fatal(err)
	}
	if err := natstest.CreateStream(t.Context(), l.stream.js, cfg); err != nil {
		t.Fatal(err)
	}
	r.until(t, "!stream")
	publishIDs(t, nc, 7, 7)
	r.until(t, "!stream 7.")
	got := subscribe(t, l, everything, Start{Kind: After, After: old}).until(t, "!stream")
	if got != "- !stream" {
		t.Errorf("old cursor: %q", got)
	}
}

func TestStreamDeletedIsCreatedAgain(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	r := subscribe(t, l, everything, Start{})
	publishIDs(t, nc, 1, 1)
	r.until(t, "1.")
	if err := l.stream.js.DeleteStream(t.Context(), "LIVE"); err != nil {
		t.Fatal(err)
	}
	r.until(t, "!stream")
	publishIDs(t, nc, 2, 2)
	r.until(t, "2.")
}

func TestNATSRestartLosesNothing(t *testing.T) {
	s, nc := env(t)
	l := openLog(t, nc, Config{})
	r := subscribe(t, l, everything, Start{})
	publishIDs(t, nc, 1, 2)
	r.until(t, "2.")
	lost := nc.StatusChanged(nats.RECONNECTING)
	defer nc.RemoveStatusListener(lost)
	s.Down()
	<-lost
	if l.Ready() == nil {
		t.Error("ready without NATS")
	}
	s.Up()
	other := s.Connect()
	publishIDs(t, other, 3, 5)
	if got := r.until(t, "5."); got != "+ ^ 1. 2. 3. 4. 5." {
		t.Errorf("got %q", got)
	}
}

// Messages deleted from between are no loss, and are not replayed from memory either.
func TestInteriorDeletes(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	publishIDs(t, nc, 1, 5)
	c1 := cursorOf(t, l, 1)
	c3 := cursorOf(t, l, 3)
	if err := jsStream(t, l).Purge(t.Context(), jetstream.WithPurgeSubject("live.products.updated.3")); err != nil {
		t.Fatal(err)
	}
	if got := subscribe(t, l, everything, Start{Kind: After, After: c1}).until(t, "^"); got != "+ 2 4 5 ^" {
		t.Errorf("got %q", got)
	}
	if got := subscribe(t, l, everything, Start{Kind: After, After: c3}).until(t, "^"); got != "+ 4 5 ^" {
		t.Errorf("cursor of the deleted message: %q", got)
	}
}

// Also where the stream's front passes as many old holes as there are new ones, so that their number does not rise.
func TestInteriorDeletesBehindAMovingFront(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	for _, step := range []struct{ published, purged, want string }{{"a b a b", "b", "+ a a ^"}, {"c a d", "a", "+ c d ^"}} {
		var last uint64
		for id := range strings.FieldsSeq(step.published) {
			last = publish(t, nc, "live.products.updated."+id, "x")
		}
		cursorOf(t, l, last)
		if err := jsStream(t, l).Purge(t.Context(), jetstream.WithPurgeSubject("live.products.updated."+step.purged)); err != nil {
			t.Fatal(err)
		}
		if got := subscribe(t, l, everything, Start{Kind: First}).until(t, "^"); got != step.want {
			t.Errorf("%s purged: %q, want %q", step.purged, got, step.want)
		}
	}
	if n := l.Stats().WindowEvents; n != 0 {
		t.Errorf("the window holds %d events", n)
	}
	publish(t, nc, "live.products.updated.e", "x")
	cursorOf(t, l, publish(t, nc, "live.products.updated.c", "x"))
	subscribe(t, l, everything, Start{Kind: First}).until(t, "c ^")
	before := l.Stats().FromStream
	subscribe(t, l, everything, Start{Kind: Last, Last: 2}).until(t, "+ e c ^")
	if n := l.Stats().FromStream; n != before {
		t.Errorf("%d events were read from JetStream although nothing was deleted since", n-before)
	}
}

func TestOpenFillsTheWindow(t *testing.T) {
	_, nc := env(t)
	first := openLog(t, nc, Config{})
	publishIDs(t, nc, 1, 50)
	c := cursorOf(t, first, 10)
	first.Close()
	second := openLog(t, nc, Config{})
	if got := second.Stats(); got.WindowEvents != 50 || got.Head != 50 {
		t.Errorf("window after open: %+v", got)
	}
	got := subscribe(t, second, everything, Start{Kind: After, After: c}).until(t, "^")
	if n := len(strings.Fields(got)); n != 42 {
		t.Errorf("replayed from the window: %q", got)
	}
	if s := second.Stats(); s.FromStream != 0 {
		t.Errorf("%d events were read from JetStream", s.FromStream)
	}
}

// A stream whose newest messages have been deleted is not waited for.
func TestOpenWhereTheNewestIsDeleted(t *testing.T) {
	_, nc := env(t)
	first := openLog(t, nc, Config{})
	publishIDs(t, nc, 1, 5)
	for _, id := range []string{"5", "4", "2"} {
		if err := jsStream(t, first).Purge(t.Context(), jetstream.WithPurgeSubject("live.products.updated."+id)); err != nil {
			t.Fatal(err)
		}
	}
	second := openLog(t, nc, Config{})
	if got := second.Stats(); got.Head != 3 || got.WindowEvents != 2 || got.TailRestarts != 0 {
		t.Errorf("after open: %+v", got)
	}
	if got := subscribe(t, second, everything, Start{Kind: First}).until(t, "^"); got != "+ 1 3 ^" {
		t.Errorf("got %q", got)
	}
}

func TestSomethingElseInTheStream(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{})
	r := subscribe(t, l, everything, Start{})
	publish(t, nc, "live.products.updated.é", "not escaped")
	publish(t, nc, "live.products.updated.%2e", "not canonical")
	publishIDs(t, nc, 1, 1)
	if got := r.until(t, "1."); got != "+ ^ 1." {
		t.Errorf("got %q", got)
	}
	if n := l.Stats().SkippedNotAnEvent; n != 2 {
		t.Errorf("%d messages counted", n)
	}
	if got := subscribe(t, l, everything, Start{Kind: First}).until(t, "^"); got != "+ 1 ^" {
		t.Errorf("replay: %q", got)
	}
}

func TestHistory(t *testing.T) {
	_, nc := env(t)
	for _, memory := range []int{64 << 20, 1} {
		l := openLog(t, nc, Config{WindowBytes: memory, Stream: StreamConfig{Name: "LIVE"}})
		seq := publishIDs(t, nc, 1, 7)
		c := cursorOf(t, l, seq-7+2)
		var got []string
		for start, more := (Start{Kind: After, After: c}), true; more; {
			page, err := l.History(t.Context(), set(t, everything), View{}, start, 2, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				got = append(got, id(e))
			}
			got = append(got, "|")
			start, more = Start{Kind: After, After: page.Next}, page.More
		}
		if s := strings.Join(got, " "); s != "3 4 | 5 6 | 7 |" {
			t.Errorf("window of %d bytes: %q", memory, s)
		}
		c.at++
		_, err := l.History(t.Context(), set(t, everything), View{}, Start{Kind: After, After: c}, 2, 1<<20)
		var lost *LostError
		if !errors.As(err, &lost) || lost.Reason != ReasonStream {
			t.Errorf("wrong cursor: %v", err)
		}
		l.Close()
	}
}

func TestStreamInUse(t *testing.T) {
	_, nc := env(t)
	js, _ := jetstream.New(nc)
	make := func(name string, subjects ...string) {
		if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: name, Subjects: subjects}); err != nil {
			t.Fatal(err)
		}
	}
	make("OTHER", "live.orders.*.*")
	_, err := Open(t.Context(), nc, Config{Encode: text})
	var se *StreamError
	if !errors.As(err, &se) || !strings.Contains(se.Problem, "overlap") || se.Hint == "" {
		t.Errorf("overlapping stream: %v", err)
	}
	_, err = Open(t.Context(), nc, Config{Encode: text, Stream: StreamConfig{Name: "OTHER"}})
	if !errors.As(err, &se) || !strings.Contains(se.Problem, `its subjects are ["live.orders.*.*"]`) {
		t.Errorf("other subjects: %v", err)
	}
	_ = js.DeleteStream(t.Context(), "OTHER")
	_, err = Open(t.Context(), nc, Config{Encode: text, Stream: StreamConfig{Replicas: 3}})
	if !errors.As(err, &se) || !strings.Contains(se.Hint, "--replicas 1") {
		t.Errorf("replicas without a cluster: %v", err)
	}
	make("WIDE", "live.>")
	l := openLog(t, nc, Config{Stream: StreamConfig{Name: "WIDE"}})
	r := subscribe(t, l, everything, Start{})
	publish(t, nc, "live.five.tokens.are.none", "x")
	publishIDs(t, nc, 1, 1)
	r.until(t, "+ ^ 1.")
}
