package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/livebridge/livebridge/auth"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

// A TokenVerifier returns what a token grants, or an error whose text is for the log and holds nothing that is secret. It is called
// concurrently. An [auth.Verifier] is one. Where it has a method Ready() error, the bridge is ready, and takes tokens, only while that returns nil.
type TokenVerifier interface {
	Verify(token string) (*auth.Grant, error)
}

// Revocations is a list of tokens that do not count any more. Its methods are called concurrently. A list of package revoke is one.
type Revocations interface {
	Revoked(g *auth.Grant) bool // whether this token is on it
	Changed() <-chan struct{}   // receives after tokens have come to be on it
	Ready() error               // nil, or why it may lack what was revoked a moment ago
	Len() int
}

// An access is what somebody may do; nil = everything, because no tokens are asked for.
type access struct {
	*auth.Grant
	shows  func(subject string) bool // which events may be delivered; nil = all
	first  int64                     // events stored before are not replayed any more, Unix nanoseconds; 0 = no such time
	looked atomic.Uint64             // the state of the list of revocations in which the token was not on it
}

func newAccess(g *auth.Grant) *access { return &access{Grant: g, shows: g.Deliver()} }

// expires is when the token ends; zero = it does not.
func (a *access) expires() time.Time {
	if a == nil {
		return time.Time{}
	}
	return a.Expires
}

// user is whose token it is; "" = not known.
func (a *access) user() string {
	if a == nil {
		return ""
	}
	return a.Subject
}

// view narrows what is read at that time by these rights.
func (a *access) view(now time.Time) replay.View {
	if a == nil {
		return replay.View{}
	}
	return replay.View{Allows: a.shows, NotBefore: a.NotBefore(now)}
}

// maySubscribe is nil, or why there is no right to read these events from that start. Whether there are any makes no difference.
func (a *access) maySubscribe(f subjects.Filter, start replay.Start, now time.Time) *protocol.Error {
	switch {
	case a == nil:
		return nil
	case !a.MaySubscribe(f):
		return notCovered()
	}
	if first := a.NotBefore(now); start.Kind == replay.Since && !first.IsZero() && start.Since.Before(first) {
		if a.History == 0 {
			return protocol.Errorf(protocol.Forbidden, "the token allows no replay: leave out since")
		}
		return protocol.Errorf(protocol.Forbidden, "the token allows to replay the last %s: since may go back to %s", a.History, first.UTC().Format(time.RFC3339))
	}
	return nil
}

// notCovered answers whoever asks for more than is allowed, whether or not it exists.
func notCovered() *protocol.Error {
	return protocol.Errorf(protocol.Forbidden, "the token does not allow this subscription: all that is asked for has to be allowed")
}

// mayPublish is nil, or names the first message that there is no right to publish. Names that no event can have are for the publisher to
// refuse.
func (a *access) mayPublish(events []protocol.Publish) *protocol.Error {
	if a == nil {
		return nil
	}
	for i, e := range events {
		ids := e.IDs
		if len(ids) == 0 {
			ids = []string{""}
		}
		for _, id := range ids {
			n := subjects.Name{Resource: e.Resource, Type: e.Type, ID: id}
			if _, err := n.Subject(); err == nil && !a.MayPublish(n) {
				return protocol.Errorf(protocol.Forbidden, "events[%d]: the token does not allow to publish this event: nothing was stored", i)
			}
		}
	}
	return nil
}

// admit verifies a token. It counts until exp to the second: leeway is for clocks, and a connection cannot begin after its end.
func (s *Server) admit(token string) (*access, error) {
	g, err := s.cfg.Auth.Verify(token)
	if err != nil {
		return nil, err
	}
	a := newAccess(g)
	if err := s.over(a, time.Now()); err != nil {
		return nil, err
	}
	return a, nil
}

// Why a token that was valid counts no more.
var (
	errExpired = fmt.Errorf("%w: it has expired", auth.ErrToken)
	errRevoked = fmt.Errorf("%w: it has been revoked", auth.ErrToken)
)

// over is nil while a token counts. It is cheap as long as nothing is revoked.
func (s *Server) over(a *access, now time.Time) error {
	switch {
	case a == nil:
		return nil
	case !now.Before(a.Expires):
		return errExpired
	case s.cfg.Revoked == nil:
		return nil
	}
	state := s.revoked.Load()
	if a.looked.Load() == state {
		return nil
	}
	if s.cfg.Revoked.Revoked(a.Grant) {
		return errRevoked
	}
	a.looked.Store(state)
	return nil
}

// noteRevoked tells the operator that a token which was revoked ends a connection.
func (c *conn) noteRevoked(a *access, why error) {
	if why == errRevoked {
		c.srv.metrics.revoked.Inc()
		c.note(slog.LevelInfo, "token revoked: the connection is closed", "sub", a.Subject, "jti", a.ID)
	}
}

// unauthorized is all that is told to whoever has given no valid token, or none.
func unauthorized(given bool) *protocol.Error {
	if !given {
		return protocol.Errorf(protocol.Unauthorized, "this bridge asks for a token, and there is none")
	}
	return protocol.Errorf(protocol.Unauthorized, "the token is not valid, or not any more: get a fresh one")
}

// canVerify is nil, or why no token can be verified yet.
func (s *Server) canVerify() error {
	if v, ok := s.cfg.Auth.(interface{ Ready() error }); ok {
		return v.Ready()
	}
	return nil
}

// authorize finds what a request may do by its header Authorization.
func (s *Server) authorize(c *fiber.Ctx) (*access, *protocol.Error) {
	if s.cfg.Auth == nil {
		return nil, nil
	}
	if err := s.canVerify(); err != nil {
		c.Set(fiber.HeaderRetryAfter, "2")
		return nil, protocol.Errorf(protocol.Unavailable, "this bridge cannot verify tokens yet: try again in a moment")
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(c.Get(fiber.HeaderAuthorization)), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	if token != "" {
		a, err := s.admit(token)
		if err == nil {
			return a, nil
		}
		s.log.Log(context.Background(), s.complaints.level(badToken, slog.LevelInfo), "token refused", "remote", s.visitor(c).remote.String(), "path", c.Path(), "error", err)
	}
	c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	return nil, unauthorized(token != "")
}
