package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

// A frame is any object that a bridge sends.
type frame struct {
	Op, Sub, Cursor, Reason, Code, Message string
	Recovered                              bool
	Resource, Type, ID                     string
	Payload                                json.RawMessage
}

// A sub is one subscription of a client, as PROTOCOL.md tells a client to keep it.
type sub struct {
	name     string
	resource string
	types    []string
	ids      []string
	start    map[string]any // where to start when there is no cursor yet
	cursor   string
	live     bool
	got      []int // the numbers in the payloads
	resets   []string
}

func (s *sub) matches(resource, typ, id string) bool {
	return (s.resource == "*" || s.resource == resource) &&
		(len(s.types) == 0 || slices.Contains(s.types, typ)) &&
		(len(s.ids) == 0 || id == "" || slices.Contains(s.ids, id))
}

func (s *sub) frame() string {
	m := map[string]any{"op": "subscribe", "sub": s.name, "resource": s.resource}
	if s.types != nil {
		m["types"] = s.types
	}
	if s.ids != nil {
		m["ids"] = s.ids
	}
	if s.cursor != "" {
		m["after"] = s.cursor
	} else {
		for k, v := range s.start {
			m[k] = v
		}
	}
	b, _ := json.Marshal(m)
	return string(b)
}

// A client keeps its subscriptions over many connections.
type client struct {
	subs []*sub
	ws   *websocket.Conn
}

// connect opens a connection to a bridge and subscribes to everything, from the cursors that it has.
func (c *client) connect(addr string) error {
	d := websocket.Dialer{Subprotocols: []string{"livebridge.v1"}, HandshakeTimeout: 5 * time.Second}
	ws, _, err := d.Dial("ws://"+addr+"/v1/ws", nil)
	if err != nil {
		return err
	}
	c.ws = ws
	lines := []string{`{"op":"connect"}`}
	for _, s := range c.subs {
		s.live = false
		lines = append(lines, s.frame())
	}
	return ws.WriteMessage(websocket.TextMessage, []byte(strings.Join(lines, "\n")))
}

// drop cuts the connection without a word.
func (c *client) drop() {
	if c.ws != nil {
		_ = c.ws.NetConn().Close()
		c.ws = nil
	}
}

// read takes one WebSocket frame. It returns the objects in it, after they have been given to the subscriptions.
func (c *client) read(within time.Duration) ([]frame, error) {
	_ = c.ws.SetReadDeadline(time.Now().Add(within))
	_, data, err := c.ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	var frames []frame
	for line := range strings.SplitSeq(string(data), "\n") {
		var f frame
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if err := c.take(f); err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}

func (c *client) take(f frame) error {
	switch f.Op {
	case "error":
		return errors.New(f.Code + ": " + f.Message)
	case "event":
		return c.event(f)
	case "ping":
		for _, s := range c.subs {
			if s.live && f.Cursor != "" {
				s.cursor = f.Cursor
			}
		}
	case "subscribed", "live", "reset":
		for _, s := range c.subs {
			if s.name == f.Sub {
				s.cursor = f.Cursor
				s.live = f.Op != "subscribed"
				if f.Op == "reset" {
					s.resets = append(s.resets, f.Reason)
				}
			}
		}
	}
	return nil
}

// event gives a tagged event to its subscription, and any other to each that is live and matches.
func (c *client) event(f frame) error {
	var payload struct{ N int }
	if err := json.Unmarshal(f.Payload, &payload); err != nil {
		return err
	}
	for _, s := range c.subs {
		switch {
		case f.Sub == "" && s.live:
			if s.matches(f.Resource, f.Type, f.ID) {
				s.got = append(s.got, payload.N)
			}
			s.cursor = f.Cursor
		case f.Sub == s.name:
			if s.live || !s.matches(f.Resource, f.Type, f.ID) {
				return fmt.Errorf("a replayed event that is not for %s (live: %t)", s.name, s.live)
			}
			s.got = append(s.got, payload.N)
			s.cursor = f.Cursor
		}
	}
	return nil
}

// allLive says whether every subscription is live.
func (c *client) allLive() bool {
	return !slices.ContainsFunc(c.subs, func(s *sub) bool { return !s.live })
}
