package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/publish"
	"github.com/livebridge/livebridge/replay"
)

// Config says what a Server serves and within which limits. Log and Publisher are needed; every other field's zero value is its default.
type Config struct {
	Log       *replay.Log        // opened with [Encode]
	Publisher *publish.Publisher // of the same stream
	Limits    protocol.Limits    // what one client may send

	// Connections are WebSockets and streams of SSE alike. Those of HTTP that are neither may be a tenth more, or 100.
	Connections           int // at one time; 0 = 50,000
	ConnectionsPerAddress int // of them, from one IPv4 address or one /64 of IPv6; 0 = 20,000, negative = any number
	ConnectionsPerUser    int // of them, with tokens of one sub; 0 = 2,000, negative = any number. Tokens without a sub are not counted

	Rate           float64       // frames a second and connection; 0 = 50
	Burst          int           // frames at once; 0 = 200
	ByteRate       int           // bytes a second and connection; 0 = 4 MiB. At once: four times as much, or four of the largest frames
	IDs            int           // ids, and types, of all subscriptions of a connection; 0 = 10,000
	Replays        int           // replays of one connection that read from JetStream at one time, the others wait; 0 = 4
	Outbox         int           // bytes that may wait for one connection, then it is closed with 4409; 0 = 1 MiB
	Body           int           // bytes of a POST's body; 0 = 16 MiB. All that are read at one time have eight times as much
	Ping           time.Duration // heartbeat after so much silence; 0 = 25 s
	ConnectTimeout time.Duration // from the handshake to the connect frame; 0 = 10 s
	RequestTimeout time.Duration // from the first byte of a request, or of a WebSocket's message, to its last; 0 = 10 s

	// TrustedProxies are the addresses and networks of the reverse proxies whose X-Forwarded-For says where a connection comes from:
	// 10.0.0.7, 10.0.0.0/8, fd00::/8. The header counts for nothing where it comes from anybody else.
	TrustedProxies []string

	// Auth verifies tokens, without which nobody may do anything; nil = everybody may do everything. /metrics is left to
	// [Server.AdminHandler] with it.
	Auth TokenVerifier
	// Revoked are tokens that do not count any more, whatever Auth says; nil = there are none. Their connections end with 4401.
	Revoked Revocations

	// Origins are the web pages that may use the bridge besides those that it serves itself: https://admin.example.com,
	// https://*.example.com, or * for all.
	Origins []string
	// LoopbackOrigins lets pages on this machine use the bridge, whatever their port: for trying out and for development.
	LoopbackOrigins bool

	// Console serves the console at /: a page that shows live events, replays and publishes. It may do what any client may; with Auth it
	// asks whoever looks at it for a token.
	Console bool
	// ConsoleNATS is the address of NATS in the console's hints, such as nats://127.0.0.1:4222; "" = none. It is shown: no credentials.
	ConsoleNATS string

	// Health is asked by [Server.Ready] whether the store is well, where more is known of it than its answers say; nil = nothing more is
	// known. It is called often and concurrently, and must not block.
	Health func() error

	Logger   *slog.Logger
	Registry *prometheus.Registry // where the metrics go; nil = one of its own
	// PrivateMetrics leaves /metrics to [Server.AdminHandler], so that browsers do not reach it.
	PrivateMetrics bool
}

func (c Config) withDefaults() Config {
	c.Limits = c.Limits.WithDefaults()
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Burst, 200)
	def(&c.Connections, 50_000)
	def(&c.ConnectionsPerAddress, 20_000)
	def(&c.ConnectionsPerUser, 2_000)
	def(&c.ByteRate, 4<<20)
	def(&c.IDs, 10_000)
	def(&c.Replays, 4)
	def(&c.Outbox, 1<<20)
	def(&c.Body, 16<<20)
	if c.Rate == 0 {
		c.Rate = 50
	}
	if c.Ping == 0 {
		c.Ping = 25 * time.Second
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	return c
}

// A Server is a bridge: what browsers speak to. Its methods may be called concurrently.
type Server struct {
	cfg        Config
	log        *slog.Logger
	app        *fiber.App
	origins    origins
	proxies    proxies
	metrics    *metrics
	complaints complaints
	pages      pages
	bodies     allowance // bytes of requests' bodies
	console    *console  // nil = off
	tickets    tickets
	stretches  stretches
	storing    storing
	revoked    atomic.Uint64 // how often the list of revocations has changed, counted from 1
	ctx        context.Context
	cancel     context.CancelFunc

	poller  *poller   // nil = every session has a goroutine
	readers sync.Pool // of [ws.Reader], for sessions that are served now

	shards    []*shard
	nextShard atomic.Uint64
	pressed   atomic.Bool   // outboxes fill faster than they are written
	closeWait time.Duration // as the constant; tests change it
	stop      chan struct{} // closed when nobody writes any more
	writers   sync.WaitGroup

	mu        sync.Mutex
	conns     map[*conn]struct{}
	admission admission
	listeners []net.Listener // Shutdown closes them
	draining  bool
	empty     chan struct{} // closed when draining and no connection is left
	closed    bool
	workers   sync.WaitGroup
}

