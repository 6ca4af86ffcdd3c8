package publish

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// unavailable checks that err is ErrUnavailable and says what became of the events.
func unavailable(t *testing.T, err error, maybeStored bool) {
	t.Helper()
	var why *UnavailableError
	if !errors.Is(err, ErrUnavailable) || !errors.As(err, &why) {
		t.Fatalf("got %v", err)
	}
	want := "nothing was stored"
	if maybeStored {
		want = "may have been stored; a retry with the same Key is safe"
	}
	if why.MaybeStored != maybeStored || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// sizes are a single message and a batch, without and with keys.
func sizes() map[string][]Event {
	return map[string][]Event{
		"one":         eventsOf(1, ""),
		"one keyed":   eventsOf(1, "one"),
		"batch":       eventsOf(3, ""),
		"batch keyed": eventsOf(3, "k"),
	}
}

// await returns when the condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestNATSIsDown(t *testing.T) {
	srv := startNATS(t)
	nc := connect(t, srv.ClientURL())
	createStream(t, nc)
	p := newPublisher(t, nc, Options{Timeout: time.Minute})
	stop(srv)
	await(t, "the connection notices", func() bool { return !nc.IsConnected() })
	for name, events := range sizes() {
		t.Run(name, func(t *testing.T) {
			_, err := p.Publish(t.Context(), events...)
			unavailable(t, err, false)
			if !strings.Contains(err.Error(), "NATS is not connected (reconnecting)") {
				t.Errorf("got %v", err)
			}
		})
	}
	nc.Close()
	_, err := p.Publish(t.Context(), event("1", ""))
	unavailable(t, err, false)
}

