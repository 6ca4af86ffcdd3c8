package bridge

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/livebridge/livebridge/protocol"
)

// An admission counts connections, in all, by where they come from and by whose they are. The server's lock guards it.
//
// Streams (WebSocket and SSE alike) are counted against the limits themselves. What else is connected, requests of HTTP and those that
// never ask for anything, takes descriptors and memory, too: together they may be a little more than the limits, so that a client that is
// one too many can be told.
type admission struct {
	byAddress map[netip.Addr]int // streams, by household
	byUser    map[string]int     // streams, by the token's sub
	http      int                // connections that are no streams
	httpBy    map[netip.Addr]int
	closing   map[net.Conn]struct{} // connections that were one too many, and are not counted
	refusing  int                   // streams that are being told that they are one too many
}

func newAdmission() admission {
	return admission{byAddress: make(map[netip.Addr]int), byUser: make(map[string]int), httpBy: make(map[netip.Addr]int), closing: make(map[net.Conn]struct{})}
}

// spare is how many connections more than the streams there may be.
func spare(limit int) int { return max(limit/10, 100) }

// maxRefusing is how many clients are told at one time that they are too many; others are not let in as far as that.
const maxRefusing = 500

// tally adds to, or takes from, a number by its key.
func tally[K comparable](m map[K]int, k K, n int) {
	if m[k] += n; m[k] == 0 {
		delete(m, k)
	}
}

// full says which limit one more stream would exceed; "" = none. user is "" where it is not known. The caller holds the lock.
func (s *Server) full(from netip.Addr, user string) reason {
	switch {
	case len(s.conns) >= s.cfg.Connections:
		return overConnections
	case from.IsValid() && above(s.admission.byAddress[from], s.cfg.ConnectionsPerAddress):
		return overAddress
	case user != "" && above(s.admission.byUser[user], s.cfg.ConnectionsPerUser):
		return overUser
	}
	return ""
}

// above says whether a limit is reached; a negative limit is none.
func above(n, limit int) bool { return limit >= 0 && n >= limit }

// turnedAway says before a stream is taken over that it will be one too many, so that it can be answered over HTTP. Browsers do not show
// pages that answer to a WebSocket; so a few are let in as far as the close frame.
func (s *Server) turnedAway(from netip.Addr, user string, byFrame bool) error {
	s.mu.Lock()
	why := s.full(from, user)
	if byFrame && s.admission.refusing < maxRefusing {
		why = ""
	}
	s.mu.Unlock()
	if why == "" {
		return nil
	}
	return &refusal{why}
}

// register counts a stream in. Otherwise it returns why it is one too many, or that the server drains.
func (s *Server) register(c *conn, user string) (why reason, draining bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return "", true
	}
	if why := s.full(c.from, user); why != "" {
		return why, false
	}
	s.conns[c] = struct{}{}
	if c.from.IsValid() {
		s.admission.byAddress[c.from]++
	}
	if c.owner = user; user != "" {
		s.admission.byUser[user]++
	}
	return "", false
}

// own counts a registered stream as its user's, as soon as it is known. It returns false where the user has as many as may be.
func (s *Server) own(c *conn, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.conns[c]; !there || user == "" {
		return true
	}
	if above(s.admission.byUser[user], s.cfg.ConnectionsPerUser) {
		return false
	}
	c.owner = user
	s.admission.byUser[user]++
	return true
}

// forget counts a stream out.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.conns[c]; !there {
		return
	}
	delete(s.conns, c)
	if c.from.IsValid() {
		tally(s.admission.byAddress, c.from, -1)
	}
	if c.owner != "" {
		tally(s.admission.byUser, c.owner, -1)
	}
	if s.draining && len(s.conns) == 0 {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}

// beginTelling takes one of the places of those that are told that they are one too many, and returns false where there is none.
func (s *Server) beginTelling() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admission.refusing >= maxRefusing {
		return false
	}
	s.admission.refusing++
	return true
}

// endTelling gives it back.
func (s *Server) endTelling() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admission.refusing--
}

// connState is called by the HTTP server for every connection: when it has been accepted, and when it is no longer one of HTTP.
func (s *Server) connState(nc net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		if why := s.accept(nc); why != "" {
			s.refuse(why, nc.RemoteAddr())
			_ = nc.Close()
		}
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		s.mu.Lock()
		defer s.mu.Unlock()
		a := &s.admission
		if _, ok := a.closing[nc]; ok {
			delete(a.closing, nc)
			return
		}
		a.http--
		tally(a.httpBy, household(peerAddr(nc.RemoteAddr())), -1)
	}
}

// accept counts a connection in that has just been accepted, or says why it is one too many. How many come through one proxy is not
// limited here.
func (s *Server) accept(nc net.Conn) reason {
	peer := peerAddr(nc.RemoteAddr())
	from := household(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	a, most := &s.admission, s.cfg.ConnectionsPerAddress
	var why reason
	switch {
	case most >= 0 && from.IsValid() && a.httpBy[from]+a.byAddress[from] >= most+spare(most) && !s.proxies.trusts(peer):
		why = overAddress
	case a.http+len(s.conns) >= s.cfg.Connections+spare(s.cfg.Connections):
		why = overConnections
	default:
		a.http++
		tally(a.httpBy, from, 1)
		return ""
	}
	a.closing[nc] = struct{}{}
	return why
}

// A refusal is why a stream is one too many, as an answer over HTTP.
type refusal struct{ why reason }

func (r *refusal) Error() string { return string(r.why) }

// status is 503 where the bridge is full, and 429 where the client has too many of its own.
func (r *refusal) status() int {
	if r.why == overConnections {
		return fiber.StatusServiceUnavailable
	}
	return fiber.StatusTooManyRequests
}

// tooMany words a refusal for the client.
func (s *Server) tooMany(why reason) *protocol.Error {
	switch why {
	case overAddress:
		return protocol.Errorf(protocol.TooMany, "there are %d connections from this address already: close some, or try again later", s.cfg.ConnectionsPerAddress)
	case overUser:
		return protocol.Errorf(protocol.TooMany, "this user has %d connections already: close some, or try again later", s.cfg.ConnectionsPerUser)
	default:
		return protocol.Errorf(protocol.TooMany, "the bridge has as many connections as it may have: try again later")
	}
}

// refusalRetry is when a client that is told over HTTP that it is one too many may try again.
const refusalRetry = 5 * time.Second

func retrySeconds(d time.Duration) string { return fmt.Sprint(int(d.Seconds())) }
