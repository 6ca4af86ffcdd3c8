// Package bridgetest runs NATS and a bridge inside a test, on loopback ports of their own, and stops both when the test ends:
//
//	func TestPriceChange(t *testing.T) {
//		b := bridgetest.Start(t)
//		shop := NewShop(b.NC)
//		shop.SetPrice(42, 10)
//		// … what a browser sees is at b.URL + "/v1/sse", what is stored in b.Log
//	}
//
// Everything is real but the disk that is synced: events are stored in a folder of the test, without waiting for the disk.
//
// A test that looks for leaked goroutines ignores two that the HTTP server keeps for ever: those created by
// github.com/valyala/fasthttp.updateServerDate.func1 and by github.com/valyala/fasthttp.(*workerPool).Start.func2.
package bridgetest

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/publish"
	"github.com/livebridge/livebridge/replay"
)

// A Bridge is a bridge and its NATS server. Its fields may be used concurrently until the test ends.
type Bridge struct {
	URL       string             // of the bridge, without a path: http://127.0.0.1:41234
	NATSURL   string             // where services connect: nats://127.0.0.1:41235
	NC        *nats.Conn         // a connection there; it reconnects, and is closed when the test ends
	Log       *replay.Log        // the bridge's view of the stream LIVE
	Publisher *publish.Publisher // publishes to that stream

	tb testing.TB
}

// timeout bounds starting and stopping: what takes so long in a test does not end.
const timeout = 30 * time.Second

// Start runs a bridge until the test ends. Each change may alter its settings before it starts; the log, the publisher and, at the level
// of warnings, the test's output as its logger are set already. What cannot be started, or not stopped in good order, fails the test.
func Start(tb testing.TB, change ...func(*bridge.Config)) *Bridge {
	tb.Helper()
	ns := natstest.Start(tb)
	b := &Bridge{tb: tb, NATSURL: ns.URL(), NC: ns.Connect()}
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	logger := slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if b.Log, err = replay.Open(ctx, b.NC, replay.Config{Encode: bridge.Encode, Logger: logger}); err != nil {
		tb.Fatalf("bridgetest: %v", err)
	}
	tb.Cleanup(b.Log.Close)
	if b.Publisher, err = publish.New(b.NC, publish.Options{}); err != nil {
		tb.Fatalf("bridgetest: %v", err)
	}
	cfg := bridge.Config{Log: b.Log, Publisher: b.Publisher, Logger: logger, LoopbackOrigins: true}
	for _, f := range change {
		f(&cfg)
	}
	b.serve(cfg)
	return b
}

// serve runs the bridge proper, and waits until it can do its work.
func (b *Bridge) serve(cfg bridge.Config) {
	b.tb.Helper()
	srv, err := bridge.New(cfg)
	if err != nil {
		b.tb.Fatalf("bridgetest: %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.tb.Fatalf("bridgetest: %v", err)
	}
	b.URL = "http://" + ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	b.tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			b.tb.Errorf("bridgetest: shut down: %v", err)
		}
		if err := <-served; err != nil {
			b.tb.Errorf("bridgetest: serve: %v", err)
		}
	})
	for began := time.Now(); srv.Ready() != nil; time.Sleep(time.Millisecond) {
		if time.Since(began) > timeout {
			b.tb.Fatalf("bridgetest: not ready: %v", srv.Ready())
		}
	}
}

// Publish stores events, all or none, and waits until the bridge has them. Where they cannot be stored, the test ends.
func (b *Bridge) Publish(events ...publish.Event) []publish.Ack {
	b.tb.Helper()
	mark := b.Log.Mark()
	acks, err := b.Publisher.Publish(b.tb.Context(), events...)
	if err != nil {
		b.tb.Fatalf("bridgetest: publish: %v", err)
	}
	for _, a := range acks {
		if _, err := mark.CursorOf(b.tb.Context(), a.Seq); err != nil {
			b.tb.Fatalf("bridgetest: publish: %v", err)
		}
	}
	return acks
}
