package bridge

import (
	"sync/atomic"
	"time"
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

// complaints remembers when the log was last told of each reason.
type complaints map[reason]*atomic.Int64

const complainEvery = 10 * time.Second

func newComplaints() complaints {
	c := make(complaints)
	for _, why := range reasons {
		c[why] = new(atomic.Int64)
	}
	return c
}

// refuse counts what was refused by a limit. The log is told now and then: whoever floods the bridge must not flood the log, too.
func (s *Server) refuse(why reason, remote string) {
	s.metrics.refusals.WithLabelValues(string(why)).Inc()
	last, now := s.complaints[why], time.Now().UnixNano()
	before := last.Load()
	if now-before < int64(complainEvery) || !last.CompareAndSwap(before, now) {
		return
	}
	args := []any{"reason", string(why), "remote", remote}
	if why == overAddress {
		args = append(args, "hint", "if this is a reverse proxy, name it with --trusted-proxies; if many users share it, raise --max-connections-per-address")
	}
	s.log.Warn("refused: a limit is reached", args...)
}
