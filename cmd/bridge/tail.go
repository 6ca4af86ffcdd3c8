package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// run shows events until ctx is done, the reader of stdout goes away or, with --no-follow, what is stored has been shown.
func (c *tailCmd) run(ctx context.Context, p *program) error {
	if err := c.natsClient.check(p.set); err != nil {
		return err
	}
	set, err := parsePattern(c.Pattern)
	if err != nil {
		return usage("write resource.type.id, such as products.updated.42, products.updated.* or products", "pattern %q: %v", c.Pattern, err)
	}
	start, err := c.start(time.Now())
	if err != nil {
		return err
	}
	log := newLogger(p.stderr, "warn", "text")
	lost := make(chan error, 1)
	nc, err := c.dial(log, func(err error) { lost <- err })
	if err != nil {
		return err
	}
	defer nc.Close()
	events, err := c.open(ctx, nc, log)
	if err != nil {
		return stopped(ctx, err)
	}
	defer events.Close()
	f := newFollower(events, set)
	defer f.close()
	if err := f.begin(start); err != nil {
		return failure("", "tail: %w", err)
	}
	out := bufio.NewWriter(p.stdout)
	t := &tailing{tailCmd: c, follower: f, out: out, notes: p.stderr, line: c.printer(p)}
	err = t.follow(ctx, lost)
	if e := out.Flush(); err == nil {
		err = e
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil // whoever read has seen enough
	}
	return err
}

// start reads where to begin.
func (c *tailCmd) start(now time.Time) (replay.Start, error) {
	s, perr := protocol.ParseStart(c.After, c.Since, c.Last, protocol.Limits{Replay: replayAll})
	if perr != nil {
		return replay.Start{}, usage("bridge tail --help shows how to say where to begin", "%s", perr.Message)
	}
	switch s.Kind {
	case protocol.After:
		cursor, err := replay.ParseCursor(s.After)
		if err != nil {
			return replay.Start{}, usage("a cursor is the cursor of an event in bridge tail --json, or the id of one of /v1/sse", "--after %q: %v", s.After, err)
		}
		return replay.Start{Kind: replay.After, After: cursor}, nil
	case protocol.Since:
		return replay.Start{Kind: replay.Since, Since: s.Time(now)}, nil
	case protocol.Last:
		return replay.Start{Kind: replay.Last, Last: s.Last}, nil
	}
	if c.NoFollow {
		return replay.Start{Kind: replay.First}, nil
	}
	return replay.Start{}, nil
}

// replayAll is more events than a stream holds: a person who tails may wait as long as it takes.
const replayAll = 1 << 40

// tailWindow is the memory for the newest events: what is needed to go from the past to now.
const tailWindow = 4 << 20

// open opens the stream, which must be there: only a bridge creates it.
func (c *tailCmd) open(ctx context.Context, nc *nats.Conn, log *slog.Logger) (*replay.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if _, err := js.Stream(ctx, c.Stream); errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, failure("start a bridge, which creates it, or name the stream with --stream", "stream %s does not exist on this NATS server", c.Stream)
	}
	events, err := replay.Open(ctx, nc, replay.Config{
		Stream: replay.StreamConfig{Name: c.Stream}, WindowBytes: tailWindow, MaxReplay: replayAll, Encode: bridge.Encode, Logger: log,
	})
	if err != nil {
		return nil, streamProblem(err)
	}
	return events, nil
}

// A tailing prints what a follower brings.
type tailing struct {
	*tailCmd
	*follower
	out   *bufio.Writer
	notes io.Writer
	line  func(out *bufio.Writer, frame []byte)
}

func (t *tailing) follow(ctx context.Context, lost <-chan error) error {
	for {
		batch, behind := t.take()
		for _, item := range batch {
			if done, err := t.show(item); done || err != nil {
				return err
			}
		}
		if err := t.out.Flush(); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case behind:
			if err := t.resume(); err != nil {
				return failure("", "tail: %w", err)
			}
			continue
		case len(batch) > 0:
			continue
		}
		select {
		case <-t.wake:
		case err := <-lost:
			return failure("start bridge tail again", "the connection to NATS has ended: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// show prints one item. done says that there is nothing more to show.
func (t *tailing) show(item item) (done bool, err error) {
	if item.event != nil {
		t.line(t.out, item.event.Frame)
		return false, nil
	}
	switch n := item.notice; n.Kind {
	case replay.Live:
		return t.NoFollow, nil
	case replay.Failed:
		return true, failure("try again", "tail: %w", n.Err)
	case replay.Reset:
		why := missed(n.Reason)
		if t.NoFollow {
			return true, failure("bridge tail --no-follow without a start shows all that is stored", "events are missing: %s", why)
		}
		if err := t.out.Flush(); err != nil {
			return true, err
		}
		_, _ = fmt.Fprintf(t.notes, "reset: events are missing here: %s; live from now on\n", why)
	}
	return false, nil
}

func missed(why replay.Reason) string {
	switch why {
	case replay.ReasonExpired:
		return "they are no longer stored"
	case replay.ReasonStream:
		return "the stream was created again, or lost its newest events"
	default:
		return "there are too many"
	}
}
