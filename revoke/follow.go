package revoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	lookEvery  = 5 * time.Second // the bucket is asked whether the list is still like it
	apiTimeout = 5 * time.Second // of one question to JetStream
	readWithin = time.Minute     // of reading the whole bucket
	minBackoff = 100 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// Open makes the bucket if it is missing, reads it, and follows it until [List.Close] is called. It returns when the list is complete; the
// error is a [*BucketError] where a person can do something about it. nc stays open.
//
// While NATS does not answer, the list stays as it was. Then the whole bucket is read again, so that nothing is missed; the same where the
// bucket was made anew, or has lost its end.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*List, error) {
	if cfg.Bucket == "" {
		cfg.Bucket = DefaultBucket
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	l := &List{
		cfg: cfg, nc: nc, js: js, log: cfg.Logger.With("bucket", cfg.Bucket),
		changed: make(chan struct{}, 1), done: make(chan struct{}), entries: newEntries(),
	}
	if err := l.create(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	l.stop = stop
	complete := make(chan struct{})
	failed := make(chan error, 1)
	go l.run(running, complete, failed)
	select {
	case <-complete:
		return l, nil
	case err = <-failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.Close()
	return nil, l.explain(err)
}

// run follows the bucket until ctx ends. It closes complete when the list is complete for the first time, and hands over the error if that
// fails.
func (l *List) run(ctx context.Context, complete chan struct{}, failed chan<- error) {
	defer close(l.done)
	var backoff time.Duration
	for began := true; ; began = false {
		err := l.follow(ctx, func() {
			l.following.Store(true)
			if backoff = 0; complete != nil {
				close(complete)
				complete = nil
			} else {
				l.log.Info("the list of revoked tokens is followed again", "entries", l.Len())
			}
		})
		l.following.Store(false)
		switch {
		case ctx.Err() != nil:
			return
		case complete != nil && began:
			failed <- err
			return
		case backoff == 0:
			l.log.Warn("the list of revoked tokens is not followed for a moment: the last one stays", "cause", err)
		}
		backoff = min(max(2*backoff, minBackoff), maxBackoff)
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
	}
}

// follow reads the bucket, calls complete, and keeps the list like it until that is in doubt. It always returns an error.
func (l *List) follow(ctx context.Context, complete func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := l.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING)
	defer l.nc.RemoveStatusListener(changed)
	began, kv, err := l.look(ctx)
	if err != nil {
		return err
	}
	watcher, err := kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", l.cfg.Bucket, err)
	}
	defer end(watcher)
	f := &following{list: l, from: began, seen: began.last, all: newEntries(), complete: complete, until: time.Now().Add(readWithin)}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case e, open := <-watcher.Updates():
			if !open {
				return errors.New("the watcher has ended")
			}
			f.take(e)
		case <-changed:
			return errors.New("the connection to NATS has changed")
		case now := <-tick.C:
			if err := f.check(ctx, now); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end stops a watcher. It waits until that has handed over what it holds: before, it does not end.
func end(w jetstream.KeyWatcher) {
	_ = w.Stop()
	for range w.Updates() {
	}
}

// A place is how far a bucket's stream has come.
type place struct {
	created time.Time
	last    uint64
}

// look asks the stream below the bucket where it is.
func (l *List) look(ctx context.Context) (place, jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	kv, err := l.js.KeyValue(ctx, l.cfg.Bucket)
	if err != nil {
		return place{}, nil, fmt.Errorf("bucket %s: %w", l.cfg.Bucket, err)
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return place{}, nil, fmt.Errorf("bucket %s: %w", l.cfg.Bucket, err)
	}
	info := status.(*jetstream.KeyValueBucketStatus).StreamInfo()
	return place{info.Created, info.State.LastSeq}, kv, nil
}

// A following is one reading of the bucket, and what comes after it. It belongs to one goroutine.
type following struct {
	list     *List
	from     place
	seen     uint64  // the newest message
	told     uint64  // the newest that there was when it was last asked for
	all      entries // what has been read so far; nil maps = everything has
	complete func()
	until    time.Time // when everything has to have been read
}

// take takes what the watcher says: an entry, that one is gone, or, by nil, that all there were have come.
func (f *following) take(kv jetstream.KeyValueEntry) {
	l := f.list
	if kv == nil {
		l.replace(f.all)
		f.all = entries{}
		f.complete()
		return
	}
	f.seen = max(f.seen, kv.Revision())
	e, ok, err := parse(kv.Key(), kv.Value(), kv.Created())
	put := kv.Operation() == jetstream.KeyValuePut
	if err != nil && put {
		l.log.Warn("an entry of the list of revoked tokens is not understood", "error", err)
	}
	if !ok {
		return
	}
	put = put && !e.over(time.Now())
	switch reading := f.all.ids != nil; {
	case put:
		l.add(e)
		if reading {
			f.all.add(e)
		}
	case reading:
		f.all.remove(e)
	default:
		l.remove(e)
	}
}

// check says whether the list may not be like the bucket any more. What has been written a moment ago may still be on its way.
func (f *following) check(ctx context.Context, now time.Time) error {
	if f.list.forget(now); f.all.ids != nil && now.After(f.until) {
		return errors.New("the bucket could not be read in time")
	}
	is, _, err := f.list.look(ctx)
	switch {
	case err != nil:
		return err
	case !is.created.Equal(f.from.created):
		return errors.New("the bucket was made anew")
	case is.last < f.seen:
		return errors.New("the bucket has lost its end")
	case f.seen < f.told:
		return errors.New("the watcher is behind")
	}
	f.told = is.last
	return nil
}
