// Package natstest runs a real NATS server with JetStream on disk inside a test.
package natstest

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A Server is a NATS server on a loopback port of its own. It can be stopped and started again on the same port and files.
type Server struct {
	tb   testing.TB
	opts server.Options
	ns   *server.Server
}

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, opts: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: tb.TempDir(), JetStreamMaxStore: 8 << 30, JetStreamMaxMemory: 1 << 30,
	}}
	s.Up()
	tb.Cleanup(s.Down)
	return s
}

// Up starts a stopped server again.
func (s *Server) Up() {
	s.tb.Helper()
	opts := s.opts
	ns, err := server.NewServer(&opts)
	if err != nil {
		s.tb.Fatalf("nats-server: %v", err)
	}
	ns.Start()
	if !ns.ReadyForConnections(20 * time.Second) {
		ns.Shutdown()
		s.tb.Fatal("nats-server: not ready for connections")
	}
	s.opts.Port = opts.Port
	s.ns = ns
}

// Down stops the server; its files stay.
func (s *Server) Down() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// URL is where clients connect.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.opts.Port) }

// Connect returns a connection that reconnects fast, does not buffer meanwhile, and is closed when the test ends.
func (s *Server) Connect(opts ...nats.Option) *nats.Conn {
	s.tb.Helper()
	nc, err := nats.Connect(s.URL(), append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1),
	}, opts...)...)
	if err != nil {
		s.tb.Fatalf("connect to NATS: %v", err)
	}
	s.tb.Cleanup(nc.Close)
	return nc
}
