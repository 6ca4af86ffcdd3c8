package main

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Replays have a connection of their own, by TCP, to a NATS inside that can be reached so.
func TestReplaysHaveAConnection(t *testing.T) {
	const base = "listen: \"127.0.0.1:-1\"\njetstream { sync_interval: always }\n"
	for name, test := range map[string]struct {
		conf string
		own  bool
	}{
		"open":              {base, true},
		"users":             {base + "authorization { users: [{user: a, password: b}] }", true},
		"within only":       {base + "authorization { users: [{user: a, password: b, allowed_connection_types: [IN_PROCESS]}] }", false},
		"one and no more":   {base + "max_connections: 1", false},
		"not listening":     {base, false},
		"users, one only":   {base + "max_connections: 1\nauthorization { users: [{user: a, password: b}] }", false},
		"a token":           {base + "authorization { token: t }", true},
		"anonymous, a user": {base + "no_auth_user: a\nauthorization { users: [{user: a, password: b}] }", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := &serveCmd{NATSConfig: file(t, "nats.conf", test.conf), StoreDir: t.TempDir()}
			if name == "within only" {
				c.NATSUser, c.NATSPass, c.NATSInbox = "a", file(t, "password", "b"), "_INBOX"
			}
			e, err := c.configure(slog.New(slog.DiscardHandler), sources{"nats-config": ""})
			if err != nil {
				t.Fatal(err)
			}
			e.opts.DontListen = name == "not listening"
			defer e.stop()
			if err := e.start(); err != nil {
				t.Fatal(err)
			}
			nc, err := e.connect(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			replays := e.connectReplays([]nats.Option{nats.Name("x")})
			if replays != nil {
				defer replays.Close()
			}
			if (replays != nil) != test.own {
				t.Fatalf("a connection of their own: %t", replays != nil)
			}
			conns, err := e.server.Connz(&server.ConnzOptions{})
			if err != nil {
				t.Fatal(err)
			}
			names := map[string]int{}
			for _, c := range conns.Conns {
				names[c.Name]++
			}
			if want := map[bool]int{true: 1}[test.own]; names["livebridge-replays"] != want || len(conns.Conns) != 1+want {
				t.Errorf("connections: %v", names)
			}
		})
	}
}
