package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/internal/natstest"
)

// documented is what docs/configuration.md gives the bridge's user, without the subjects left out.
func documented(t *testing.T, without ...string) string {
	t.Helper()
	page := string(content(t, filepath.Join("..", "..", "docs", "configuration.md")))
	_, block, _ := strings.Cut(page, "The bridge needs a user with these rights, and no others:")
	block = regexp.MustCompile(`(?s)permissions: \{(.*?)\n {16}\}`).FindString(block)
	if block == "" {
		t.Fatal("configuration.md no longer shows the rights")
	}
	for _, subject := range without {
		if !strings.Contains(block, `"`+subject+`"`) {
			t.Fatalf("configuration.md does not have %s", subject)
		}
		block = strings.Replace(block, `"`+subject+`"`, "", 1)
	}
	return block
}

const (
	mayCreate  = "$JS.API.STREAM.CREATE.LIVE"
	mayPublish = "live.*.*.*"
)

// limited is a server with an administrator, and bridges that may do what is documented: create, publish and read, publish and read, and read.
func limited(t *testing.T) *natsd {
	return runNATS(t, fmt.Sprintf(`authorization { users: [
		{ user: admin, password: secret }
		{ user: creator, password: secret, %s }
		{ user: publisher, password: secret, %s }
		{ user: reader, password: secret, %s }
	] }`, documented(t), documented(t, mayCreate), documented(t, mayCreate, mayPublish)))
}

// as are the flags of a user.
func as(t testing.TB, ns *natsd, user string) []string {
	return []string{"--nats-url", ns.ClientURL(), "--nats-user", user, "--nats-password-file", file(t, "password", "secret"), "--nats-inbox", "_INBOX.bridge"}
}

