package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge"
	"github.com/livebridge/livebridge/revoke"
)

// embedded is the NATS server inside the bridge.
type embedded struct {
	opts   *server.Options
	log    *slog.Logger
	server *server.Server
	lock   *os.File
	self   []nats.Option // how the bridge lets itself in
}

// configure reads the configuration, lets the flags overrule it, and checks it. Nothing is started.
func (c *serveCmd) configure(log *slog.Logger, set sources) (*embedded, error) {
	e := &embedded{opts: &server.Options{}, log: log}
	var err error
	if c.NATSConfig == "" {
		err = e.opts.ProcessConfigString(livebridge.NATSConf)
		e.opts.JetStreamMaxStore = max(e.opts.JetStreamMaxStore, int64(c.MaxBytes)+revoke.MaxBytes)
	} else {
		err = e.opts.ProcessConfigFile(c.NATSConfig)
	}
	if err := e.configError(c.NATSConfig, err); err != nil {
		return nil, err
	}
	given := func(flag string) bool { _, ok := set[flag]; return ok }
	if c.NATSConfig == "" || given("nats-listen") {
		e.opts.Host, e.opts.Port = c.NATSListen.host, c.NATSListen.port
		if e.opts.Port == 0 {
			e.opts.Port = server.RANDOM_PORT
		}
	}
	if c.NATSConfig == "" || given("store-dir") || e.opts.StoreDir == "" {
		e.opts.StoreDir = c.StoreDir
	}
	e.opts.NoSigs = true
	if err := e.check(c, set); err != nil {
		return nil, err
	}
	return e, e.letIn(c)
}

// configError words what is wrong in a configuration; what nats-server only warns of goes to the log.
func (e *embedded) configError(file string, err error) error {
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	var several interface {
		Errors() []error
		Warnings() []error
	}
	if errors.As(err, &several) {
		for _, w := range several.Warnings() {
			e.log.Warn(w.Error(), "file", file)
		}
		if len(several.Errors()) == 0 {
			return nil
		}
		text = several.Errors()[0].Error()
	}
	if !strings.Contains(text, file) {
		text = file + ": " + text
	}
	return failure("nats-server -c FILE -t checks a configuration; nats.conf of Livebridge is one to begin with", "--nats-config: %s", text)
}

// check refuses a server that would keep nothing, or that would let everybody in.
func (e *embedded) check(c *serveCmd, set sources) error {
	o := e.opts
	if !o.JetStream {
		return failure(`add: jetstream { store_dir: "./data", sync_interval: always }`, "--nats-config %s: it does not switch on JetStream, which stores the events", c.NATSConfig)
	}
	if err := e.checkExposed(c, set); err != nil {
		return err
	}
	if o.LogFile != "" || o.Syslog {
		e.log.Warn("the log of the NATS inside goes where the bridge's goes: log_file and syslog do not count", "file", c.NATSConfig)
	}
	if !o.SyncAlways {
		e.log.Warn("sync_interval is not always: an acknowledged event survives the end of this process, but a power cut loses what was acknowledged since the last sync",
			"file", c.NATSConfig, "sync_interval", interval(o.SyncInterval))
	}
	return nil
}

func interval(d time.Duration) time.Duration {
	if d == 0 {
		return 2 * time.Minute // nats-server's default
	}
	return d
}

// hostPort is where the server listens, with nats-server's defaults.
func hostPort(o *server.Options) string {
	a := address{host: o.Host, port: o.Port}
	if a.host == "" {
		a.host = server.DEFAULT_HOST
	}
	switch a.port {
	case 0:
		a.port = server.DEFAULT_PORT
	case server.RANDOM_PORT:
		a.port = 0
	}
	return a.String()
}

