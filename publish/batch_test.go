package publish

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestSeveralEvents(t *testing.T) {
	p, stream := start(t)
	publish(t, p, event("0", ""))
	acks := publish(t, p, event("1", ""), event("2", "two"), event("3", ""))
	if diff := cmp.Diff([]Ack{{Seq: 2}, {Seq: 3}, {Seq: 4}}, acks); diff != "" {
		t.Error(diff)
	}
	for i, a := range acks {
		m := read(t, stream, a.Seq)
		if want := "live.products.updated." + itoa(i+1); m.Subject != want {
			t.Errorf("sequence %d is %s, want %s", a.Seq, m.Subject, want)
		}
		if m.Header.Get("Live-Batch") != "" {
			t.Errorf("an event about one record has a Live-Batch")
		}
	}
	if n, _ := stored(t, stream); n != 4 {
		t.Errorf("%d messages stored", n)
	}
}

func TestSeveralRecords(t *testing.T) {
	p, stream := start(t)
	acks := publish(t, p,
		Event{Resource: "products", Type: "updated", IDs: []string{"1", "2", "3"}, Payload: map[string]any{"price": 1}, Key: "k", Origin: "o"},
		event("4", ""),
		Event{Resource: "products", Type: "deleted", IDs: []string{"5", "6"}},
		Event{Resource: "products", Type: "deleted", IDs: []string{"7"}},
	)
	if diff := cmp.Diff([]Ack{{Seq: 3}, {Seq: 4}, {Seq: 6}, {Seq: 7}}, acks); diff != "" {
		t.Error(diff)
	}
	var batches, keys []string
	for seq := uint64(1); seq <= 7; seq++ {
		m := read(t, stream, seq)
		batches = append(batches, m.Header.Get("Live-Batch"))
		keys = append(keys, m.Header.Get("Nats-Msg-Id"))
		if !strings.HasSuffix(m.Subject, "."+itoa(int(seq))) {
			t.Errorf("sequence %d is %s", seq, m.Subject)
		}
		if seq <= 3 && (string(m.Data) != `{"price":1}` || m.Header.Get("Live-Origin") != "o") {
			t.Errorf("sequence %d: %s %v", seq, m.Data, m.Header)
		}
	}
	a, b := batches[0], batches[4]
	if a == "" || b == "" || a == b {
		t.Errorf("batches %q and %q", a, b)
	}
	if diff := cmp.Diff([]string{a, a, a, "", b, b, ""}, batches); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"k", "k/1", "k/2", "", "", "", ""}, keys); diff != "" {
		t.Error(diff)
	}
}

func TestMostMessages(t *testing.T) {
	p, stream := start(t)
	acks := publish(t, p, eventsOf(MaxMessages, "")...)
	for i, a := range acks {
		if a.Seq != uint64(i+1) {
			t.Fatalf("event %d has sequence %d", i, a.Seq)
		}
	}
	for _, i := range []int{0, 1, 499, 998, 999} {
		if m := read(t, stream, acks[i].Seq); m.Subject != "live.products.updated."+itoa(i) {
			t.Errorf("event %d is stored as %s", i, m.Subject)
		}
	}
}

func TestTooManyMessages(t *testing.T) {
	p, stream := start(t)
	ids := make([]string, MaxMessages)
	for i := range ids {
		ids[i] = itoa(i)
	}
	for name, events := range map[string][]Event{
		"events":  eventsOf(MaxMessages+1, ""),
		"records": {event("x", ""), {Resource: "products", Type: "updated", IDs: ids}},
	} {
		if _, err := p.Publish(t.Context(), events...); !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), "1001") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestServerTakesSmallerBatches(t *testing.T) {
	srv := startNATS(t, func(o *server.Options) { o.JetStreamLimits.MaxBatchSize = 10 })
	nc := connect(t, srv.ClientURL())
	stream := createStream(t, nc)
	p := newPublisher(t, nc, Options{})
	publish(t, p, eventsOf(10, "")...)
	if _, err := p.Publish(t.Context(), eventsOf(11, "")...); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v", err)
	}
	if n, _ := stored(t, stream); n != 10 {
		t.Errorf("%d messages stored", n)
	}
}

