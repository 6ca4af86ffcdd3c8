package revoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MaxBytes is how large a bucket may become that [Open] makes: a hundred thousand entries. Beyond, revoking fails, and nothing is forgotten.
const MaxBytes = 32 << 20

const (
	mostValue = 1 << 10          // bytes of one value
	markers   = 10 * time.Minute // how long the sign stays that an entry is gone
)

// A BucketError says that the bucket cannot be used: why, and what to do.
type BucketError struct {
	Bucket  string
	Problem string
	Hint    string
}

func (e *BucketError) Error() string { return fmt.Sprintf("bucket %s: %s", e.Bucket, e.Problem) }

// create makes sure that the bucket is there.
func (l *List) create(ctx context.Context) error {
	if _, err := l.js.KeyValue(ctx, l.cfg.Bucket); !errors.Is(err, jetstream.ErrBucketNotFound) {
		return l.explain(err)
	}
	_, err := l.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: l.cfg.Bucket, Description: "Tokens that do not count any more, kept by Livebridge",
		MaxValueSize: mostValue, MaxBytes: MaxBytes, Storage: jetstream.FileStorage, Replicas: max(l.cfg.Replicas, 1), LimitMarkerTTL: markers,
	})
	if errors.Is(err, jetstream.ErrBucketExists) {
		return nil // another bridge was faster
	}
	return l.explain(err)
}

// JetStream's error codes that a person can do something about (nats-server/server/errors.json).
const (
	codeNoReplicas = 10074
	codeStorage    = 10047
	codeNoTTL      = 10166 // per-message TTL is disabled
	codeFull       = 10077 // maximum bytes exceeded
)

// explain says what to do about an error of opening the bucket.
func (l *List) explain(err error) error {
	if err == nil {
		return nil
	}
	problem := func(p, hint string) error { return &BucketError{Bucket: l.cfg.Bucket, Problem: p, Hint: hint} }
	stream := "KV_" + l.cfg.Bucket
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeNoReplicas:
			return problem(fmt.Sprintf("%d replicas need a NATS cluster", l.cfg.Replicas), "set --replicas 1, or connect to a cluster with --nats-url")
		case codeStorage:
			return problem("NATS has not enough storage for it: "+api.Description, "raise max_file of jetstream in nats.conf")
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrPermissionViolation):
		return problem("it cannot be opened or created, or not be read, in time", fmt.Sprintf(
			"may this NATS user publish to $JS.API.STREAM.INFO.%[1]s, $JS.API.CONSUMER.CREATE.%[1]s.>, $JS.API.CONSUMER.DELETE.%[1]s.* and $JS.FC.%[1]s.>, and to $JS.API.INFO and $JS.API.STREAM.CREATE.%[1]s to create it? "+
				"Or do without revocation: --revocation-bucket off", stream))
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return problem("JetStream does not answer on this NATS server", "enable it: a jetstream { store_dir: … } block in its configuration, or for this account")
	case errors.Is(err, jetstream.ErrBucketNotFound):
		return problem("there is none of that name on this NATS server", noBucket)
	case errors.Is(err, jetstream.ErrInvalidBucketName):
		return problem("that is not the name of a bucket", "a bucket's name has A-Z a-z 0-9 - _ alone")
	}
	return fmt.Errorf("open bucket %s: %w", l.cfg.Bucket, err)
}

// Put stores entries in a bucket, one after another, and returns when NATS has acknowledged them: a moment later they count on every
// bridge. An entry that is there for the same jti or sub is replaced. An entry with Until is removed by NATS when that has come.
//
// It needs no more than the right to publish to $KV.BUCKET.> and to subscribe to an inbox. "" = [DefaultBucket]. The error is a
// [*BucketError] where a person can do something about it.
func Put(ctx context.Context, nc *nats.Conn, bucket string, list ...Entry) error {
	if bucket == "" {
		bucket = DefaultBucket
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("JetStream: %w", err)
	}
	for _, e := range list {
		key, err := e.Key()
		if err != nil {
			return err
		}
		m := nats.NewMsg("$KV." + bucket + "." + key)
		m.Data = e.value()
		opts := []jetstream.PublishOpt{jetstream.WithExpectStream("KV_" + bucket)}
		if !e.Until.IsZero() {
			opts = append(opts, jetstream.WithMsgTTL(max(time.Until(e.Until).Round(time.Second), time.Second)))
		}
		if _, err := js.PublishMsg(ctx, m, opts...); err != nil {
			return putError(bucket, err)
		}
	}
	return nil
}

const noBucket = "start a bridge that asks for tokens, which creates it, or name its --revocation-bucket"

func putError(bucket string, err error) error {
	problem := func(p, hint string) error { return &BucketError{Bucket: bucket, Problem: p, Hint: hint} }
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeNoTTL:
			return problem("it was made without TTLs for single entries", "nats stream edit KV_"+bucket+" --allow-msg-ttl")
		case codeFull:
			return problem("it is full: nothing was revoked", "nats stream edit KV_"+bucket+" --max-bytes with more, and see that entries have an end")
		}
	}
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return problem("there is none of that name on this NATS server: nothing was revoked", noBucket)
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return problem("NATS did not acknowledge: it is not known whether the token is revoked", "revoke again; this NATS user needs the right to publish to $KV."+bucket+".> and to subscribe to _INBOX.>")
	}
	return fmt.Errorf("bucket %s: %w", bucket, err)
}

// All reads the entries that are in a bucket now, in no order. "" = [DefaultBucket].
func All(ctx context.Context, nc *nats.Conn, bucket string) ([]Entry, error) {
	l := &List{cfg: Config{Bucket: bucket}}
	if bucket == "" {
		l.cfg.Bucket = DefaultBucket
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	kv, err := js.KeyValue(ctx, l.cfg.Bucket)
	if err != nil {
		return nil, l.explain(err)
	}
	watcher, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, l.explain(err)
	}
	defer end(watcher)
	var list []Entry
	for {
		select {
		case kv, open := <-watcher.Updates():
			if kv == nil {
				if !open {
					return nil, l.explain(context.DeadlineExceeded)
				}
				return list, nil
			}
			if e, ok, _ := parse(kv.Key(), kv.Value(), kv.Created()); ok && !e.over(time.Now()) {
				list = append(list, e)
			}
		case <-ctx.Done():
			return nil, l.explain(ctx.Err())
		}
	}
}