// start runs the server. stop must be called in any case.
func (e *embedded) start() error {
	if err := e.claim(); err != nil {
		return err
	}
	if err := e.portIsFree(); err != nil {
		return err
	}
	log := &natsLogger{log: e.log.With("from", "nats")}
	ns, err := server.NewServer(e.opts)
	if err != nil {
		return failure("nats-server -c FILE -t checks a configuration", "NATS inside the bridge: %w", err)
	}
	ns.SetLoggerV2(log, e.opts.Debug, e.opts.Trace, false)
	e.server = ns
	ns.Start()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if text := log.failed(); text != "" {
			return failure("the log at --log-level debug says more", "NATS inside the bridge: %s", text)
		}
		if ns.ReadyForConnections(100 * time.Millisecond) {
			return nil
		}
		if time.Now().After(deadline) {
			return failure("the log at --log-level debug says more", "NATS inside the bridge does not get ready")
		}
	}
}

// claim creates the folder and locks it, so that no two bridges write to it.
func (e *embedded) claim() error {
	dir := e.opts.StoreDir
	hint := "give this user the right to write there, or name another folder with --store-dir"
	err := os.MkdirAll(dir, 0o750)
	if err == nil {
		e.lock, err = lockFile(filepath.Join(dir, "bridge.lock"))
	}
	var held *heldError
	if errors.As(err, &held) {
		return failure("stop it, or give this one a folder of its own with --store-dir", "store directory %s is in use by another bridge%s", dir, held.by)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, server.JetStreamStoreDir), 0o750)
	}
	if err != nil {
		return failure(hint, "store directory %s cannot be written: %w", dir, pathless(err))
	}
	return nil
}

// pathless is the cause of an error about a file, whose path has been told already.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// portIsFree tries the port before the server does: its own error is no more than text.
func (e *embedded) portIsFree() error {
	if e.opts.DontListen || e.opts.Port == server.RANDOM_PORT {
		return nil
	}
	ln, err := listen("--nats-listen", "another NATS server may be running", hostPort(e.opts))
	if err != nil {
		return err
	}
	return ln.Close()
}

// health is an error where the server cannot store what it is given. After a failed write, such as on a full disk, that stays so until it
// is started again, even when there is room.
func (e *embedded) health() error {
	if st := e.server.Healthz(&server.HealthzOptions{}); st.Error != "" {
		return fmt.Errorf("NATS inside the bridge: %s: see that its disk has room, then start the bridge again", st.Error)
	}
	return nil
}

// connect connects the bridge to the server, within the process.
func (e *embedded) connect(opts []nats.Option) (*nats.Conn, error) {
	return e.dial("", opts, nats.InProcessServer(e.server))
}

// connectReplays makes a connection for replays, by TCP: its buffers let the server go on while what it has sent is looked at. It is nil where
// the server does not listen, asks for TLS, or does not let the bridge in that way: replays then share the other connection.
func (e *embedded) connectReplays(opts []nats.Option) *nats.Conn {
	if e.url() == "" || e.opts.TLSConfig != nil {
		return nil
	}
	nc, err := e.dial(e.url(), opts, nats.Name("livebridge-replays"))
	if err != nil {
		e.log.Warn("replays from JetStream are slower: they have no connection to the NATS inside of their own", "error", err)
	}
	return nc
}

func (e *embedded) dial(url string, common []nats.Option, own nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(url, slices.Concat(common, []nats.Option{own}, e.self)...)
	if err != nil {
		return nil, connectError("inside the bridge", "the log at --log-level debug says more", err)
	}
	return nc, nil
}

// url is where services connect; "" where none can.
func (e *embedded) url() string {
	addr, ok := e.server.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	scheme := "nats"
	if e.opts.TLSConfig != nil {
		scheme = "tls"
	}
	return fmt.Sprintf("%s://%s", scheme, reachable(address{host: e.opts.Host, port: addr.Port}))
}

// stop ends the server, after everything it has acknowledged is on disk, and gives the folder free.
func (e *embedded) stop() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	if e.lock != nil {
		_ = e.lock.Close()
	}
}
