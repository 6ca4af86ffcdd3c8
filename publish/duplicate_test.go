package publish

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestDuplicateSingle(t *testing.T) {
	p, stream := start(t)
	publish(t, p, event("0", ""))
	for _, want := range []Ack{{Seq: 2}, {Seq: 2, Duplicate: true}} {
		if diff := cmp.Diff([]Ack{want}, publish(t, p, event("1", "k"))); diff != "" {
			t.Error(diff)
		}
	}
	if n, _ := stored(t, stream); n != 2 {
		t.Errorf("%d messages stored", n)
	}
}

func TestDuplicateBatch(t *testing.T) {
	for _, n := range []int{2, 17, 300, MaxMessages} {
		t.Run(itoa(n), func(t *testing.T) {
			p, stream := start(t)
			publish(t, p, event("x", ""))
			want := publish(t, p, eventsOf(n, "k")...)
			for i := range want {
				want[i].Duplicate = true
			}
			publish(t, p, event("y", ""))
			for range 2 {
				if diff := cmp.Diff(want, publish(t, p, eventsOf(n, "k")...)); diff != "" {
					t.Error(diff)
				}
			}
			if got, last := stored(t, stream); got != uint64(n+2) || last != uint64(n+2) {
				t.Errorf("%d messages stored, last %d", got, last)
			}
		})
	}
}

func TestDuplicateSeveralRecords(t *testing.T) {
	p, stream := start(t)
	e := Event{Resource: "r", Type: "t", IDs: []string{"1", "2", "3"}, Key: "k"}
	publish(t, p, e)
	if diff := cmp.Diff([]Ack{{Seq: 3, Duplicate: true}}, publish(t, p, e)); diff != "" {
		t.Error(diff)
	}
	// One more record under the same key: the event is partly new.
	e.IDs = append(e.IDs, "4")
	if diff := cmp.Diff([]Ack{{Seq: 4}}, publish(t, p, e)); diff != "" {
		t.Error(diff)
	}
	if m := read(t, stream, 4); m.Subject != "live.r.t.4" {
		t.Errorf("stored %s", m.Subject)
	}
	if n, _ := stored(t, stream); n != 4 {
		t.Errorf("%d messages stored", n)
	}
}

func TestMixedBatch(t *testing.T) {
	p, stream := start(t)
	publish(t, p, event("1", "one"))
	publish(t, p, event("2", "two"), event("3", "three"))
	acks := publish(t, p, event("4", "four"), event("1", "one"), event("5", ""), event("3", "three"), event("6", "six"))
	want := []Ack{{Seq: 4}, {Seq: 1, Duplicate: true}, {Seq: 5}, {Seq: 3, Duplicate: true}, {Seq: 6}}
	if diff := cmp.Diff(want, acks); diff != "" {
		t.Error(diff)
	}
	// All but one known: the rest is a single message.
	acks = publish(t, p, event("1", "one"), event("7", ""))
	if diff := cmp.Diff([]Ack{{Seq: 1, Duplicate: true}, {Seq: 7}}, acks); diff != "" {
		t.Error(diff)
	}
	if n, last := stored(t, stream); n != 7 || last != 7 {
		t.Errorf("%d messages stored, last %d", n, last)
	}
	for seq := uint64(1); seq <= 7; seq++ {
		if m := read(t, stream, seq); m.Subject != "live.products.updated."+itoa(int(seq)) || m.Header.Get("Nats-Rollup") != "" {
			t.Errorf("sequence %d is %s %v", seq, m.Subject, m.Header)
		}
	}
}

// A key is the stream's, not the subject's, and it outlives its message: JetStream
// answers as it does for a single message.
func TestDuplicateElsewhere(t *testing.T) {
	p, stream := start(t)
	publish(t, p, Event{Resource: "orders", Type: "created", ID: "9", Key: "k"})
	if err := stream.DeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Ack{{Seq: 1, Duplicate: true}, {Seq: 2}}, publish(t, p, event("1", "k"), event("2", ""))); diff != "" {
		t.Error(diff)
	}
}

// The question about a key stores nothing, whether the stream takes Nats-Rollup or not.
func TestLocateStoresNothing(t *testing.T) {
	for name, rollup := range map[string]bool{"rollup allowed": true, "rollup not allowed": false} {
		t.Run(name, func(t *testing.T) {
			p, stream := start(t, func(c *jetstream.StreamConfig) { c.AllowRollup = rollup })
			publish(t, p, event("1", "known"))
			msgs, err := messages([]Event{event("1", "new"), event("1", "known"), event("2", "newer")}, 0)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				ctx, stop := p.attached(t.Context(), p.timeout, msgs)
				found, err := p.locate(ctx, msgs)
				stop()
				if err != nil || found != 1 || msgs[0].seq != 0 || msgs[1].seq != 1 || !msgs[1].duplicate || msgs[2].seq != 0 {
					t.Errorf("found %d, %v: %+v %+v %+v", found, err, msgs[0], msgs[1], msgs[2])
				}
			}
			if n, last := stored(t, stream); n != 1 || last != 1 {
				t.Errorf("%d messages stored, last %d", n, last)
			}
			// The stream has not taken the asked keys for known.
			if diff := cmp.Diff([]Ack{{Seq: 2}}, publish(t, p, event("1", "new"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Publishers that send the same batches at the same time agree on every sequence.
func TestDuplicateRace(t *testing.T) {
	srv := startNATS(t)
	duplicateRace(t, srv.ClientURL(), createStream(t, connect(t, srv.ClientURL())))
}

func duplicateRace(t *testing.T, url string, stream jetstream.Stream) {
	const publishers, batches, size = 6, 10, 7
	before, _ := stored(t, stream)
	var mu sync.Mutex
	seqs := map[string]uint64{}
	var wg sync.WaitGroup
	for i := range publishers {
		p := newPublisher(t, connect(t, url), Options{Timeout: time.Minute})
		wg.Go(func() {
			for b := range batches {
				// Each has all keys of the batch but one, so they overlap and differ.
				events := eventsOf(size, "b"+itoa(b)+"-")
				events = append(events[:i], events[i+1:]...)
				acks, err := p.Publish(t.Context(), events...)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for j, a := range acks {
					if seq, ok := seqs[events[j].Key]; ok && seq != a.Seq {
						t.Errorf("key %s is at %d and at %d", events[j].Key, seq, a.Seq)
					}
					seqs[events[j].Key] = a.Seq
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n, _ := stored(t, stream); n-before != batches*size || len(seqs) != batches*size {
		t.Errorf("%d messages stored, %d keys acknowledged", n-before, len(seqs))
	}
	for key, seq := range seqs {
		if m := read(t, stream, seq); m.Header.Get(nats.MsgIdHdr) != key {
			t.Errorf("sequence %d has key %s, acknowledged for %s", seq, m.Header.Get(nats.MsgIdHdr), key)
		}
	}
}

func TestKeyForgottenAfterWindow(t *testing.T) {
	p, _ := start(t, func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond })
	first := publish(t, p, eventsOf(2, "k")...)
	for acks := first; acks[1].Duplicate || acks[1].Seq == first[1].Seq; {
		acks = publish(t, p, eventsOf(2, "k")...)
	}
}

func TestBatchIDHasAtMost64Characters(t *testing.T) {
	p, stream := start(t)
	publish(t, p, eventsOf(2, strings.Repeat("k", maxText-1))...)
	if id := read(t, stream, 1).Header.Get(headerBatchID); id == "" || len(id) > 64 {
		t.Errorf("batch id %q", id)
	}
}
