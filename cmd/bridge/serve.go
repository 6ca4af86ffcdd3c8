package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/publish"
	"github.com/livebridge/livebridge/replay"
)

// startTimeout is how long the stream may take to open, and the newest events to be read into memory.
const startTimeout = 60 * time.Second

// run serves until ctx is done, then drains. What is started first is stopped last.
func (c *serveCmd) run(ctx context.Context, p *program) error {
	if err := c.check(p.set); err != nil {
		return err
	}
	log := newLogger(p.stderr, c.LogLevel, c.LogFormat)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what looks after the keys ends with the bridge
	verifier, err := c.verifier(ctx, log, p.set)
	if err != nil {
		return stopped(ctx, err)
	}
	l, err := c.listen(log)
	if err != nil {
		return err
	}
	defer l.close()
	n, err := c.openNATS(log, p.set)
	if err != nil {
		return err
	}
	defer n.close()
	events, err := c.openLog(ctx, n, log)
	if err != nil {
		return stopped(ctx, err)
	}
	defer events.Close()
	revoked, end, err := c.revocations(ctx, n, log)
	if err != nil {
		return stopped(ctx, err)
	}
	defer end()
	srv, err := c.server(n, events, verifier, revoked, l.cert, log, p.set)
	if err != nil {
		return err
	}
	s := &serving{srv: srv, log: log, ended: make(chan error, 2)}
	s.serve(l)
	if s.ready(ctx) {
		c.announce(p, c.places(p, l, n), log)
	}
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-s.ended:
	case cause = <-n.lost:
	}
	if err := s.drain(time.Duration(c.DrainTimeout)); cause == nil {
		cause = err
	}
	return cause
}

// stopped makes a start that was interrupted by a signal no failure.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// listeners are the addresses that are served.
type listeners struct {
	main, admin net.Listener // admin: nil if there is none
	cert        *certificate // nil without TLS
}

// listen opens all addresses before anything else is done, so that a port in use is found at once.
func (c *serveCmd) listen(log *slog.Logger) (l *listeners, err error) {
	l = &listeners{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if c.TLSCert != "" {
		if l.cert, err = openCertificate(c.TLSCert, c.TLSKey, log); err != nil {
			return l, err
		}
	}
	const why = "another bridge may be running"
	if l.main, err = listen("--listen", why, c.Listen.String()); err != nil {
		return l, err
	}
	if c.AdminListen.isZero() {
		return l, nil
	}
	if !c.AdminListen.loopback() {
		log.Warn("--admin-listen is a public address, and asks nobody who he is: everybody who reaches it may read the metrics", "address", c.AdminListen.String())
	}
	l.admin, err = listen("--admin-listen", why, c.AdminListen.String())
	return l, err
}

func (l *listeners) close() {
	for _, ln := range []net.Listener{l.main, l.admin} {
		if ln != nil {
			_ = ln.Close()
		}
	}
	if l.cert != nil {
		l.cert.close()
	}
}

// A natsSide is the NATS that the bridge works with, inside or outside.
type natsSide struct {
	nc      *nats.Conn
	replays *nats.Conn // nil = nc
	inside  *embedded  // nil with --nats-url
	url     string     // where services connect, without passwords
	lost    chan error // a connection has ended for good
}

func (c *serveCmd) openNATS(log *slog.Logger, set sources) (*natsSide, error) {
	n := &natsSide{lost: make(chan error, 2)}
	opts := natsOptions(log, func(err error) {
		n.lost <- failure("the log says what happened before; start the bridge again", "the connection to NATS has ended: %w", err)
	})
	var err error
	if c.NATSURL != "" {
		n.url = redacted(c.NATSURL)
		n.nc, err = c.connect(c.NATSURL, "is the server running, and is the URL right? Without --nats-url the bridge runs NATS inside", opts)
		return n, err
	}
	if n.inside, err = c.configure(log, set); err != nil {
		return nil, err
	}
	if err = n.inside.start(); err == nil {
		n.url = n.inside.url()
		n.nc, err = n.inside.connect(opts)
	}
	if err != nil {
		n.inside.stop()
		return nil, err
	}
	n.replays = n.inside.connectReplays(opts)
	return n, nil
}

// health is what the NATS inside says of its store; nil with a NATS outside, which others look after.
func (n *natsSide) health() func() error {
	if n.inside == nil {
		return nil
	}
	return n.inside.health
}

func (n *natsSide) close() {
	if n.replays != nil {
		n.replays.Close()
	}
	n.nc.Close()
	if n.inside != nil {
		n.inside.stop()
	}
}

// openLog opens the stream, and reads its newest events into memory.
func (c *serveCmd) openLog(ctx context.Context, n *natsSide, log *slog.Logger) (*replay.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	stream := replay.StreamConfig{Name: c.Stream, Replicas: c.Replicas, MaxAge: time.Duration(c.MaxAge), MaxBytes: int64(c.MaxBytes)}
	if stream.MaxAge == 0 {
		stream.MaxAge = -1 // no limit
	}
	if stream.MaxBytes == 0 {
		stream.MaxBytes = -1
	}
	if most := n.nc.MaxPayload(); most > 0 && int64(c.MaxPayload)+publishRoom > most {
		log.Warn("NATS does not take messages as large as --max-payload lets through: the largest will be refused", "max_payload", size(most).String(), "--max-payload", c.MaxPayload.String())
	}
	events, err := replay.Open(ctx, n.nc, replay.Config{
		Stream: stream, WindowBytes: int(c.WindowBytes), MaxReplay: c.MaxReplay, Readers: c.MaxReplays, ReplayConn: n.replays, Encode: bridge.Encode, Logger: log,
	})
	if err != nil {
		return nil, streamProblem(err)
	}
	return events, nil
}

// publishRoom is what a message may have besides its payload: meta and the other headers.
const publishRoom = 64 << 10

func streamProblem(err error) error {
	var se *replay.StreamError
	if errors.As(err, &se) {
		return failure(se.Hint, "%w", err)
	}
	return failure("is JetStream healthy? nats server check jetstream, or the log of the NATS server, says more", "%w", err)
}

// server makes the bridge proper.
func (c *serveCmd) server(n *natsSide, events *replay.Log, verifier bridge.TokenVerifier, revoked bridge.Revocations, cert *certificate, log *slog.Logger, set sources) (*bridge.Server, error) {
	publisher, err := publish.New(n.nc, publish.Options{Stream: c.Stream})
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), cert.metric())
	return bridge.New(bridge.Config{
		Log: events, Publisher: publisher, Logger: log, Registry: registry,
		Limits: protocol.Limits{
			Frame: int(c.MaxFrame), Payload: int(c.MaxPayload), Subscriptions: c.MaxSubscriptions,
			IDs: c.MaxIDs, Publish: c.MaxPublish, Replay: c.MaxReplay,
		},
		Connections: c.MaxConnections, ConnectionsPerAddress: limit(c.MaxConnectionsPerAddress), ConnectionsPerUser: limit(c.MaxConnectionsPerUser),
		TrustedProxies: c.TrustedProxies,
		Rate:           c.FrameRate, Burst: c.FrameBurst, ByteRate: int(c.ByteRate), IDs: c.MaxIDsPerConnection, Replays: c.MaxReplaysPerConnection,
		Outbox: int(c.MaxOutbox),
		Body:   max(16<<20, 2*int(c.MaxPayload)),
		Ping:   time.Duration(c.Ping), ConnectTimeout: time.Duration(c.ConnectTimeout), RequestTimeout: time.Duration(c.RequestTimeout),
		Auth: verifier, Revoked: revoked, Origins: c.Origins, LoopbackOrigins: c.Listen.loopback() && len(c.Origins) == 0,
		PrivateMetrics: !c.AdminListen.isZero(), Health: n.health(),
		Console: c.console(set), ConsoleNATS: n.url,
	})
}

