package revoke

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/livebridge/livebridge/auth"
	"github.com/livebridge/livebridge/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, nc *nats.Conn, cfg Config) *List {
	t.Helper()
	l, err := Open(t.Context(), nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func put(t testing.TB, nc *nats.Conn, list ...Entry) {
	t.Helper()
	if err := Put(t.Context(), nc, "", list...); err != nil {
		t.Fatal(err)
	}
}

// await waits for a state.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("waited for: %s", what)
		}
	}
}

func token(id, subject string, issued int64) *auth.Grant {
	g := &auth.Grant{ID: id, Subject: subject}
	if issued != 0 {
		g.Issued = time.Unix(issued, 0)
	}
	return g
}

// One table says which tokens a list revokes.
func TestRevoked(t *testing.T) {
	ns := natstest.Start(t)
	nc := ns.Connect()
	l := open(t, nc, Config{})
	const at = 1795622400
	put(t, nc,
		Entry{ID: "j1"}, Entry{ID: "j2", Until: time.Now().Add(time.Hour)}, Entry{ID: "a.b*>é \x00/"},
		Entry{Subject: "alice", Before: time.Unix(at, 0)}, Entry{Subject: "bob"}, Entry{Subject: "carl", Before: time.Unix(at, 1)},
		Entry{Subject: "j3"},
	)
	await(t, "the entries", func() bool { return l.Len() == 7 })
	now := time.Now().Unix()
	for _, tc := range []struct {
		what    string
		grant   *auth.Grant
		revoked bool
	}{
		{"its jti", token("j1", "zoe", now), true},
		{"its jti, for a time", token("j2", "zoe", now), true},
		{"a jti of any characters", token("a.b*>é \x00/", "zoe", now), true},
		{"another jti", token("j", "zoe", now), false},
		{"a jti that is a sub in the list", token("alice", "zoe", 1), false},
		{"a sub that is a jti in the list", token("", "j1", 1), false},
		{"neither jti nor sub", token("", "", 0), false},
		{"issued before", token("j9", "alice", at-1), true},
		{"issued then", token("j9", "alice", at), false},
		{"issued after", token("j9", "alice", at+1), false},
		{"not said when it was issued", token("j9", "alice", 0), true},
		{"another case", token("j9", "Alice", at-1), false},
		{"before a part of a second", token("", "carl", at), true},
		{"after a part of a second", token("", "carl", at+1), false},
		{"issued long before the entry was stored", token("", "bob", at), true},
		{"issued in the second when it was stored, or before", token("", "bob", now-1), true},
		{"issued two seconds after", token("", "bob", now+2), false},
	} {
		if got := l.Revoked(tc.grant); got != tc.revoked {
			t.Errorf("%s: revoked %v", tc.what, got)
		}
	}
}

