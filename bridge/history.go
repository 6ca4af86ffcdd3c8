package bridge

import (
	"bytes"
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// Pages of history take memory while they are read, and until their clients have taken them, which may be slow. So few are read at one
// time, the others wait; and all that have not been taken yet are bounded: the less room there is, the smaller are the pages.
const (
	pageBytes    = 8 << 20          // of one page, at most
	pageLeast    = 64 << 10         // … and at least
	pagesAtOnce  = 16               // that are read at one time
	pagesUntaken = 256 << 20        // bytes of pages that their clients have not taken
	pageShare    = 16               // a page may have this part of the room that there is
	pageTimeout  = 30 * time.Second // to read a page, with the wait for it
)

// pages is what all pages of history share.
type pages struct {
	reading chan struct{}
	untaken allowance // bytes
}

func newPages() pages {
	return pages{reading: make(chan struct{}, pagesAtOnce), untaken: allowance{limit: pagesUntaken}}
}

// size is how large a page may be now.
func (p *pages) size() int {
	return int(min(max((p.untaken.limit-p.untaken.held.Load())/pageShare, pageLeast), pageBytes))
}

// An untakenPage is an answer that gives its bytes back when it has been taken, or its client has gone.
type untakenPage struct {
	bytes.Reader
	of   *allowance
	size int64
}

// Close implements [io.Closer]. The HTTP server calls it once.
func (p *untakenPage) Close() error {
	p.of.give(p.size)
	return nil
}

// getEvents answers with a page of history; without a start, from the oldest event that is stored.
func (s *Server) getEvents(c *fiber.Ctx) error {
	who, perr := s.authorize(c)
	if perr != nil {
		return perr
	}
	q, perr := s.query(c, who)
	if perr != nil {
		return perr
	}
	if !q.given {
		q.start = replay.Start{Kind: replay.First}
	}
	if perr := who.maySubscribe(q.filter, q.start, q.now); perr != nil {
		return perr
	}
	text, perr := s.history(q)
	if perr != nil {
		return perr
	}
	if s.over(who, time.Now()) != nil { // while it was read
		return unauthorized(true)
	}
	if !s.pages.untaken.take(int64(len(text))) {
		s.refuse(overPages, s.visitor(c).remote)
		c.Set(fiber.HeaderRetryAfter, retrySeconds(refusalRetry))
		return protocol.Errorf(protocol.RateLimited, "too much history waits for clients to take it: ask again later, or for less")
	}
	p := &untakenPage{of: &s.pages.untaken, size: int64(len(text))}
	p.Reset(text)
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.SendStream(p, len(text))
}

// history reads a page, when it is its turn.
func (s *Server) history(q query) ([]byte, *protocol.Error) {
	ctx, cancel := context.WithTimeout(s.ctx, pageTimeout)
	defer cancel()
	select {
	case s.pages.reading <- struct{}{}:
		defer func() { <-s.pages.reading }()
	case <-ctx.Done():
		return nil, s.told(ctx.Err())
	}
	found, err := s.cfg.Log.History(ctx, q.set, q.who.view(q.now), q.start, q.limit, s.pages.size())
	if err != nil {
		return nil, s.told(err)
	}
	events := make([][]byte, len(found.Events))
	for i, e := range found.Events {
		events[i] = e.Frame
	}
	return protocol.AppendHistoryBody(nil, events, found.Next.String(), found.More), nil
}
