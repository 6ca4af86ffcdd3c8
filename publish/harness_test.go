package publish

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startNATS starts a server with JetStream in this process and stops it with the test.
func startNATS(t testing.TB, change ...func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true}
	for _, c := range change {
		c(opts)
	}
	return run(t, opts)
}

func run(t testing.TB, opts *server.Options) *server.Server {
	t.Helper()
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { stop(srv) })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS did not start")
	}
	return srv
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// connect opens a connection that is closed, and its goroutines awaited, with the test.
func connect(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	closed := make(chan struct{})
	opts = append(opts, nats.ClosedHandler(func(*nats.Conn) { close(closed) }), nats.MaxReconnects(-1),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectBufSize(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	return nc
}

// createStream creates the stream of the contract.
func createStream(t testing.TB, nc *nats.Conn, change ...func(*jetstream.StreamConfig)) jetstream.Stream {
	t.Helper()
	cfg := jetstream.StreamConfig{
		Name: "LIVE", Subjects: []string{"live.*.*.*"}, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardOld, MaxAge: 24 * time.Hour, MaxBytes: 1 << 30, Duplicates: 2 * time.Minute, Replicas: 1,
		AllowDirect: true, AllowAtomicPublish: true,
	}
	for _, c := range change {
		c(&cfg)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func newPublisher(t testing.TB, nc *nats.Conn, opts Options) *Publisher {
	t.Helper()
	p, err := New(nc, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start gives a test a server, the stream LIVE and a publisher.
func start(t testing.TB, change ...func(*jetstream.StreamConfig)) (*Publisher, jetstream.Stream) {
	t.Helper()
	nc := connect(t, startNATS(t).ClientURL())
	stream := createStream(t, nc, change...)
	// More time than a busy machine takes: no test waits for it to run out.
	return newPublisher(t, nc, Options{Timeout: time.Minute}), stream
}

func publish(t testing.TB, p *Publisher, events ...Event) []Ack {
	t.Helper()
	acks, err := p.Publish(t.Context(), events...)
	if err != nil {
		t.Fatal(err)
	}
	if len(acks) != len(events) {
		t.Fatalf("%d acks for %d events", len(acks), len(events))
	}
	return acks
}

// stored returns how many messages the stream has and its last sequence.
func stored(t testing.TB, stream jetstream.Stream) (msgs, last uint64) {
	t.Helper()
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs, info.State.LastSeq
}

func read(t testing.TB, stream jetstream.Stream, seq uint64) *jetstream.RawStreamMsg {
	t.Helper()
	m, err := stream.GetMsg(t.Context(), seq)
	if err != nil {
		t.Fatalf("read message %d: %v", seq, err)
	}
	return m
}

func event(id, key string) Event {
	return Event{Resource: "products", Type: "updated", ID: id, Key: key, Payload: map[string]any{"id": id}}
}

// events returns n events, with the keys prefix0, prefix1 and so on unless prefix is "".
func eventsOf(n int, prefix string) []Event {
	out := make([]Event, n)
	for i := range out {
		id := itoa(i)
		key := ""
		if prefix != "" {
			key = prefix + id
		}
		out[i] = event(id, key)
	}
	return out
}
