package replay

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text is an encoding that a test can read: "id=payload".
func text(dst []byte, m *Message) []byte { return fmt.Appendf(dst, "%s=%s", m.Name.ID, m.Data) }

func openLog(t testing.TB, nc *nats.Conn, cfg Config) *Log {
	t.Helper()
	if cfg.Encode == nil {
		cfg.Encode = text
	}
	l, err := Open(t.Context(), nc, cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(l.Close)
	return l
}

// openHeld opens a log whose tail stands still while it encodes the event about an id. held is closed when it does; it goes on after release,
// which may be called again, and when the test ends.
func openHeld(t testing.TB, nc *nats.Conn, cfg Config, id string) (l *Log, held <-chan struct{}, release func()) {
	t.Helper()
	stand, held, release := standstill()
	cfg.Encode = func(dst []byte, m *Message) []byte {
		if m.Name.ID == id {
			stand()
		}
		return text(dst, m)
	}
	l = openLog(t, nc, cfg)
	t.Cleanup(release) // before the log is closed
	return l, held, release
}

// holdAt is the same for a log that is open, and its head.
func holdAt(t testing.TB, l *Log, head uint64) (held <-chan struct{}, release func()) {
	stand, held, release := standstill()
	l.Pace(func() {
		if l.Head().seq == head {
			stand()
		}
	})
	t.Cleanup(release)
	return held, release
}

// replayFrom is a replay of what follows a sequence.
func replayFrom(l *Log, set *subjects.Set, seq uint64) *replayer {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &replayer{log: l, set: set, chunk: defaultChunk}
	r.begin(Cursor{inc: l.inc, seq: seq})
	return r
}

// standstill is for one that calls stand, once.
func standstill() (stand func(), held <-chan struct{}, release func()) {
	there, free := make(chan struct{}), make(chan struct{})
	return func() { close(there); <-free }, there, sync.OnceFunc(func() { close(free) })
}

func set(t testing.TB, f subjects.Filter) *subjects.Set {
	t.Helper()
	s, err := f.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var everything = subjects.Filter{Resource: "*"}

func publish(t testing.TB, nc *nats.Conn, subject, body string) uint64 {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := js.Publish(context.Background(), subject, []byte(body))
	if err != nil {
		t.Fatalf("publish %s: %v", subject, err)
	}
	return ack.Sequence
}

// publishIDs publishes one event for each id, and returns the sequence of the last.
func publishIDs(t testing.TB, nc *nats.Conn, from, to int) (seq uint64) {
	t.Helper()
	for i := from; i <= to; i++ {
		seq = publish(t, nc, fmt.Sprintf("live.products.updated.%d", i), "x")
	}
	return seq
}

// A recorder is a sink that writes down what it is given: "+" recovered, "-" not recovered, "^" live, "!reason" reset, "?err" failed,
// "id" replayed, "id." live.
type recorder struct {
	mu      sync.Mutex
	changed chan struct{}
	log     []string
	at      Cursor // of the last notice
	room    chan struct{}
}

func record() *recorder { return &recorder{changed: make(chan struct{}), room: nil} }

func (r *recorder) add(s ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, s...)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Notice(n Notice) {
	r.mu.Lock()
	r.at = n.At
	r.mu.Unlock()
	switch n.Kind {
	case Subscribed:
		r.add(map[bool]string{true: "+", false: "-"}[n.Recovered])
	case Live:
		r.add("^")
	case Reset:
		r.add("!" + string(n.Reason))
	case Failed:
		r.add("?" + n.Err.Error())
	}
}

func id(e *Event) string { return strings.Split(string(e.Frame), "=")[0] }

func (r *recorder) Live(e *Event) { r.add(id(e) + ".") }

func (r *recorder) Replayed(events []*Event) {
	for _, e := range events {
		r.add(id(e))
	}
}

func (r *recorder) Wait(ctx context.Context) error {
	if r.room == nil {
		return ctx.Err()
	}
	select {
	case <-r.room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.log, " ")
}

// until waits until the recording ends with what is wanted.
func (r *recorder) until(t testing.TB, suffix string) string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		got, changed := strings.Join(r.log, " "), r.changed
		r.mu.Unlock()
		if strings.HasSuffix(got, suffix) {
			return got
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited for %q, have %q", suffix, got)
		}
	}
}

func subscribe(t testing.TB, l *Log, f subjects.Filter, start Start) *recorder {
	t.Helper()
	r := record()
	s, err := l.Subscribe(r, SubscribeOptions{Set: set(t, f), Start: start})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return r
}

func env(t testing.TB) (*natstest.Server, *nats.Conn) {
	s := natstest.Start(t)
	return s, s.Connect()
}