func TestNoStream(t *testing.T) {
	t.Parallel()
	p := newPublisher(t, connect(t, startNATS(t).ClientURL()), Options{})
	for name, events := range sizes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := p.Publish(t.Context(), events...)
			unavailable(t, err, false)
			if !errors.Is(err, nats.ErrNoResponders) || !strings.Contains(err.Error(), "does stream LIVE exist") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// silent has a stream that stores and answers nothing.
func silent(t *testing.T, timeout time.Duration) (*server.Server, *Publisher, jetstream.Stream) {
	srv := startNATS(t)
	nc := connect(t, srv.ClientURL())
	stream := createStream(t, nc, func(c *jetstream.StreamConfig) { c.NoAck = true })
	return srv, newPublisher(t, nc, Options{Timeout: timeout}), stream
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	_, p, stream := silent(t, 300*time.Millisecond)
	total := uint64(0)
	for name, events := range sizes() {
		t.Run(name, func(t *testing.T) {
			_, err := p.Publish(t.Context(), events...)
			unavailable(t, err, true)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
		total += uint64(len(events))
	}
	if n, _ := stored(t, stream); n != total {
		t.Errorf("%d messages stored, want %d", n, total)
	}
}

func TestDeadlineOfTheCaller(t *testing.T) {
	_, p, _ := silent(t, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := p.Publish(ctx, event("1", "k"))
	unavailable(t, err, true)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCanceledWhileWaiting(t *testing.T) {
	_, p, stream := silent(t, time.Minute)
	for name, events := range sizes() {
		t.Run(name, func(t *testing.T) {
			if err := stream.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { result <- second(p.Publish(ctx, events...)) }()
			await(t, "it is stored", func() bool { n, _ := stored(t, stream); return n == uint64(len(events)) })
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may have been stored") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A server that goes away before it answers ends the call long before its time-out.
func TestConnectionLostWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, events := range sizes() {
		t.Run(name, func(t *testing.T) {
			srv, p, stream := silent(t, time.Hour)
			result := make(chan error, 1)
			go func() { result <- second(p.Publish(context.Background(), events...)) }()
			await(t, "it is stored", func() bool { n, _ := stored(t, stream); return n == uint64(len(events)) })
			stop(srv)
			unavailable(t, <-result, true)
		})
	}
}

// The acknowledgement is lost, the connection stays: with keys the call tries again.
func TestAckLost(t *testing.T) {
	t.Parallel()
	for _, events := range [][]Event{eventsOf(1, "k"), eventsOf(3, "k")} {
		srv := startNATS(t)
		stream := createStream(t, connect(t, srv.ClientURL()))
		proxy := startProxy(t, srv.ClientURL())
		p := newPublisher(t, connect(t, proxy.url()), Options{Timeout: 6 * time.Second})
		lost := make(chan struct{})
		proxy.loseAck(func() { close(lost) })
		go func() { <-lost; proxy.unmute() }()
		acks := publish(t, p, events...)
		for i, a := range acks {
			if (a != Ack{Seq: uint64(i + 1), Duplicate: true}) {
				t.Errorf("event %d: %+v", i, a)
			}
		}
		if n, _ := stored(t, stream); n != uint64(len(events)) {
			t.Errorf("%d messages stored", n)
		}
	}
}

// The acknowledgement is lost with the connection: a caller that tries again with
// the same keys gets the sequences of the first attempt.
func TestRetryAfterLostConnection(t *testing.T) {
	for _, events := range [][]Event{eventsOf(1, "k"), eventsOf(3, "k")} {
		srv := startNATS(t)
		stream := createStream(t, connect(t, srv.ClientURL()))
		proxy := startProxy(t, srv.ClientURL())
		p := newPublisher(t, connect(t, proxy.url()), Options{Timeout: time.Minute})
		lost := make(chan struct{})
		proxy.loseAck(func() { close(lost) })
		go func() { <-lost; proxy.unmute(); proxy.cut() }()
		var acks []Ack
		await(t, "a retry gets through", func() bool {
			var err error
			if acks, err = p.Publish(t.Context(), events...); err != nil && !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
		want := make([]Ack, len(events))
		for i := range want {
			want[i] = Ack{Seq: uint64(i + 1), Duplicate: true}
		}
		if diff := cmp.Diff(want, acks); diff != "" {
			t.Error(diff)
		}
		if n, _ := stored(t, stream); n != uint64(len(events)) {
			t.Errorf("%d messages stored", n)
		}
	}
}

func TestForbidden(t *testing.T) {
	srv := startNATS(t, func(o *server.Options) {
		orders := &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"live.orders.>"}}}
		o.Users = []*server.User{{Username: "admin", Password: "a"}, {Username: "orders", Password: "o", Permissions: orders}}
	})
	stream := createStream(t, connect(t, srv.ClientURL(), nats.UserInfo("admin", "a")))
	p := newPublisher(t, connect(t, srv.ClientURL(), nats.UserInfo("orders", "o")), Options{Timeout: time.Hour})
	order := Event{Resource: "orders", Type: "created", ID: "1"}
	for name, events := range map[string][]Event{
		"one":       {event("1", "")},
		"first":     {event("1", ""), order},
		"middle":    {order, event("1", ""), order},
		"last":      {order, event("1", "")},
		"all keyed": {event("1", "a"), event("2", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Publish(t.Context(), events...)
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "live.products.updated.") {
				t.Errorf("got %v", err)
			}
		})
	}
	if n, _ := stored(t, stream); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	// Publishing, retries and all, needs no right but those on live.> and the inbox.
	order.Key = "k"
	publish(t, p, order, Event{Resource: "orders", Type: "created", ID: "2", Key: "l"})
	if acks := publish(t, p, order, Event{Resource: "orders", Type: "created", ID: "2", Key: "l"}); !acks[1].Duplicate {
		t.Errorf("got %+v", acks)
	}
}

// Somebody else answers on the subjects of events: that is no acknowledgement.
func TestStrangeAnswers(t *testing.T) {
	for _, answer := range []string{"", "ok", "{}", `{"stream":"OTHER","seq":7}`, `{"stream":"LIVE"}`} {
		t.Run(answer, func(t *testing.T) {
			nc := connect(t, startNATS(t).ClientURL())
			if _, err := nc.Subscribe("live.>", func(m *nats.Msg) { _ = m.Respond([]byte(answer)) }); err != nil {
				t.Fatal(err)
			}
			p := newPublisher(t, nc, Options{Timeout: time.Minute})
			for _, events := range sizes() {
				_, err := p.Publish(t.Context(), events...)
				unavailable(t, err, true)
			}
		})
	}
}

func TestSendErrors(t *testing.T) {
	for _, c := range []struct {
		err               error
		last              bool
		unavailable, sent bool
	}{
		{nats.ErrReconnectBufExceeded, true, true, false},
		{nats.ErrConnectionDraining, true, true, false},
		{errors.New("write: broken pipe"), true, true, true},
		{errors.New("write: broken pipe"), false, true, false},
		{nats.ErrMaxPayload, true, false, false},
	} {
		var lost *unanswered
		err := sendError(c.err, c.last)
		if got := errors.As(err, &lost); got != c.unavailable || got && lost.sent != c.sent || !errors.Is(err, c.err) {
			t.Errorf("%v: got %#v", c.err, err)
		}
	}
}
