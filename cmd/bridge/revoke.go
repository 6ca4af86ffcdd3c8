package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/revoke"
)

// noBucket in place of the bucket's name does without revocation.
const noBucket = "off"

// revocations opens the list of revoked tokens; nil = there is none. end closes it.
func (c *serveCmd) revocations(ctx context.Context, n *natsSide, log *slog.Logger) (list bridge.Revocations, end func(), err error) {
	if !c.asked() || c.RevocationBucket == noBucket {
		return nil, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	l, err := revoke.Open(ctx, n.nc, revoke.Config{Bucket: c.RevocationBucket, Replicas: c.Replicas, Logger: log})
	if err != nil {
		return nil, nil, bucketProblem(err)
	}
	return l, l.Close, nil
}

func bucketProblem(err error) error {
	var be *revoke.BucketError
	if errors.As(err, &be) {
		return failure(be.Hint, "%w", err)
	}
	return failure("is JetStream healthy? The log of the NATS server says more", "%w", err)
}

// commandTimeout is how long NATS may take to answer a command.
const commandTimeout = 10 * time.Second

// run revokes.
func (c *revokeCmd) run(ctx context.Context, p *program) error {
	list, err := c.entries(time.Now())
	if err != nil {
		return err
	}
	if err := c.natsFlags.check(p.set); err != nil {
		return err
	}
	nc, err := c.dial(p)
	if err != nil {
		return err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if err := revoke.Put(ctx, nc, c.RevocationBucket, list...); err != nil {
		return bucketProblem(err)
	}
	return show(p, list)
}

// entries are what the arguments revoke.
func (c *revokeCmd) entries(now time.Time) (list []revoke.Entry, err error) {
	if len(c.JTI)+len(c.Sub) == 0 {
		return nil, usage("name a token, --jti 7f3a, or a user, --sub alice", "there is nothing to revoke")
	}
	var before, until time.Time
	if c.Before != "" {
		if before, err = time.Parse(time.RFC3339, c.Before); err != nil {
			return nil, usage("write RFC 3339, such as 2026-11-25T14:00:00Z", "--before %q is not a time", c.Before)
		}
		before = before.Add(time.Second - 1).Truncate(time.Second) // tokens carry whole seconds
		if len(c.Sub) == 0 {
			return nil, usage("leave out --before, or name a user with --sub", "--before is about the tokens of a user")
		}
	}
	if c.Keep != 0 {
		until = time.Unix(now.Add(time.Duration(c.Keep)).Unix()+1, 0)
	}
	for _, id := range c.JTI {
		list = append(list, revoke.Entry{ID: id, Until: until})
	}
	for _, sub := range c.Sub {
		list = append(list, revoke.Entry{Subject: sub, Before: before, Until: until})
	}
	for _, e := range list {
		if _, err := e.Key(); err != nil {
			return nil, usage("give it as it stands in the token: bridge token inspect shows it", "%v", err)
		}
	}
	return list, nil
}

// dial connects a command to NATS.
func (c *bucketClient) dial(p *program) (*nats.Conn, error) {
	log := newLogger(p.stderr, "error", "text")
	return c.connect(c.NATSURL, "start a bridge (its NATS listens on 127.0.0.1:4222), or name your NATS server with --nats-url", natsOptions(log, func(error) {}))
}

// run lists what is revoked.
func (c *revokedCmd) run(ctx context.Context, p *program) error {
	if err := c.natsFlags.check(p.set); err != nil {
		return err
	}
	nc, err := c.dial(p)
	if err != nil {
		return err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	list, err := revoke.All(ctx, nc, c.RevocationBucket)
	if err != nil {
		return bucketProblem(err)
	}
	slices.SortFunc(list, func(a, b revoke.Entry) int {
		return strings.Compare(a.Subject+"\x00"+a.ID, b.Subject+"\x00"+b.ID)
	})
	return show(p, list)
}

// show prints entries, one a line.
func show(p *program, list []revoke.Entry) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	stamp := func(before string, t time.Time, zero string) string {
		if t.IsZero() {
			return zero
		}
		return before + t.UTC().Format(time.RFC3339)
	}
	for _, e := range list {
		until := stamp("until ", e.Until, "until it is deleted")
		if e.ID != "" {
			_, _ = fmt.Fprintf(w, "jti\t%s\tthe token\tkept %s\n", word(e.ID), until)
		} else {
			_, _ = fmt.Fprintf(w, "sub\t%s\ttokens issued before %s\tkept %s\n", word(e.Subject), stamp("", e.Before, "now"), until)
		}
	}
	return w.Flush()
}