func (r *running) post(body string, header ...string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest("POST", r.URL+"/v1/events", strings.NewReader(body))
	steps(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	steps(r.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	steps(r.t, err)
	return resp.StatusCode, string(text)
}

// With the documented rights and no more, everything works: creating, publishing one and many, live, every start, history, cursors and
// resets. What they leave out is refused.
func TestLeastRights(t *testing.T) {
	ns := limited(t)
	if _, stderr, status := calls(t, append(as(t, ns, "reader"), "--listen", "127.0.0.1:0")...); status != exitFailure ||
		!strings.Contains(stderr, "lacks a right") || !strings.Contains(stderr, mayCreate) || !strings.Contains(stderr, "hint: give it that right") {
		t.Errorf("without the right to create: exit %d: %s", status, stderr)
	}
	first := serve(t, as(t, ns, "creator")...)
	first.stop()
	small := []string{"--window-bytes", "1KiB"} // so that replays read the stream
	writes, reads := serve(t, append(as(t, ns, "publisher"), small...)...), serve(t, append(as(t, ns, "reader"), small...)...)
	live := watch(t, reads.URL+"/v1/sse?resource=products")
	live.wait(t, ": live")
	if code, body := writes.post(`{"resource":"products","type":"created","id":"1"}`); code != 200 {
		t.Errorf("publish one: %d %s", code, body)
	}
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, `,{"resource":"products","type":"updated","id":"%d","payload":"%0500d"}`, i, i)
	}
	for range 2 { // the second time it is known
		if code, body := writes.post("["+many.String()[1:]+"]", "Idempotency-Key", "many"); code != 200 {
			t.Errorf("publish many: %d %s", code, body)
		}
	}
	live.wait(t, `"type":"created","id":"1"`)
	live.wait(t, `"id":"39"`)
	code, body := get(t, reads.URL+"/v1/events?resource=products&limit=5")
	var page struct {
		Cursor string
		More   bool
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || code != 200 || !page.More {
		t.Fatalf("history: %d %s", code, body)
	}
	for _, start := range []string{"after=" + page.Cursor, "since=-1h", "last=41", "last=2", "after=" + page.Cursor + "&type=updated&id=38&id=39"} {
		watch(t, reads.URL+"/v1/sse?resource=products&"+start).wait(t, `"id":"39"`)
		if code, body := get(t, reads.URL+"/v1/events?resource=products&"+start); code != 200 || !strings.Contains(body, `"id":"39"`) {
			t.Errorf("%s: %d %s", start, code, body)
		}
	}
	if got := must(t, append([]string{"tail", "--no-follow"}, as(t, ns, "reader")...)...); !strings.Contains(got, "products updated 39") {
		t.Errorf("tail: %s", got)
	}
	for _, b := range []*running{writes, reads} {
		if said := b.stderr.String(); strings.Contains(strings.ToLower(said), "permission") || strings.Contains(said, "interrupted") {
			t.Errorf("something was refused, or went wrong: %s", said)
		}
	}
	if code, body := reads.post(`{"resource":"products","type":"created","id":"2"}`); code != 500 || !strings.Contains(body, `"internal"`) {
		t.Errorf("publish without the right: %d %s", code, body)
	}
	reads.stderr.wait(t, "live.products.created.2")
	resets(t, ns, reads, live, page.Cursor)
}

// resets has the administrator delete the stream and make it anew, which live and old readers are told.
func resets(t *testing.T, ns *natsd, b *running, live *lines, cursor string) {
	nc, err := nats.Connect(ns.ClientURL(), nats.UserInfo("admin", "secret"))
	steps(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	steps(t, err)
	st, err := js.Stream(t.Context(), "LIVE")
	steps(t, err, st.Purge(t.Context()))
	until(t, func() bool { code, _ := get(t, b.URL+"/v1/events?after="+cursor); return code == 410 })
	steps(t, js.DeleteStream(t.Context(), "LIVE"), natstest.CreateStream(t.Context(), js, st.CachedInfo().Config))
	live.wait(t, "event: reset")
	watch(t, b.URL+"/v1/sse?after="+cursor).wait(t, `"reason":"stream"`)
	until(t, func() bool { code, _ := get(t, b.URL+"/readyz"); return code == 200 })
}

// What a bridge need not do, its user may not.
func TestNoMoreThanLeastRights(t *testing.T) {
	ns := limited(t)
	serve(t, as(t, ns, "creator")...)
	refusals := make(chan error, 100)
	nc, err := nats.Connect(ns.ClientURL(), nats.UserInfo("creator", "secret"), nats.CustomInboxPrefix("_INBOX.bridge"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refusals <- err }))
	steps(t, err)
	defer nc.Close()
	is := func(what string) {
		t.Helper()
		select {
		case err := <-refusals:
			if !strings.Contains(err.Error(), what) || !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Errorf("%s is not refused", what)
		}
	}
	for _, subject := range []string{
		"$JS.API.STREAM.DELETE.LIVE", "$JS.API.STREAM.PURGE.LIVE", "$JS.API.STREAM.UPDATE.LIVE", "$JS.API.STREAM.MSG.DELETE.LIVE", "$JS.API.STREAM.SNAPSHOT.LIVE",
		"$JS.API.STREAM.RESTORE.LIVE", "$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.INFO.OTHER", "$JS.API.STREAM.MSG.GET.OTHER", "$JS.API.CONSUMER.CREATE.OTHER.x",
		"$JS.API.STREAM.LIST", "$JS.API.CONSUMER.LIST.LIVE", "$JS.API.INFO", "$JS.API.ACCOUNT.PURGE.A", "$SYS.REQ.SERVER.PING", "$KV.LIVE.x", "live.products", "live.a.b.c.d", "other",
	} {
		steps(t, nc.Publish(subject, []byte("{}")))
		is(subject)
	}
	for _, subject := range []string{">", "live.>", "$SYS.>", "$JS.>", "_INBOX.>", "_INBOX.*.x"} {
		_, err := nc.SubscribeSync(subject)
		steps(t, err)
		is(`"` + subject + `"`)
	}
}

// A right that is taken away while the bridge runs makes it unready, and the log names it.
func TestRightsAreTakenAway(t *testing.T) {
	for _, right := range []string{"$JS.API.STREAM.INFO.LIVE", "$JS.API.CONSUMER.MSG.NEXT.LIVE.*", "$JS.API.CONSUMER.CREATE.LIVE.>"} {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			ns := runNATS(t, "authorization { users: [{ user: admin, password: secret }, { user: bridge, password: secret, "+documented(t)+" }] }")
			b := serve(t, as(t, ns, "bridge")...)
			ns.change(`"`+right+`"`, "")
			if strings.Contains(right, "CREATE") { // which is needed for the next consumer
				nc, err := nats.Connect(ns.ClientURL(), nats.UserInfo("admin", "secret"))
				steps(t, err)
				defer nc.Close()
				js, err := jetstream.New(nc)
				steps(t, err)
				st, err := js.Stream(t.Context(), "LIVE")
				steps(t, err)
				for name := range st.ConsumerNames(t.Context()).Name() {
					steps(t, st.DeleteConsumer(t.Context(), name))
				}
			}
			until(t, func() bool {
				code, body := get(t, b.URL+"/readyz")
				return code == 503 && strings.Contains(body, "a right that it needs")
			})
			b.stderr.wait(t, strings.TrimRight(right, ".*>"))
			ns.change("subscribe: [", `publish: [">"] `+"\n subscribe: [")
			until(t, func() bool { code, _ := get(t, b.URL+"/readyz"); return code == 200 })
		})
	}
}
