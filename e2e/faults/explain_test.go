//go:build linux

package faults

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/link"
)

// What a client was told last, for whoever looks for the reason why it is not live.
type said struct {
	conn      net.Addr // ours, of the connection of now; nil = there is none
	connected time.Time
	last      string // what was heard last
	heard     time.Time
	ended     string // how the connection before ended
	over      bool   // … and that the client does not come back
	subs      map[string]string
}

// dialled notes a connection.
func (c *client) dialled(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said.conn, c.said.connected, c.said.subs = conn.LocalAddr(), time.Now(), map[string]string{}
}

// hung notes how a connection ended.
func (c *client) hung(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said.conn, c.said.ended = nil, fmt.Sprintf("%s: %v", time.Now().Format(time.TimeOnly), err)
}

// gaveUp notes that the client does not come back.
func (c *client) gaveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said.over = true
}

// told notes what a client was told, of a subscription or ("") of none.
func (c *client) told(sub, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said.last, c.said.heard = what, time.Now()
	if sub != "" && c.said.subs != nil {
		c.said.subs[sub] = time.Now().Format(time.TimeOnly) + " " + what
	}
}

// state is what is known of a client.
func (c *client) state(w *world) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	s := &c.said
	if s.conn == nil {
		b.WriteString("not connected")
	} else {
		fmt.Fprintf(&b, "by %s since %s", w.whichBridge(s.conn), s.connected.Format(time.TimeOnly))
	}
	if !s.heard.IsZero() {
		fmt.Fprintf(&b, ", heard %q last, %s ago", s.last, time.Since(s.heard).Round(time.Millisecond))
	}
	if s.over {
		b.WriteString(", and does not come back")
	}
	if s.ended != "" {
		fmt.Fprintf(&b, ", the connection before ended %s", s.ended)
	}
	for _, r := range c.subs {
		fmt.Fprintf(&b, "\n    %s %s types %q ids %q: %s", r.name, r.resource, r.types, r.ids, s.subs[r.name])
	}
	return b.String()
}

// whichBridge says to which bridge a connection leads, from the client's end of it.
func (w *world) whichBridge(conn net.Addr) string {
	edge := w.front.Target(conn)
	if i := slices.IndexFunc(w.edges, func(l *link.Link) bool { return l.Addr() == edge }); i >= 0 {
		return fmt.Sprintf("bridge %d", i+1)
	}
	return "no bridge"
}

// explain logs what is known of the clients that are not live, and of the bridges, and ends the bridges to see where they stand.
func (w *world) explain() {
	w.t.Helper()
	for i, c := range w.clients {
		if !c.live.Load() {
			kind := "WebSocket"
			if c.sse {
				kind = "SSE"
			}
			w.t.Logf("client %d (%s) is not live: %s", i, kind, c.state(w))
		}
	}
	info, err := w.info()
	if err == nil {
		w.t.Logf("stream: %d to %d, %d consumers", info.State.FirstSeq, info.State.LastSeq, info.State.Consumers)
	} else {
		w.t.Logf("stream: %v", err)
	}
	for i, b := range w.bridges {
		_, body, err := b.Get("/metrics")
		var lines []string
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "livebridge_") && !strings.HasSuffix(line, " 0\n") && !strings.Contains(line, "_bucket") {
				lines = append(lines, "    "+line)
			}
		}
		w.t.Logf("bridge %d: ready: %v, metrics: %v\n%s", i+1, b.Ready(), err, strings.Join(lines, ""))
	}
	for i, b := range w.bridges {
		w.t.Logf("bridge %d stood at\n%s", i+1, b.Stacks())
	}
}