// New makes a server. It serves nothing until [Server.Serve] is called, and must be shut down in any case.
func New(cfg Config) (*Server, error) {
	if cfg.Log == nil || cfg.Publisher == nil {
		return nil, errors.New("bridge: Config.Log and Config.Publisher are needed")
	}
	cfg = cfg.withDefaults()
	s := &Server{
		cfg: cfg, log: cfg.Logger, complaints: newComplaints(), pages: newPages(),
		conns: make(map[*conn]struct{}), admission: newAdmission(), stop: make(chan struct{}), empty: make(chan struct{}), closeWait: closeWait,
	}
	s.bodies.limit = bodiesAtOnce * int64(cfg.Body)
	var err error
	if s.proxies, err = newProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if s.origins, err = newOrigins(cfg.Origins, cfg.LoopbackOrigins); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg.Registry, cfg.Log, cfg.Revoked); err != nil {
		return nil, err
	}
	if cfg.Console {
		if s.console, err = newConsole(cfg.ConsoleNATS, cfg.Auth != nil); err != nil {
			return nil, err
		}
	}
	s.revoked.Store(1)
	s.readers.New = func() any { return ws.NewReader(nil, cfg.Limits.Frame, cfg.RequestTimeout) }
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.poller = newPoller(s); s.poller != nil {
		s.writers.Go(s.poller.run)
	}
	for range runtime.GOMAXPROCS(0) {
		sh := newShard(s)
		s.shards = append(s.shards, sh)
		s.writers.Go(func() { sh.run(s.stop) })
	}
	s.writers.Go(s.ticks)
	cfg.Log.Pace(s.pace)
	s.app = s.routes()
	return s, nil
}

// ServeTLS is [Server.Serve] for https and wss. Only HTTP/1.1 is spoken, and nothing before TLS 1.2, whatever cfg says; cfg needs a
// certificate. A handshake may take ten seconds.
func (s *Server) ServeTLS(ln net.Listener, cfg *tls.Config) error {
	cfg = cfg.Clone()
	cfg.NextProtos, cfg.MinVersion = []string{"http/1.1"}, max(cfg.MinVersion, tls.VersionTLS12)
	return s.Serve(sealedListener{ln, cfg})
}

// Serve accepts connections from ln until Shutdown is called, and then returns nil. It closes ln. For TLS there is [Server.ServeTLS]: a
// listener of crypto/tls works, but each of its connections takes a goroutine to be written to, and a flood closes them with 4409.
func (s *Server) Serve(ln net.Listener) error {
	ln = newPatientListener(ln, s.log)
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return ln.Close()
	}
	s.listeners = append(s.listeners, ln)
	s.mu.Unlock()
	return s.app.Listener(ln)
}

// Shutdown drains: no new connections are taken, what clients have published is acknowledged, every WebSocket is closed with 1001, and
// all is waited for. When ctx is done first, what is left is cut and its publishing broken off, and ctx's error returned. The Log is left
// open.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return errors.New("bridge: shut down twice")
	}
	s.draining = true
	if len(s.conns) == 0 {
		close(s.empty)
	}
	open := s.list(nil)
	s.mu.Unlock()
	s.log.Info("draining", "connections", len(open))

	for _, ln := range s.listeners { // the HTTP server may not have heard of one yet
		_ = ln.Close()
	}
	served := make(chan error, 1)
	go func() { served <- s.app.ShutdownWithContext(ctx) }()
	for _, c := range open {
		c.user.drain()
	}
	var err error
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = ctx.Err()
		s.cancel()
		s.mu.Lock()
		open = s.list(open[:0])
		s.mu.Unlock()
		for _, c := range open {
			c.cut()
		}
		<-s.empty
	}
	if e := <-served; err == nil && e != nil { // nil, or that ctx is done, or that a listener is closed already
		err = ctx.Err()
	}
	s.cancel()
	s.cfg.Log.Pace(nil)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if s.poller != nil {
		s.poller.close()
	}
	s.workers.Wait()
	close(s.stop)
	s.writers.Wait()
	return err
}

// list appends the connections. The caller holds the lock.
func (s *Server) list(to []*conn) []*conn {
	for c := range s.conns {
		to = append(to, c)
	}
	return to
}

// spawn runs f in a goroutine that Shutdown waits for. It returns false, and runs nothing, once the server is shut down.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.workers.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				s.bug(s.log, r)
			}
		}()
		f()
	})
	return true
}

// bug tells the operator of a panic. A bug in one connection's code must not end all of them, so every goroutine that runs such code
// recovers.
func (s *Server) bug(log *slog.Logger, panicked any) {
	log.Error("bug: recovered from a panic", "panic", panicked, "stack", string(debug.Stack()))
}

// internal is what a client is told of what only the operator may know.
func internal() *protocol.Error {
	return protocol.Errorf(protocol.Internal, "something went wrong in the bridge: its log says what")
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// ticks looks after all connections every so often, so that none needs a timer of its own, and when tokens have been revoked.
func (s *Server) ticks() {
	every := min(max(s.cfg.Ping/8, 10*time.Millisecond), time.Second)
	if s.cfg.Auth != nil {
		every = min(every, 500*time.Millisecond) // a token has to be at its end no more than a second after it expires
	}
	t := time.NewTicker(every)
	defer t.Stop()
	var changed <-chan struct{}
	if s.cfg.Revoked != nil {
		changed = s.cfg.Revoked.Changed()
	}
	var list []*conn
	var memory shrinker
	for {
		select {
		case <-t.C:
		case <-changed:
			s.revoked.Add(1)
		case <-s.stop:
			return
		}
		now := time.Now()
		s.mu.Lock()
		list = s.list(list[:0])
		s.mu.Unlock()
		for _, c := range list {
			if c.out.overdue(now) {
				c.cut()
			} else {
				c.user.tick(now)
			}
		}
		if memory.due(len(list)) {
			s.spawn(debug.FreeOSMemory)
		}
		clear(list)
		s.stretches.forget(now)
		if s.poller != nil {
			s.poller.dismiss()
		}
	}
}

// silence is how long nothing may be heard of a peer, which is sent something every so often: then it is gone.
func (s *Server) silence() time.Duration { return 2*s.cfg.Ping + s.cfg.Ping/2 }

func newSessionID() string { return nuid.Next() }
