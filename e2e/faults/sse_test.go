//go:build linux

package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// impatient is a connection on which silence is an error.
type impatient struct {
	net.Conn
	client *client
	ctx    context.Context
}

func (i impatient) Read(b []byte) (int, error) {
	i.client.suspended(i.ctx)
	_ = i.SetReadDeadline(time.Now().Add(i.client.dead))
	return i.Conn.Read(b)
}

// overSSE is one stream, which resumes as an EventSource does: after the last id.
func (c *client) overSSE(ctx context.Context, addr string) error {
	r := c.subs[0]
	query := url.Values{"resource": {r.resource}, "type": r.types, "id": r.ids}
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/v1/sse?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if r.cursor != "" {
		req.Header.Set("Last-Event-ID", r.cursor)
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := c.dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		return impatient{conn, c, ctx}, nil
	}}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		c.refused++
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		if resp.StatusCode == http.StatusServiceUnavailable {
			return &closing{code: 1013}
		}
		return bad("SSE: %s", resp.Status)
	}
	s := &stream{client: c, r: r}
	for lines := bufio.NewScanner(resp.Body); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		if err := s.line(lines.Text()); err != nil {
			return err
		}
		if c.over() {
			return errOver
		}
	}
}

// A stream is one SSE connection.
type stream struct {
	*client
	r         *record
	begun     bool
	id        string
	kind      string
	data      string
	isComment bool
	comment   string
}

// line takes one line. An empty one ends a block.
func (s *stream) line(text string) error {
	if text == "" {
		defer func() { s.kind, s.data, s.id, s.isComment, s.comment = "", "", "", false, "" }()
		return s.block()
	}
	name, value, _ := strings.Cut(text, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "":
		s.isComment, s.comment = true, value
	case "id":
		s.id = value
	case "event":
		s.kind = value
	case "data":
		s.data = value
	}
	return nil
}

func (s *stream) block() error {
	s.told(s.r.name, strings.TrimSpace(s.kind+" "+s.comment+" "+s.id))
	switch {
	case s.kind == "reset":
		var body struct{ Reason string }
		if err := json.Unmarshal([]byte(s.data), &body); err != nil {
			return bad("%q: %v", s.data, err)
		}
		s.live()
		return s.r.wasReset(body.Reason, s.id)
	case s.kind == "error":
		return &closing{1013, s.data}
	case s.data != "":
		var f frame
		if err := json.Unmarshal([]byte(s.data), &f); err != nil {
			return bad("%q: %v", s.data, err)
		}
		if f.Cursor != s.id {
			return bad("id %q of an event with cursor %q", s.id, f.Cursor)
		}
		s.hears()
		return s.r.event(&f)
	case s.id == "":
		return nil
	case !s.begun:
		s.begun = true
		if s.r.cursor == "" {
			return s.r.subscribed(s.id, true)
		}
		return nil // where it was asked to start, or where a reset follows
	default:
		if s.comment == "live" {
			s.live()
		}
		return s.r.told(s.id)
	}
}

func (s *stream) live() {
	s.r.live = true
	s.caughtUp()
}
