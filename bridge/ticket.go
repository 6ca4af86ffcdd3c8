package bridge

import (
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/livebridge/livebridge/protocol"
)

const (
	ticketLife = 30 * time.Second
	ticketsMax = 10_000 // not yet used, at one time
)

// tickets stand in for tokens in the URL of an EventSource, which can send no header: each opens one stream, soon, on this bridge. Its
// zero value is ready for use.
type tickets struct {
	mu   sync.Mutex
	open map[string]ticket
}

type ticket struct {
	access *access
	until  time.Time
}

// issue makes a ticket, "" where there are too many.
func (t *tickets) issue(a *access, now time.Time) (text string, until time.Time) {
	var random [24]byte
	_, _ = rand.Read(random[:]) // it never fails
	text = base64.RawURLEncoding.EncodeToString(random[:])
	if until = now.Add(ticketLife); a.Expires.Before(until) {
		until = a.Expires
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= ticketsMax {
		for old, held := range t.open {
			if !now.Before(held.until) {
				delete(t.open, old)
			}
		}
	}
	if len(t.open) >= ticketsMax {
		return "", until
	}
	if t.open == nil {
		t.open = make(map[string]ticket)
	}
	t.open[text] = ticket{a, until}
	return text, until
}

// use takes a ticket, and returns nil where there is none of that text any more.
func (t *tickets) use(text string, now time.Time) *access {
	t.mu.Lock()
	defer t.mu.Unlock()
	held, ok := t.open[text]
	delete(t.open, text)
	if !ok || !now.Before(held.until) {
		return nil
	}
	return held.access
}

// postTicket answers a token with a ticket.
func (s *Server) postTicket(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	a, perr := s.authorize(c)
	if perr != nil {
		return perr
	}
	text, until := s.tickets.issue(a, time.Now())
	if text == "" {
		c.Set(fiber.HeaderRetryAfter, "5")
		return protocol.Errorf(protocol.RateLimited, "%d tickets wait to be used: try again in a moment", ticketsMax)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(protocol.AppendTicketBody(nil, text, until))
}

// authorizeStream is authorize for SSE, which takes a ticket in the URL too.
func (s *Server) authorizeStream(c *fiber.Ctx) (*access, *protocol.Error) {
	text := c.Query("ticket")
	if s.cfg.Auth == nil || text == "" {
		return s.authorize(c)
	}
	if a := s.tickets.use(text, time.Now()); a != nil {
		return a, nil
	}
	c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	return nil, protocol.Errorf(protocol.Unauthorized, "the ticket has been used, is older than %d seconds, or is of another bridge: get a fresh one", int(ticketLife.Seconds()))
}
