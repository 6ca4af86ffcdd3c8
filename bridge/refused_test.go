package bridge

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A flood that anybody can cause fills no log: at info and above one line every ten seconds says that it goes on, and debug has them all.
func TestComplaints(t *testing.T) {
	const n = 20
	var log buffer
	r := guarded(t, func(c *Config) {
		c.LoopbackOrigins = true
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for _, tc := range []struct {
		level, line string
		do          func()
	}{
		{"INFO", `msg="token refused" remote=`, func() { r.get("/v1/events", bearer("e30.e30.e30")...) }},
		{"WARN", `msg="origin refused"`, func() { r.get("/v1/events", "Origin", "https://evil.example") }},
		{"WARN", `msg="host refused"`, func() {
			w := r.wire("GET /v1/events HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 0)
			_, _ = w.response(t)
		}},
	} {
		for range n {
			tc.do()
		}
		count := func() (rarely, always int) {
			for line := range strings.Lines(log.String()) {
				switch {
				case !strings.Contains(line, tc.line):
				case strings.Contains(line, "level="+tc.level):
					rarely++
				case strings.Contains(line, "level=DEBUG"):
					always++
				}
			}
			return rarely, always
		}
		await(t, tc.line+" is in the log", func() bool { rarely, always := count(); return rarely+always == n })
		if rarely, always := count(); rarely != 1 || always != n-1 {
			t.Errorf("%s: %d lines at level %s and %d at DEBUG, want 1 and %d", tc.line, rarely, tc.level, always, n-1)
		}
	}
	c := newComplaints()
	now := time.Now()
	for i, tc := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {complainEvery - 1, false}, {complainEvery, true}, {complainEvery + 1, false}} {
		if got := c.due(badToken, now.Add(tc.after)); got != tc.want {
			t.Errorf("look %d, after %s: %t", i, tc.after, got)
		}
	}
}
