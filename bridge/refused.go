package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
)

// A reason says which limit something was refused by. It is a metric's label, so there are few.
type reason string

const (
	overConnections   reason = "connections"   // of the bridge
	overAddress       reason = "address"       // connections of one address
	overUser          reason = "user"          // connections of one user
	overByteRate      reason = "bytes"         // bytes a second of one connection
	overTime          reason = "slow"          // a message or a request was not complete in time
	overConnectTime   reason = "connect"       // no connect in time
	overHeader        reason = "header"        // of a request
	overBody          reason = "body"          // of a request
	overBodies        reason = "bodies"        // of all requests together
	overPages         reason = "pages"         // of history that their clients have not taken
	overSubscriptions reason = "subscriptions" // of one connection
	overIDs           reason = "ids"           // of one subscription, or of all of a connection
	overTickets       reason = "tickets"       // of one user, or of the bridge
)

var reasons = []reason{overConnections, overAddress, overUser, overByteRate, overTime, overConnectTime, overHeader, overBody, overBodies,
	overPages, overSubscriptions, overIDs, overTickets}

// Reasons that the log alone knows: no limit is exceeded, but anybody can cause as many of these lines as he likes.
const (
	badToken    reason = "token"
	badOrigin   reason = "origin"
	badHost     reason = "host"
	goneTimeout reason = "4408" // closed with this code
	goneTooMany reason = "4429"
)

// complaints remembers when the log was last told of each reason, in Unix nanoseconds. Whoever floods the bridge must not flood the log, too.
type complaints map[reason]*atomic.Int64

const complainEvery = 10 * time.Second

func newComplaints() complaints {
	c := make(complaints)
	for _, why := range append([]reason{badToken, badOrigin, badHost, goneTimeout, goneTooMany}, reasons...) {
		c[why] = new(atomic.Int64)
	}
	return c
}

// due says whether the log is to be told of this reason again; then it is not for the next [complainEvery].
func (c complaints) due(why reason, now time.Time) bool {
	last, at := c[why], now.UnixNano()
	before := last.Load()
	return at-before >= int64(complainEvery) && last.CompareAndSwap(before, at)
}

// level is the level of a line about this reason: the one that is given now and then, and debug for all others.
func (c complaints) level(why reason, rarely slog.Level) slog.Level {
	if c.due(why, time.Now()) {
		return rarely
	}
	return slog.LevelDebug
}

// refuse counts what was refused by a limit, and tells the log now and then.
func (s *Server) refuse(why reason, remote fmt.Stringer) {
	s.metrics.refusals.WithLabelValues(string(why)).Inc()
	if !s.complaints.due(why, time.Now()) {
		return
	}
	args := []any{"reason", string(why), "remote", fmt.Sprint(remote)}
	if why == overAddress {
		args = append(args, "hint", "if this is a reverse proxy, name it with --trusted-proxies; if many users share it, raise --max-connections-per-address")
	}
	s.log.Warn("refused: a limit is reached", args...)
}

// notePage tells the operator of a foreign page: now and then as a warning, and always at debug level.
func (s *Server) notePage(c *fiber.Ctx, why reason, text, name, value string) {
	s.log.Log(context.Background(), s.complaints.level(why, slog.LevelWarn), text, name, short(value), "path", short(c.Path()), "remote", s.visitor(c).remote.String())
}
