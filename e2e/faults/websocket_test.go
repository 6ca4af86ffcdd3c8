//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// overWebSocket is one connection, from the handshake to its end.
func (c *client) overWebSocket(ctx context.Context, addr string) error {
	d := websocket.Dialer{Subprotocols: []string{"livebridge.v1"}, HandshakeTimeout: dialTimeout, ReadBufferSize: 4096, WriteBufferSize: 1024}
	d.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, addr) }
	conn, _, err := d.DialContext(ctx, "ws://"+addr+"/v1/ws", nil)
	if err != nil {
		c.refused++
		return err
	}
	s := &session{client: c, ws: conn}
	defer s.close()
	stop := context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })
	defer stop()
	if err := s.send([]byte(`{"op":"connect"}`)); err != nil {
		return err
	}
	for {
		c.suspended(ctx)
		if err := s.read(); err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
				return &closing{closed.Code, closed.Text}
			}
			return err
		}
		if c.over() {
			return s.nothingMore()
		}
	}
}

// A session is one WebSocket connection of a client.
type session struct {
	*client
	ws *websocket.Conn

	mu     sync.Mutex // guards writing: a subscription is sent again by a timer
	closed bool
	timers []*time.Timer
}

func (s *session) send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	_ = s.ws.SetWriteDeadline(time.Now().Add(dialTimeout))
	return s.ws.WriteMessage(websocket.TextMessage, b)
}

// close cuts the connection without a word.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, t := range s.timers {
		t.Stop()
	}
	_ = s.ws.NetConn().Close()
}

// read takes one WebSocket frame.
func (s *session) read() error {
	_ = s.ws.SetReadDeadline(time.Now().Add(s.dead))
	_, data, err := s.ws.ReadMessage()
	if err != nil {
		return err
	}
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		var f frame
		if err := json.Unmarshal(line, &f); err != nil {
			return bad("%q: %v", line, err)
		}
		if err := s.take(&f); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) take(f *frame) error {
	s.told(f.Sub, strings.TrimSpace(f.Op+" "+f.Code+f.Reason+" "+f.Cursor))
	switch f.Op {
	case "connected":
		s.dead = time.Duration(2 * f.Ping * float64(time.Second))
		var all [][]byte
		for _, r := range s.subs {
			all = append(all, r.subscribe())
		}
		return s.send(bytes.Join(all, []byte("\n")))
	case "event":
		return s.event(f)
	case "ping":
		return s.ping(f)
	case "pong":
		return nil
	case "error":
		return s.refusal(f)
	}
	r := s.sub(f.Sub)
	if r == nil {
		return bad("%s for %q, which is no subscription of ours", f.Op, f.Sub)
	}
	switch f.Op {
	case "subscribed":
		return r.subscribed(f.Cursor, f.Recovered)
	case "live":
		r.live = true
		s.caughtUp()
		return r.told(f.Cursor)
	case "reset":
		r.live = true
		s.caughtUp()
		return r.wasReset(f.Reason, f.Cursor)
	}
	return bad("op %q", f.Op)
}

func (s *session) sub(name string) *record {
	for _, r := range s.subs {
		if r.name == name {
			return r
		}
	}
	return nil
}

// event gives a tagged event to its subscription, and any other to each that is live and matches.
func (s *session) event(f *frame) error {
	s.hears()
	if f.Sub != "" {
		r := s.sub(f.Sub)
		if r == nil || r.live {
			return bad("a replayed event for %q, which is not being replayed to", f.Sub)
		}
		return r.event(f)
	}
	wanted := false
	for _, r := range s.subs {
		if !r.live {
			continue
		}
		var err error
		if r.matches(f.Resource, f.Type, f.ID) {
			wanted = true
			err = r.event(f)
		} else {
			err = r.told(f.Cursor)
		}
		if err != nil {
			return err
		}
	}
	if !wanted {
		s.subs[0].unasked++
		s.subs[0].note("event %d (%s.%s.%s) matches no live subscription", f.Payload.N, f.Resource, f.Type, f.ID)
	}
	return nil
}

func (s *session) ping(f *frame) error {
	if f.Cursor == "" {
		return nil
	}
	for _, r := range s.subs {
		if r.live {
			if err := r.told(f.Cursor); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusal asks again where the event store did not answer; nothing else may be refused.
func (s *session) refusal(f *frame) error {
	r := s.sub(f.Sub)
	if f.Code != "unavailable" || r == nil {
		return bad("error %s: %s", f.Code, f.Message)
	}
	r.live = false
	wait := again + time.Duration(s.rng.Int64N(int64(again)))
	text := r.subscribe()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timers = append(s.timers, time.AfterFunc(wait, func() { _ = s.send(text) }))
	return nil
}

// nothingMore makes sure that nothing comes after what was to come: what was queued before the answer to a ping has arrived with it.
func (s *session) nothingMore() error {
	if err := s.send([]byte(`{"op":"ping"}`)); err != nil {
		return err
	}
	for {
		_ = s.ws.SetReadDeadline(time.Now().Add(s.dead))
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			return err
		}
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			var f frame
			if err := json.Unmarshal(line, &f); err != nil {
				return bad("%q: %v", line, err)
			}
			if f.Op == "pong" {
				return errOver
			}
			if err := s.take(&f); err != nil {
				return err
			}
		}
	}
}