// What any other program writes is understood, and what is not understood revokes more rather than less.
func TestPlainPut(t *testing.T) {
	nc := natstest.Start(t).Connect()
	l := open(t, nc, Config{})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), DefaultBucket)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	for key, value := range map[string]string{
		"jti." + b64([]byte("j1")):      ``,
		"jti." + b64([]byte("j2")):      `{}`,
		"jti." + b64([]byte("j3")):      fmt.Sprintf(`{"until":%d}`, now+3600),
		"jti." + b64([]byte("j4")):      fmt.Sprintf(`{"until":%d}`, now-1), // over
		"jti." + b64([]byte("j5")):      `not JSON`,
		"sub." + b64([]byte("alice")):   ``,
		"sub." + b64([]byte("bob")):     `{"before":5,"until":null,"by":"eva"}`,
		"sub." + b64([]byte("carl")):    `{"before":"yesterday"}`,
		"sub." + b64([]byte("dora")):    `[]`,
		"sub." + b64([]byte("ä/ö?~")):   `{}`,
		"sub.alice":                     `{}`, // decodes to nothing of a sub
		"jti.===":                       `{}`,
		"user." + b64([]byte("eve")):    `{}`,
		"jti":                           `{}`,
		"sub." + b64([]byte("x")) + "A": `{}`,
	} {
		if _, err := kv.PutString(t.Context(), key, value); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	put(t, nc, Entry{ID: "last"})
	await(t, "the last", func() bool { return l.Revoked(token("last", "", 0)) })
	for _, tc := range []struct {
		id, sub string
		issued  int64
		revoked bool
	}{
		{"j1", "", now, true}, {"j2", "", now, true}, {"j3", "", now, true}, {"j4", "", now, false}, {"j5", "", now, true},
		{"", "alice", now - 1, true}, {"", "alice", now + 5, false}, {"", "bob", 4, true}, {"", "bob", 5, false},
		{"", "carl", now + 1e6, true}, {"", "dora", now + 1e6, true}, {"", "ä/ö?~", now - 1, true}, {"", "eve", now - 1, false},
	} {
		if got := l.Revoked(token(tc.id, tc.sub, tc.issued)); got != tc.revoked {
			t.Errorf("jti %q, sub %q: revoked %v", tc.id, tc.sub, got)
		}
	}
	// What is deleted counts again.
	if err := kv.Delete(t.Context(), "jti."+b64([]byte("j1"))); err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(t.Context(), "sub."+b64([]byte("alice"))); err != nil {
		t.Fatal(err)
	}
	await(t, "they count again", func() bool { return !l.Revoked(token("j1", "", 0)) && !l.Revoked(token("", "alice", now-1)) })
}

// An entry goes by itself when its time has come, from memory and from NATS.
func TestEntriesExpire(t *testing.T) {
	nc := natstest.Start(t).Connect()
	l := open(t, nc, Config{})
	put(t, nc, Entry{ID: "brief", Until: time.Now().Add(time.Second)}, Entry{ID: "long", Until: time.Now().Add(time.Hour)}, Entry{ID: "ever"})
	await(t, "all three", func() bool { return l.Revoked(token("ever", "", 0)) })
	await(t, "one is over", func() bool { return l.Len() == 2 })
	if l.Revoked(token("brief", "", 0)) || !l.Revoked(token("long", "", 0)) {
		t.Error("the wrong one is over")
	}
	await(t, "NATS has forgotten it", func() bool {
		all, err := All(t.Context(), nc, "")
		return err == nil && len(all) == 2
	})
}

// A list is complete when it is opened, on every bridge.
func TestComplete(t *testing.T) {
	nc := natstest.Start(t).Connect()
	open(t, nc, Config{})
	const n = 3000 // more than the watcher holds
	list := make([]Entry, n)
	for i := range list {
		list[i].ID = fmt.Sprint(i)
	}
	put(t, nc, list...)
	l := open(t, nc, Config{})
	for i := range list {
		if !l.Revoked(token(fmt.Sprint(i), "", 0)) {
			t.Fatalf("%d is missing in a list of %d", i, l.Len())
		}
	}
	if all, err := All(t.Context(), nc, ""); err != nil || len(all) != n {
		t.Errorf("%d entries, %v", len(all), err)
	}
}

// While NATS is away the last list stays; afterwards nothing is missing, and what was lifted meanwhile is lifted.
func TestOutage(t *testing.T) {
	ns := natstest.Start(t)
	nc := ns.Connect()
	l := open(t, nc, Config{})
	other := open(t, ns.Connect(), Config{})
	put(t, nc, Entry{ID: "j1"}, Entry{ID: "j2"})
	await(t, "both", func() bool { return l.Len() == 2 && other.Len() == 2 })
	for round := range 3 {
		ns.Down()
		await(t, "it is noticed", func() bool { return l.Ready() != nil })
		if !l.Revoked(token("j1", "", 0)) {
			t.Fatal("the list is gone while NATS is away")
		}
		ns.Up()
		id := fmt.Sprintf("round %d", round)
		await(t, "revoking works again", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return Put(ctx, nc, "", Entry{ID: id}) == nil
		})
		for _, l := range []*List{l, other} {
			await(t, "it is followed again", func() bool { return l.Ready() == nil && l.Revoked(token(id, "", 0)) })
			if !l.Revoked(token("j2", "", 0)) {
				t.Error("an entry was lost")
			}
		}
	}
}