func TestKnowsBatches(t *testing.T) {
	for version, want := range map[string]bool{
		"2.11.9": false, "2.10.0-beta": false, "1.4": false,
		"2.12.0": true, "2.15.2": true, "2.100.0-RC.1": true, "3.0.0": true, "": true, "dev": true,
	} {
		if got := knowsBatches(version); got != want {
			t.Errorf("%q: %t", version, got)
		}
	}
}

func TestBatchDisabled(t *testing.T) {
	p, stream := start(t, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false })
	_, err := p.Publish(t.Context(), eventsOf(2, "")...)
	if !errors.Is(err, ErrBatchDisabled) || code(err) != codeBatchDisabled || !strings.Contains(err.Error(), "set allow_atomic on stream LIVE") {
		t.Errorf("got %v", err)
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	publish(t, p, eventsOf(1, "")...)
}

// Where others have as many batches open as the stream allows, a call waits for
// its turn, and says so when its time is over.
func TestBatchesInFlight(t *testing.T) {
	srv := startNATS(t, func(o *server.Options) { o.JetStreamLimits.MaxBatchInflightPerStream = 1 })
	nc := connect(t, srv.ClientURL())
	stream := createStream(t, nc)
	refused := make(chan *nats.Msg, 1000)
	if _, err := connect(t, srv.ClientURL()).ChanSubscribe("_INBOX.>", refused); err != nil {
		t.Fatal(err)
	}
	other := func(seq, commit string) {
		m := (&message{subject: "live.other.t._", common: &common{}}).wire(headerBatchID, "other", headerBatchSeq, seq, headerBatchCommit, commit)
		if _, err := nc.RequestMsg(m, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	other("1", "")

	_, err := newPublisher(t, nc, Options{Timeout: 100 * time.Millisecond}).Publish(t.Context(), eventsOf(3, "")...)
	unavailable(t, err, false)
	if code(err) != codeBatchesInFlight {
		t.Errorf("got %v", err)
	}

	for len(refused) > 0 {
		<-refused
	}
	result := make(chan error, 1)
	go func() {
		result <- second(newPublisher(t, nc, Options{Timeout: time.Minute}).Publish(t.Context(), eventsOf(3, "")...))
	}()
	for m := range refused {
		if strings.Contains(string(m.Data), itoa(codeBatchesInFlight)) {
			break
		}
	}
	other("2", "1")
	if err := <-result; err != nil {
		t.Error(err)
	}
	if n, _ := stored(t, stream); n != 5 {
		t.Errorf("%d messages stored", n)
	}
}

// Batches and single events of several connections: every batch keeps its
// sequences together.
func TestBatchIsContiguous(t *testing.T) {
	srv := startNATS(t)
	stream := createStream(t, connect(t, srv.ClientURL()))
	var wg sync.WaitGroup
	for i := range 6 {
		p := newPublisher(t, connect(t, srv.ClientURL()), Options{Timeout: time.Minute})
		wg.Go(func() {
			for range 10 {
				n := 1
				if i%2 == 0 {
					n = 40
				}
				if _, err := p.Publish(t.Context(), Event{Resource: "r", Type: itoa(i), IDs: make([]string, n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	runs, previous := 0, ""
	n, _ := stored(t, stream)
	for seq := uint64(1); seq <= n; seq++ {
		batch := read(t, stream, seq).Header.Get("Live-Batch")
		if batch != "" && batch != previous {
			runs++
		}
		previous = batch
	}
	if n != 3*10*41 || runs != 3*10 {
		t.Errorf("%d messages, %d runs of one batch", n, runs)
	}
}
