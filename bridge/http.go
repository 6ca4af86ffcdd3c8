package bridge

import (
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

// postEvents stores one event, an array of them, or one a line (NDJSON).
func (s *Server) postEvents(c *fiber.Ctx) error {
	who, perr := s.authorize(c)
	if perr != nil {
		return perr
	}
	if c.Get(fiber.HeaderContentEncoding) != "" {
		return fiber.NewError(fiber.StatusUnsupportedMediaType, "a compressed body is not taken: send it as it is")
	}
	ndjson := false
	switch kind, _, _ := strings.Cut(strings.ToLower(c.Get(fiber.HeaderContentType)), ";"); strings.TrimSpace(kind) {
	case "", "application/json":
	case "application/x-ndjson", "application/ndjson", "application/jsonl":
		ndjson = true
	default:
		return fiber.NewError(fiber.StatusUnsupportedMediaType, "send Content-Type: application/json (an event or an array) or application/x-ndjson (one a line)")
	}
	body, err := s.body(c)
	defer body.done()
	if err != nil {
		return err
	}
	events, perr := protocol.ParseEvents(body.data, ndjson, s.cfg.Limits)
	if perr != nil {
		return perr
	}
	if key := c.Get("Idempotency-Key"); key != "" {
		if perr := protocol.CheckKey(key); perr != nil {
			return perr
		}
		deriveKeys(events, key)
	}
	if perr := who.mayPublish(events); perr != nil {
		return perr
	}
	acks, perr := s.publish(s.ctx, events, c.Get("X-Live-Origin"))
	if perr != nil {
		return perr
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(protocol.AppendPublishedBody(nil, acks))
}

// deriveKeys gives a request's key to its first message, and key/1, key/2 and so on to the others whose event has none, so that the whole
// request can be sent again. An event of several messages makes their keys of its own in the same way; so it is messages that are
// counted, or two of them would have one key.
func deriveKeys(events []protocol.Publish, key string) {
	n := 0
	for i := range events {
		if e := &events[i]; e.Key == "" {
			e.Key = key
			if n > 0 {
				e.Key += "/" + strconv.Itoa(n)
			}
		}
		n += events[i].Messages()
	}
}

// A query is what is asked for by the query string of history and SSE.
type query struct {
	filter subjects.Filter
	set    *subjects.Set // that it compiles to
	start  replay.Start
	given  bool // a start was given
	limit  int
	who    *access
	now    time.Time // when it was asked
}

// How many events one page of history holds.
const (
	defaultLimit = 1000
	maxLimit     = 10_000
)

// query reads a query string.
func (s *Server) query(c *fiber.Ctx, who *access) (q query, perr *protocol.Error) {
	q.who, q.now = who, time.Now()
	f := subjects.Filter{Resource: subjects.Wildcard}
	single := map[string]string{}
	var bad *protocol.Error
	for k, v := range c.Context().QueryArgs().All() {
		key, value := string(k), string(v)
		switch key {
		case "type":
			f.Types = append(f.Types, value)
		case "id":
			f.IDs = append(f.IDs, value)
		case "resource", "since", "after", "last", "limit":
			if _, twice := single[key]; twice {
				bad = protocol.Errorf(protocol.BadRequest, "%s may be given once", key)
			}
			if single[key] = value; value == "" {
				bad = protocol.Errorf(protocol.BadRequest, "%s is empty: give a value or leave it out", key)
			}
		}
	}
	if bad != nil {
		return q, bad
	}
	if most := s.cfg.Limits.IDs; len(f.IDs) > most {
		s.refuse(overIDs, s.visitor(c).remote)
		return q, protocol.Errorf(protocol.TooMany, "%d ids: a query may have %d", len(f.IDs), most)
	}
	if len(f.Types) > protocol.MaxTypes {
		s.refuse(overIDs, s.visitor(c).remote)
		return q, protocol.Errorf(protocol.TooMany, "%d types: a query may have %d", len(f.Types), protocol.MaxTypes)
	}
	if r, ok := single["resource"]; ok {
		f.Resource = r
	}
	var err error
	if q.set, err = f.Compile(); err != nil {
		return q, protocol.Errorf(protocol.BadRequest, "%s", err.Error())
	}
	start, perr := protocol.ParseStart(single["after"], single["since"], single["last"], s.cfg.Limits)
	if perr != nil {
		return q, perr
	}
	if q.start, perr = startOf(start, q.now); perr != nil {
		return q, perr
	}
	q.filter = f
	q.given = start.Kind != protocol.Now
	q.limit = defaultLimit
	if text, ok := single["limit"]; ok {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > maxLimit {
			return q, protocol.Errorf(protocol.BadRequest, "limit=%s: give a number from 1 to %d", short(text), maxLimit)
		}
	}
	return q, nil
}
