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
	ticketsOne = 100    // of them, of one user
)

// tickets stand in for tokens in the URL of an EventSource, which can send no header: each opens one stream, soon, on this bridge. Its
// zero value is ready for use.
type tickets struct {
	mu   sync.Mutex
	open map[string]ticket
	by   map[string]int // how many each user has, by the token's sub
	next time.Time      // before it nothing is looked for that has expired
}

type ticket struct {
	access *access
	until  time.Time
}

// issue makes a ticket, "" where there are too many, of this user or of all. Tokens without a sub are of no user.
func (t *tickets) issue(a *access, now time.Time) (text string, until time.Time) {
	var random [24]byte
	_, _ = rand.Read(random[:]) // it never fails
	text = base64.RawURLEncoding.EncodeToString(random[:])
	if until = now.Add(ticketLife); a.Expires.Before(until) {
		until = a.Expires
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open, t.by = make(map[string]ticket), make(map[string]int)
	}
	if t.full(a) {
		t.sweep(now)
	}
	if t.full(a) {
		return "", until
	}
	t.open[text] = ticket{a, until}
	tally(t.by, a.Subject, 1)
	return text, until
}

// full says whether there is no room for another ticket. The caller holds the lock.
func (t *tickets) full(a *access) bool {
	return len(t.open) >= ticketsMax || a.Subject != "" && t.by[a.Subject] >= ticketsOne
}

// sweep forgets what has expired, once a second at most: whoever asks for too many must not cause a search each time. The caller holds
// the lock.
func (t *tickets) sweep(now time.Time) {
	if now.Before(t.next) {
		return
	}
	t.next = now.Add(time.Second)
	for text, held := range t.open {
		if !now.Before(held.until) {
			t.drop(text, held)
		}
	}
}

// drop forgets a ticket. The caller holds the lock.
func (t *tickets) drop(text string, held ticket) {
	delete(t.open, text)
	tally(t.by, held.access.Subject, -1)
}

// use takes a ticket, and returns nil where there is none of that text any more.
func (t *tickets) use(text string, now time.Time) *access {
	t.mu.Lock()
	defer t.mu.Unlock()
	held, ok := t.open[text]
	if !ok {
		return nil
	}
	if t.drop(text, held); !now.Before(held.until) {
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
		s.refuse(overTickets, s.visitor(c).remote)
		c.Set(fiber.HeaderRetryAfter, retrySeconds(refusalRetry))
		return protocol.Errorf(protocol.RateLimited, "too many tickets wait to be used, %d of one user or %d in all: try again in a moment", ticketsOne, ticketsMax)
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
	now := time.Now()
	if a := s.tickets.use(text, now); a != nil && s.over(a, now) == nil {
		return a, nil
	}
	c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	return nil, protocol.Errorf(protocol.Unauthorized, "the ticket has been used, is older than %d seconds, is of another bridge, or its token counts no more: get a fresh one", int(ticketLife.Seconds()))
}
