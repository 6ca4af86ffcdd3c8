// The backend of the refine-admin example: a shop's REST API over SQLite, which tells Livebridge of every change that it commits.
//
// What matters for Livebridge is in three places: store.go (a change and its events are one transaction), outbox.go (they are published
// after the commit, in order, until NATS has them) and rest.go (whose change it was: the header X-Live-Origin). The rest is a shop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/publish"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

// run is the program. It returns when ctx ends, after what runs has been finished.
func run(ctx context.Context, args []string, logs io.Writer) error {
	flags := flag.NewFlagSet("backend", flag.ContinueOnError)
	flags.SetOutput(logs)
	listen := flags.String("listen", "127.0.0.1:3000", "address of the REST API and the app")
	natsURL := flags.String("nats-url", "nats://127.0.0.1:4222", "the NATS server that the bridge uses")
	database := flags.String("db", "shop.db", "the SQLite file; made, with sample data, if it is missing")
	bridge := flags.String("bridge", "ws://127.0.0.1:8080/v1/ws", "where the app finds the bridge")
	app := flags.String("app", "", "folder of the built app; none: only the API")
	if err := flags.Parse(args); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(logs, nil))

	store, err := open(*database)
	if err != nil {
		return err
	}
	defer store.close()

	// NATS may be away, now or later: the connection comes and goes by itself and wakes the outbox when it is back. Nothing is buffered
	// in it (ReconnectBufSize): the outbox remembers better.
	nc, err := nats.Connect(*natsURL, nats.Name("shop"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(500*time.Millisecond),
		nats.ReconnectBufSize(-1), nats.ConnectHandler(func(*nats.Conn) { store.wake() }), nats.ReconnectHandler(func(*nats.Conn) { store.wake() }))
	if err != nil {
		return fmt.Errorf("connect to NATS at %s: %w", *natsURL, err)
	}
	defer nc.Close()
	publisher, err := publish.New(nc, publish.Options{})
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: routes(store, *app, *bridge, log), ReadHeaderTimeout: 5 * time.Second}
	log.Info("backend ready", "url", "http://"+listener.Addr().String())

	var wg sync.WaitGroup
	wg.Go(func() { store.relay(ctx, publisher, log) })
	wg.Go(func() { store.simulate(ctx, log) })
	wg.Go(func() {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(wait)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	wg.Wait()
	return nil
}
