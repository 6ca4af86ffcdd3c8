package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// waitFor waits for a state.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// read waits until the log has read so much.
func read(t testing.TB, l *Log, seq uint64) {
	t.Helper()
	waitFor(t, "the log has read it", func() bool { return l.Head().seq == seq })
}

// queued subscribes from the beginning on, with turns.
func queued(t testing.TB, l *Log, turns Turns) (*recorder, *Subscription) {
	t.Helper()
	r := record()
	return r, queue(t, l, turns, r)
}

func queue(t testing.TB, l *Log, turns Turns, to Sink) *Subscription {
	t.Helper()
	s, err := l.Subscribe(to, SubscribeOptions{Set: set(t, everything), Start: Start{Kind: First}, Turns: turns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A finisher is a recorder that enters its name into a list when it is live. The log's lock guards the list.
type finisher struct {
	*recorder
	name string
	list *[]string
}

func (f finisher) Notice(n Notice) {
	if n.Kind == Live {
		*f.list = append(*f.list, f.name)
	}
	f.recorder.Notice(n)
}

// Whoever shares turns with many others takes but one place in the line that all stand in.
func TestTurns(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{WindowBytes: 1, Readers: 1})
	publishIDs(t, nc, 1, 20)
	read(t, l, 20)
	l.slots <- struct{}{} // as if another were reading
	greedy := NewTurns(1)
	var list []string
	var all []finisher
	for range 10 {
		f := finisher{record(), "greedy", &list}
		queue(t, l, greedy, f)
		all = append(all, f)
	}
	waitFor(t, "ten wait, one of them in line", func() bool { return l.Stats().Waiting == 10 && len(greedy) == 1 })
	modest := finisher{record(), "modest", &list}
	queue(t, l, NewTurns(1), modest)
	waitFor(t, "another waits too", func() bool { return l.Stats().Waiting == 11 })
	<-l.slots
	for _, f := range append(all, modest) {
		if got := f.until(t, " 20 ^"); strings.Count(got, " ") != 21 {
			t.Errorf("%s: %s", f.name, got)
		}
	}
	l.mu.Lock()
	if at := slices.Index(list, "modest"); at > 1 {
		t.Errorf("%d came before the modest one: %v", at, list)
	}
	l.mu.Unlock()
	waitFor(t, "nobody waits or reads any more", func() bool { // who reads ahead hears of the end a moment after the last is live
		return l.stats.waiting.Load()+l.stats.reading.Load() == 0 && len(greedy)+len(l.slots) == 0
	})
}

// A replay that waits in line can be ended, alone or with the log, and what it held is free again. Live events come meanwhile.
func TestEndWhileWaiting(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{WindowBytes: 1, Readers: 1})
	publishIDs(t, nc, 1, 5)
	read(t, l, 5)
	l.slots <- struct{}{}
	turns := NewTurns(1)
	_, first := queued(t, l, turns)
	waitFor(t, "one waits for a slot", func() bool { return len(turns) == 1 })
	_, second := queued(t, l, turns)
	waitFor(t, "one waits for its turn", func() bool { return l.Stats().Waiting == 2 })
	live := subscribe(t, l, everything, Start{})
	publishIDs(t, nc, 6, 6)
	live.until(t, " 6.")
	first.Close()
	waitFor(t, "the turn has gone to the next", func() bool { return l.Stats().Waiting == 1 && len(turns) == 1 })
	second.Close()
	waitFor(t, "the turn is free", func() bool { return l.Stats().Waiting == 0 && len(turns) == 0 })
	ctx, cancel := context.WithCancel(t.Context())
	history := make(chan error)
	go func() {
		_, err := l.History(ctx, set(t, everything), View{}, Start{Kind: First}, 10, 1<<20)
		history <- err
	}()
	waitFor(t, "history waits", func() bool { return l.Stats().Waiting == 1 })
	cancel()
	if err := <-history; err == nil {
		t.Error("history without a turn")
	}
	third, _ := queued(t, l, turns)
	waitFor(t, "a third waits", func() bool { return l.Stats().Waiting == 1 })
	l.Close()
	if s := l.Stats(); s.Waiting != 0 || s.Reading != 0 || len(turns) != 0 {
		t.Errorf("after the log was closed: %d wait, %d read, %d turns are taken", s.Waiting, s.Reading, len(turns))
	}
	if got := third.String(); strings.Contains(got, "?") {
		t.Errorf("told %s", got)
	}
}

// However many replay at once, few read.
func TestReadersAtOnce(t *testing.T) {
	_, nc := env(t)
	l := openLog(t, nc, Config{WindowBytes: 1, Readers: 3})
	last := publishIDs(t, nc, 1, 50)
	read(t, l, last)
	var all []*recorder
	for range 40 {
		r, _ := queued(t, l, nil)
		all = append(all, r)
	}
	for _, r := range all {
		if n := l.Stats().Reading; n > 3 {
			t.Errorf("%d read at one time", n)
		}
		r.until(t, fmt.Sprintf(" %d ^", last))
	}
}
