package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
)

// places are where a bridge is found; "" where there is no such thing.
type places struct{ web, ws, admin, console, nats, store string }

func (c *serveCmd) places(p *program, l *listeners, n *natsSide) places {
	host := reachable(address{host: c.Listen.host, port: port(l.main)})
	at := places{web: "http://" + host, ws: "ws://" + host + "/v1/ws", nats: n.url}
	if l.cert != nil {
		at.web, at.ws = "https://"+host, "wss://"+host+"/v1/ws"
	}
	if l.admin != nil {
		at.admin = "http://" + reachable(address{host: c.AdminListen.host, port: port(l.admin)})
	}
	if c.console(p.set) {
		at.console = at.web + "/"
	}
	if n.inside != nil {
		at.store = n.inside.opts.StoreDir
	}
	return at
}

// announce says where to connect: in a terminal with lines to paste, otherwise in one line of the log.
func (c *serveCmd) announce(p *program, at places, log *slog.Logger) {
	if isTerminal(p.stderr) && c.LogFormat != "json" {
		banner(p.stderr, p.coloured(p.stderr), c.rows(at))
		return
	}
	attrs := []any{"url", at.web, "websocket", at.ws, "sse", at.web + "/v1/sse", "nats", at.nats, "stream", c.Stream, "version", versionOf()}
	for _, more := range [][2]string{{"store_dir", at.store}, {"admin", at.admin}, {"console", at.console}} {
		if more[1] != "" {
			attrs = append(attrs, more[0], more[1])
		}
	}
	log.Info("ready", attrs...)
}

// rows are the lines for a terminal.
func (c *serveCmd) rows(at places) [][2]string {
	events := at.store + ", stream " + c.Stream
	if at.store == "" {
		events = "stream " + c.Stream + "; what an acknowledgement promises is up to that NATS (sync_interval)"
	}
	rows := [][2]string{{"Browsers", at.ws}}
	if at.console != "" {
		rows = append(rows, [2]string{"Console", at.console})
	}
	bearer, metrics := "", cmp.Or(at.admin, at.web)+"/metrics"
	if c.asked() {
		bearer = `-H "Authorization: Bearer $TOKEN" `
		if at.admin == "" {
			metrics = "not served: give them an address with --admin-listen"
		}
	}
	return append(rows, [][2]string{
		{"Watch", "curl -N " + bearer + at.web + "/v1/sse"},
		{"Publish", self() + ` publish products updated 42 '{"price":10}'` + elsewhere(at.nats)},
		{"", "curl " + bearer + at.web + `/v1/events --json '{"resource":"products","type":"updated","id":"42","payload":{"price":10}}'`},
		{"NATS", cmp.Or(at.nats, "inside, for the bridge only") + "   subject live.products.updated.42"},
		{"Events", events},
		{"Metrics", metrics},
	}...)
}

func banner(w io.Writer, coloured bool, rows [][2]string) {
	bold, dim, off := "\x1b[1m", "\x1b[2m", "\x1b[0m"
	if !coloured {
		bold, dim, off = "", "", ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %sLivebridge is ready%s%s   Ctrl-C stops it%s\n\n", bold, off, dim, off)
	for _, r := range rows {
		fmt.Fprintf(&b, "  %s%-9s%s%s\n", dim, r[0], off, r[1])
	}
	_, _ = fmt.Fprintln(w, b.String())
}

func port(ln net.Listener) int {
	if a, ok := ln.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// elsewhere is the flag that publish needs to reach this NATS, where that is not the default.
func elsewhere(nats string) string {
	if nats == "" || nats == "nats://127.0.0.1:4222" {
		return ""
	}
	return " --nats-url " + nats
}

// self is how to call this program again.
func self() string {
	path, err := os.Executable()
	if err == nil && strings.Contains(path, "go-build") {
		return "go run ./cmd/bridge" // it was started by go run, and is gone afterwards
	}
	return os.Args[0]
}
