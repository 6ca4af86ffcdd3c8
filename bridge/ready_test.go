package bridge

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The stream is in trouble while publishes go unanswered, until one is answered, somebody's event is stored, or nobody has tried for a while.
func TestStoring(t *testing.T) {
	const head = 7
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		name    string
		happens func(*storing)
		head    uint64
		after   time.Duration // since the last failure
		trouble string        // a part of it; "" = none
	}{
		{"nothing yet", func(*storing) {}, head, 0, ""},
		{"acknowledged", func(s *storing) { s.acknowledged() }, head, 0, ""},
		{"unanswered", func(s *storing) { s.failed(head, now) }, head, 0, "nothing since 1970-01-12T13:46:40Z, 1 publishes"},
		{"unanswered twice", func(s *storing) { s.failed(head, now.Add(-time.Hour)); s.failed(head, now) }, head, forgiven, "since 1970-01-12T12:46:40Z, 2 publishes"},
		{"answered again", func(s *storing) { s.failed(head, now); s.acknowledged() }, head, 0, ""},
		{"another's event was stored", func(s *storing) { s.failed(head, now) }, head + 1, 0, ""},
		{"unanswered, stored, unanswered", func(s *storing) { s.failed(head-1, now.Add(-time.Hour)); s.failed(head, now) }, head, 0, "13:46:40Z, 1 publishes"},
		{"nobody has tried since", func(s *storing) { s.failed(head, now) }, head, forgiven + 1, ""},
	} {
		var s storing
		c.happens(&s)
		err := s.trouble(c.head, now.Add(c.after))
		if (err == nil) != (c.trouble == "") || err != nil && !strings.Contains(err.Error(), c.trouble) {
			t.Errorf("%s: %v, want %q", c.name, err, c.trouble)
		}
	}
}

// What is known of the store beyond its answers counts, too.
func TestHealth(t *testing.T) {
	var ill atomic.Bool
	r := start(t, func(c *Config) {
		c.Health = func() error {
			if ill.Load() {
				return errors.New("no space left")
			}
			return nil
		}
	})
	await(t, "it is ready", func() bool { return r.srv.Ready() == nil })
	ill.Store(true)
	status, body := r.get("/readyz")
	wantError(t, status, body, 503, "unavailable", "no space left")
}

// The log names the session, the subscription and the cursor of what happens to a client.
func TestSessionLog(t *testing.T) {
	var log buffer
	r := start(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	b := r.dial()
	b.send(`{"op":"connect"}`)
	session := field(t, b.want("connected"), "session")
	b.send(`{"op":"subscribe","sub":"mine","resource":"products"}`)
	cursor := field(t, b.want("subscribed"), "cursor")
	b.want("live")
	_ = b.ws.Close()
	await(t, "the end is logged", func() bool { return strings.Contains(log.String(), "disconnected") })
	for _, want := range []string{
		"msg=connected session=" + session,
		"msg=subscribed session=" + session,
		"sub=mine cursor=" + cursor,
		"msg=disconnected session=" + session,
		"code=1006",
		"head=" + cursor,
	} {
		if !strings.Contains(strings.ReplaceAll(log.String(), " remote="+b.ws.LocalAddr().String(), ""), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}
