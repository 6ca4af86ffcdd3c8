package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/publish"
)

// A natsServer is a real NATS server with the stream that a bridge makes. It can be stopped and started again.
type natsServer struct {
	t    *testing.T
	opts server.Options
	*server.Server
}

func startNATS(t *testing.T) *natsServer {
	n := &natsServer{t: t, opts: server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}}
	n.up()
	t.Cleanup(n.down)
	if _, err := n.jetstream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "LIVE", Subjects: []string{"live.*.*.*"}}); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *natsServer) up() {
	n.t.Helper()
	opts := n.opts
	s, err := server.NewServer(&opts)
	if err != nil {
		n.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		n.t.Fatal("NATS does not start")
	}
	n.opts.Port, n.Server = opts.Port, s
}

func (n *natsServer) down() {
	n.Shutdown()
	n.WaitForShutdown()
}

func (n *natsServer) connect(opts ...nats.Option) *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", n.opts.Port), opts...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

func (n *natsServer) jetstream() jetstream.JetStream {
	n.t.Helper()
	js, err := jetstream.New(n.connect())
	if err != nil {
		n.t.Fatal(err)
	}
	return js
}

// stored are the messages of the stream, oldest first.
func (n *natsServer) stored() []*jetstream.RawStreamMsg {
	n.t.Helper()
	stream, err := n.jetstream().Stream(n.t.Context(), "LIVE")
	if err != nil {
		n.t.Fatal(err)
	}
	var list []*jetstream.RawStreamMsg
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(n.t.Context(), seq)
		if err != nil {
			n.t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// A shop is a database with its API; its relay runs while it is told to.
type shop struct {
	t *testing.T
	*store
	api *httptest.Server
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// newShop opens a database and forgets the events of the sample data.
func newShop(t *testing.T, path string) *shop {
	t.Helper()
	s, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	api := httptest.NewServer(routes(s, "", "", quiet))
	t.Cleanup(api.Close)
	return &shop{t, s, api}
}

func (s *shop) forget() *shop {
	s.t.Helper()
	if _, err := s.db.Exec(`DELETE FROM outbox`); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// publish runs the relay until the returned function is called, or the test ends.
func (s *shop) publish(nc *nats.Conn) (stop func()) {
	s.t.Helper()
	p, err := publish.New(nc, publish.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.relay(ctx, p, quiet)
	}()
	stop = func() { cancel(); <-done }
	s.t.Cleanup(stop)
	return stop
}

// do sends a request, wants this status and returns the decoded answer.
func (s *shop) do(method, path, body string, want int, header ...string) map[string]any {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.api.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != want {
		s.t.Fatalf("%s %s: %d %s, want %d", method, path, resp.StatusCode, text, want)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return answer
}

func (s *shop) waiting() int {
	s.t.Helper()
	n, err := s.pending(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// eventually waits until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}