// A bucket that was made anew is found out. What it holds counts.
func TestBucketMadeAnew(t *testing.T) {
	nc := natstest.Start(t).Connect()
	l := open(t, nc, Config{})
	put(t, nc, Entry{ID: "old"})
	await(t, "the entry", func() bool { return l.Len() == 1 })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), DefaultBucket); err != nil {
		t.Fatal(err)
	}
	if !l.Revoked(token("old", "", 0)) {
		t.Error("the list is gone with the bucket")
	}
	await(t, "the server to have removed the files of the old one", func() bool {
		_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: DefaultBucket})
		return err == nil
	})
	put(t, nc, Entry{ID: "new"})
	await(t, "the new entry", func() bool { return l.Revoked(token("new", "", 0)) && !l.Revoked(token("old", "", 0)) })
	// … which takes entries without an end alone.
	err = Put(t.Context(), nc, "", Entry{ID: "x", Until: time.Now().Add(time.Hour)})
	if be := (*BucketError)(nil); !errors.As(err, &be) || !strings.Contains(be.Hint, "--allow-msg-ttl") {
		t.Errorf("%v", err)
	}
}

// Whoever waits for changes is told after they count.
func TestChanged(t *testing.T) {
	nc := natstest.Start(t).Connect()
	l := open(t, nc, Config{})
	for i := range 20 {
		id := fmt.Sprint(i)
		put(t, nc, Entry{ID: id})
		for !l.Revoked(token(id, "", 0)) {
			<-l.Changed()
		}
	}
}

func TestEntries(t *testing.T) {
	for _, e := range []Entry{{}, {ID: "a", Subject: "b"}, {ID: strings.Repeat("x", 257)}, {Subject: strings.Repeat("x", 257)}} {
		if key, err := e.Key(); err == nil {
			t.Errorf("%+.20v has the key %s", e, key)
		}
	}
	nc := natstest.Start(t).Connect()
	if err := Put(t.Context(), nc, "", Entry{ID: "x"}); err == nil || !strings.Contains(err.Error(), "nothing was revoked") {
		t.Errorf("without a bucket: %v", err)
	}
	if _, err := Open(t.Context(), nc, Config{Bucket: "a.b"}); err == nil || !strings.Contains(err.Error(), "not the name") {
		t.Errorf("a wrong name: %v", err)
	}
	if _, err := Open(t.Context(), nc, Config{Bucket: "R3", Replicas: 3}); err == nil || !strings.Contains(err.Error(), "3 replicas need a NATS cluster") {
		t.Errorf("replicas: %v", err)
	}
	open(t, nc, Config{})
	want := []Entry{{ID: strings.Repeat("é", 128)}, {Subject: "alice", Before: time.Unix(5, 0), Until: time.Unix(4e9, 0)}}
	put(t, nc, want...)
	all, err := All(t.Context(), nc, "")
	if err != nil || len(all) != 2 || all[0] != want[0] || all[1] != want[1] {
		t.Errorf("%+v, %v", all, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("jti.YQ", []byte(`{"until":5}`))
	f.Add("sub.YQ", []byte(`{"before":-5}`))
	f.Add("sub.", []byte(`null`))
	f.Fuzz(func(t *testing.T, key string, text []byte) {
		e, ok, err := parse(key, text, time.Unix(100, 5))
		if !ok {
			if err == nil {
				t.Fatal("neither an entry nor an error")
			}
			return
		}
		if again, err := e.Key(); err == nil && again != key {
			t.Fatalf("%q is the key of %+v, whose key is %q", key, e, again)
		}
		if err == nil {
			if same, _, err := parse(key, e.value(), time.Unix(100, 5)); err != nil || same != e {
				t.Fatalf("%+v became %+v, %v", e, same, err)
			}
		}
	})
}
