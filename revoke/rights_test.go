package revoke

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// rights starts a server whose users may publish to no more than they are given here.
func rights(t *testing.T, users map[string][]string) (connect func(user string) *nats.Conn) {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}
	for name, subjects := range users {
		opts.Users = append(opts.Users, &server.User{Username: name, Password: name, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: subjects}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}})
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS is not ready")
	}
	return func(user string) *nats.Conn {
		nc, err := nats.Connect(ns.ClientURL(), nats.UserInfo(user, user), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				if user != "nobody" {
					t.Errorf("%s: %v", user, err)
				}
			}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
}

// The least that a bridge needs, with and without the right to make the bucket, and that somebody needs who only revokes.
func TestLeastRights(t *testing.T) {
	reads := []string{"$JS.API.STREAM.INFO.KV_LIVE_REVOKED", "$JS.API.CONSUMER.CREATE.KV_LIVE_REVOKED.>", "$JS.API.CONSUMER.DELETE.KV_LIVE_REVOKED.*", "$JS.FC.KV_LIVE_REVOKED.>"}
	connect := rights(t, map[string][]string{
		"maker":   append([]string{"$JS.API.INFO", "$JS.API.STREAM.CREATE.KV_LIVE_REVOKED"}, reads...),
		"reader":  reads,
		"revoker": {"$KV.LIVE_REVOKED.>"},
		"nobody":  {"none"},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var be *BucketError
	if _, err := Open(ctx, connect("nobody"), Config{}); !errors.As(err, &be) || !strings.Contains(be.Hint, "$JS.API.CONSUMER.CREATE.KV_LIVE_REVOKED.>") {
		t.Errorf("without rights: %v", err)
	}
	lists := []*List{open(t, connect("maker"), Config{}), open(t, connect("reader"), Config{})}
	const n = 5000 // the server asks for flow control
	list := make([]Entry, n)
	for i := range list {
		list[i].ID = strings.Repeat("x", 240) + time.Duration(i).String()
	}
	put(t, connect("revoker"), list...)
	for _, l := range lists {
		await(t, "all of them", func() bool { return l.Len() == n })
	}
	if l := open(t, connect("reader"), Config{}); l.Len() != n {
		t.Errorf("%d entries at the start, want %d", l.Len(), n)
	}
	if all, err := All(t.Context(), connect("reader"), ""); err != nil || len(all) != n {
		t.Errorf("%d entries, %v", len(all), err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := Put(ctx, connect("nobody"), "", Entry{ID: "x"}); !errors.As(err, &be) || !strings.Contains(be.Hint, "$KV.LIVE_REVOKED.>") {
		t.Errorf("without rights: %v", err)
	}
}
