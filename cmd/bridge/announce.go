package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
)

// announce says where to connect: in a terminal with lines to paste, otherwise in one line of the log.
func (c *serveCmd) announce(p *program, l *listeners, n *natsSide, log *slog.Logger) {
	host := reachable(address{host: c.Listen.host, port: port(l.main)})
	web, ws := "http://"+host, "ws://"+host+"/v1/ws"
	if l.tls {
		web, ws = "https://"+host, "wss://"+host+"/v1/ws"
	}
	admin := ""
	if l.admin != nil {
		admin = "http://" + reachable(address{host: c.AdminListen.host, port: port(l.admin)})
	}
	store := ""
	if n.inside != nil {
		store = n.inside.opts.StoreDir
	}
	if !isTerminal(p.stderr) || c.LogFormat == "json" {
		attrs := []any{"url", web, "websocket", ws, "sse", web + "/v1/sse", "nats", n.url, "stream", c.Stream, "version", versionOf()}
		if store != "" {
			attrs = append(attrs, "store_dir", store)
		}
		if admin != "" {
			attrs = append(attrs, "admin", admin)
		}
		if c.console(p.set) {
			attrs = append(attrs, "console", web+"/")
		}
		log.Info("ready", attrs...)
		return
	}
	rows := [][2]string{{"Browsers", ws}}
	if c.console(p.set) {
		rows = append(rows, [2]string{"Console", web + "/"})
	}
	rows = append(rows, [][2]string{
		{"Watch", "curl -N " + web + "/v1/sse"},
		{"Publish", self() + ` publish products updated 42 '{"price":10}'` + c.natsOf(n)},
		{"", "curl " + web + `/v1/events --json '{"resource":"products","type":"updated","id":"42","payload":{"price":10}}'`},
		{"NATS", orElse(n.url, "inside, for the bridge only") + "   subject live.products.updated.42"},
	}...)
	if store != "" {
		rows = append(rows, [2]string{"Events", fmt.Sprintf("%s, stream %s", store, c.Stream)})
	} else {
		rows = append(rows, [2]string{"Events", fmt.Sprintf("stream %s; what an acknowledgement promises is up to that NATS (sync_interval)", c.Stream)})
	}
	if admin != "" {
		rows = append(rows, [2]string{"Metrics", admin + "/metrics"})
	} else {
		rows = append(rows, [2]string{"Metrics", web + "/metrics"})
	}
	banner(p.stderr, p.coloured(p.stderr), rows)
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

// natsOf is the flag that publish needs to reach this NATS, where that is not the default.
func (c *serveCmd) natsOf(n *natsSide) string {
	if n.url == "" || n.url == "nats://127.0.0.1:4222" {
		return ""
	}
	return " --nats-url " + n.url
}

// self is how to call this program again.
func self() string {
	path, err := os.Executable()
	if err == nil && strings.Contains(path, "go-build") {
		return "go run ./cmd/bridge" // it was started by go run, and is gone afterwards
	}
	return os.Args[0]
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
