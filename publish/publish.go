package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	defaultStream  = "LIVE"
	defaultTimeout = 5 * time.Second
)

// Options are the settings of a [Publisher]. The zero value works.
type Options struct {
	// Stream is the stream that stores the events. "" means LIVE. Where another
	// stream carries their subjects, they are refused.
	Stream string

	// Timeout is how long one call of Publish may take, its retries included. Zero
	// means 5 s. A deadline of the call's context that comes sooner goes first.
	Timeout time.Duration
}

// Publisher publishes events over one NATS connection. It is safe for concurrent
// use, holds nothing that needs closing, and lives as long as its connection.
type Publisher struct {
	nc      *nats.Conn
	stream  string
	timeout time.Duration
}

// New returns a publisher that uses the connection; it sends nothing yet. The
// connection remains the caller's, to close too. It may buffer while it is not
// connected (nats.ReconnectBufSize): a Publisher does not publish then.
func New(nc *nats.Conn, opts Options) (*Publisher, error) {
	if opts.Stream == "" {
		opts.Stream = defaultStream
	}
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	switch {
	case nc == nil:
		return nil, errors.New("new publisher: no NATS connection: pass the one that nats.Connect returned")
	case strings.ContainsFunc(opts.Stream, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`.*>/\`, r) }):
		return nil, fmt.Errorf(`new publisher: stream %q is not the name of a stream: it has no space, control character, or any of . * > / \`, opts.Stream)
	case opts.Timeout < 0:
		return nil, fmt.Errorf("new publisher: time-out %v is negative: use a positive one, or 0 for %v", opts.Timeout, defaultTimeout)
	}
	return &Publisher{nc: nc, stream: opts.Stream, timeout: opts.Timeout}, nil
}

// Publish stores all events or none of them, in order, and returns one [Ack] per
// event after JetStream has acknowledged. Where some keys are known already, it
// stores the other events: all of those or none. No events is not an error.
//
// The errors are: [*EventError] for an event that cannot be published,
// [ErrTooMany], [ErrBatchDisabled], [ErrUnavailable] (an [*UnavailableError],
// at once if NATS is not connected), the context's error, nats.ErrPermissionViolation,
// and whatever else JetStream answers, as a *jetstream.APIError. Only after
// ErrUnavailable with MaybeStored, and after the context's error, may the events
// have been stored.
func (p *Publisher) Publish(ctx context.Context, events ...Event) ([]Ack, error) {
	msgs, err := messages(events, p.nc.MaxPayload())
	if err != nil || len(msgs) == 0 {
		return nil, err
	}
	if err := p.store(ctx, msgs); err != nil {
		return nil, fmt.Errorf("publish to stream %s: %w", p.stream, err)
	}
	return acks(len(events), msgs), nil
}

// acks sums up the messages of each event.
func acks(events int, msgs []*message) []Ack {
	out := make([]Ack, events)
	for i := range out {
		out[i].Duplicate = true
	}
	for _, m := range msgs {
		ack := &out[m.event]
		ack.Seq = max(ack.Seq, m.seq)
		ack.Duplicate = ack.Duplicate && m.duplicate
	}
	return out
}