// limit is a limit of the bridge, of a flag whose 0 is none.
func limit(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// console says whether the console is served: as asked, and otherwise only to this machine.
func (c *serveCmd) console(set sources) bool {
	if _, given := set["console"]; given {
		return c.Console
	}
	return c.Listen.loopback() && !c.asked()
}

// serving is the bridge while it serves.
type serving struct {
	srv   *bridge.Server
	admin *http.Server // nil if there is none
	log   *slog.Logger
	ended chan error // a listener has failed
	wg    sync.WaitGroup
}

func (s *serving) serve(l *listeners) {
	s.spawn("serve", func() error {
		if l.cert != nil {
			return s.srv.ServeTLS(l.main, l.cert.config())
		}
		return s.srv.Serve(l.main)
	})
	if l.admin == nil {
		return
	}
	s.admin = &http.Server{
		Handler: s.srv.AdminHandler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.spawn("serve on --admin-listen", func() error { return s.admin.Serve(l.admin) })
}

func (s *serving) spawn(what string, f func() error) {
	s.wg.Go(func() {
		if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.ended <- failure("the log says what happened before; start the bridge again", what+": %w", err)
		}
	})
}

// ready waits until the bridge can do its work, which is moments after its log is open. It returns false when ctx is done.
func (s *serving) ready(ctx context.Context) bool {
	const every, most = 5 * time.Millisecond, 5 * time.Second
	for began := time.Now(); s.srv.Ready() != nil && time.Since(began) < most; {
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// drain stops in good order within the time given, and in any case. It waits for everything that serves.
func (s *serving) drain(within time.Duration) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), within-within/10) // the rest is for NATS to stop
	defer cancel()
	err := s.srv.Shutdown(ctx)
	if s.admin != nil {
		err = errors.Join(err, s.admin.Close())
	}
	s.wg.Wait()
	if err != nil {
		return failure("give clients more time with --drain-timeout", "not everything had ended after %s: %w", time.Since(began).Round(time.Millisecond), err)
	}
	s.log.Info("drained", "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}
