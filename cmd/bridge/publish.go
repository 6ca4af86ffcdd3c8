package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/publish"
)

// run publishes one event, and prints its sequence once it is stored.
func (c *publishCmd) run(ctx context.Context, p *program) error {
	if err := c.natsClient.check(p.set); err != nil {
		return err
	}
	event, err := c.event(p)
	if err != nil {
		return err
	}
	log := newLogger(p.stderr, "error", "text")
	nc, err := c.dial(log, nil)
	if err != nil {
		return err
	}
	defer nc.Close()
	publisher, err := publish.New(nc, publish.Options{Stream: c.Stream})
	if err != nil {
		return err
	}
	acks, err := publisher.Publish(ctx, event)
	if err != nil {
		return c.problem(err)
	}
	text := fmt.Sprint(acks[0].Seq)
	if acks[0].Duplicate {
		text += " duplicate"
	}
	_, err = fmt.Fprintln(p.stdout, text)
	return err
}

// check refuses what is wrong before anything is connected.
func (c *natsClient) check(set sources) error {
	if err := checkStreamName(set, c.Stream); err != nil {
		return err
	}
	return c.natsFlags.check(set)
}

// dial connects a command to NATS. closed may be nil.
func (c *natsClient) dial(log *slog.Logger, closed func(error)) (*nats.Conn, error) {
	if closed == nil {
		closed = func(error) {}
	}
	return c.connect(c.NATSURL, "start a bridge (its NATS listens on 127.0.0.1:4222), or name your NATS server with --nats-url", natsOptions(log, closed))
}

// event makes an event of the arguments.
func (c *publishCmd) event(p *program) (publish.Event, error) {
	e := publish.Event{Resource: c.Resource, Type: c.Type, Key: c.Key}
	payload := c.JSON
	switch {
	case len(c.IDs) > 0 && c.JSON != nil:
		return e, usage("give the records by --id or as the argument", "the record is given twice: %q and --id", *c.ID)
	case len(c.IDs) > 0:
		e.IDs, payload = c.IDs, c.ID // what stands in the place of the record is the payload
	case c.ID != nil:
		e.ID = *c.ID
		if c.JSON == nil && looksLikePayload(e.ID) {
			return e, usage("for no particular record write '' in its place: bridge publish "+c.Resource+" "+c.Type+" '' '{…}'", "the third argument is the record, but it is JSON")
		}
	}
	var err error
	if payload != nil {
		if e.Payload, err = c.payload(p, *payload); err != nil {
			return e, err
		}
	}
	if c.Meta != "" && !json.Valid([]byte(c.Meta)) {
		return e, usage(`quote it for the shell: --meta '{"user":"eva"}'`, "--meta is not JSON")
	}
	if c.Meta != "" {
		e.Meta = json.RawMessage(c.Meta)
	}
	if c.Date != "" {
		if e.Date, err = time.Parse(time.RFC3339, c.Date); err != nil {
			return e, usage("write RFC 3339, such as 2026-11-25T14:00:00Z", "--date %q is not a time", c.Date)
		}
	}
	return e, nil
}

// looksLikePayload says whether a record is more likely a payload in the wrong place.
func looksLikePayload(id string) bool {
	return len(id) > 0 && (id[0] == '{' || id[0] == '[') && json.Valid([]byte(id))
}

// mostInput is more than any NATS server takes.
const mostInput = 64 << 20

func (c *publishCmd) payload(p *program, arg string) (json.RawMessage, error) {
	body := []byte(arg)
	if arg == "-" {
		var err error
		if body, err = io.ReadAll(io.LimitReader(p.stdin, mostInput)); err != nil {
			return nil, failure("", "read the payload from stdin: %w", err)
		}
	}
	if len(body) > 0 && !json.Valid(body) {
		return nil, usage(`quote it for the shell: '{"price":10}', '"text"', '10'`, "the payload is not JSON")
	}
	return body, nil
}

func (c *publishCmd) problem(err error) error {
	var event *publish.EventError
	switch {
	case errors.As(err, &event):
		return usage("bridge publish --help shows what is right", "%s %s", event.Field, event.Problem)
	case errors.Is(err, publish.ErrTooMany):
		return usage("publish fewer records at once", "%v", err)
	case errors.Is(err, nats.ErrNoResponders):
		return failure("start a bridge, which creates the stream "+c.Stream, "no stream takes live events on this NATS server: nothing was stored")
	case apiCode(err) == codeWrongStream:
		return failure("leave out --stream, or name the stream that has them", "another stream than %s stores these events: nothing was stored", c.Stream)
	case errors.Is(err, nats.ErrPermissionViolation):
		return failure("the user needs the right to publish on live.> and to subscribe to _INBOX.>", "this NATS user may not publish the event: %w", err)
	case errors.Is(err, publish.ErrUnavailable):
		return failure("publish again; with a --key it is never stored twice", "%w", err)
	}
	return failure("", "publish: %w", err)
}

// codeWrongStream is JetStream's error of a message for another stream than that which stores its subject (nats-server/server/errors.json).
const codeWrongStream = 10060

func apiCode(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}
