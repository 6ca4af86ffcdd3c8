package bridge

import (
	"log/slog"
	"slices"
	"time"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// shows says whether an event may be delivered to this session, by the token that it has now. It is called by the log, for every event
// that one of its subscriptions matches.
func (s *session) shows(subject string) bool {
	shows := s.rights.Load().shows
	return shows == nil || shows(subject)
}

// admit verifies a token of this session. The error closes the connection; the client has been told why.
func (s *session) admit(token string) (*access, error) {
	if token != "" {
		a, err := s.srv.admit(token)
		if err == nil {
			return a, nil
		}
		s.note(s.srv.complaints.level(badToken, slog.LevelInfo), "token refused", "error", err)
	}
	_ = s.tell("", "", unauthorized(token != ""))
	return nil, closing{code: protocol.CloseUnauthorized}
}

// endWith ends the session with its token. It is called by the server.
func (s *session) endWith(who *access, why error) {
	var text []byte
	if why == errRevoked { // the client could not know, unlike of an end that the token says itself
		text = protocol.AppendError(nil, unauthorized(true))
	}
	if s.out.expire(text) {
		s.noteRevoked(who, why)
	}
}

// renew puts a fresh token in the place of the present one. What it does not cover any more ends; from the answer on, nothing is delivered
// that it does not allow.
func (s *session) renew(token string) error {
	if s.srv.cfg.Auth == nil {
		return nil
	}
	a, err := s.admit(token)
	if err != nil {
		return err
	}
	old := s.rights.Load()
	if a.Subject != old.Subject {
		return s.tell("", "", protocol.Errorf(protocol.Forbidden, "the fresh token is another user's: the connection keeps the one it has; open another for that user"))
	}
	a.replaces(old, time.Now())
	s.rights.Store(a)
	s.forgetFailed()
	var ended [][]byte
	for _, name := range s.uncovered(a) {
		s.stop(s.subs[name])
		e := notCovered()
		e.Sub = name
		s.refused(e.Code)
		ended = append(ended, protocol.AppendError(nil, e), protocol.AppendUnsubscribed(nil, name))
	}
	s.sayConnected(ended)
	s.debug("token renewed", "ended", len(ended)/2)
	return nil
}

// replaces makes a fresh token end the replays that go further back than it allows. Replays began with a right to what they read, and one
// that allows as much as before lets them go on, however long they take.
func (a *access) replaces(old *access, now time.Time) {
	a.first = old.first
	if a.History >= 0 && (old.History < 0 || a.History < old.History) {
		a.first = max(a.first, a.NotBefore(now).UnixNano())
	}
}

// permitted leaves out of a replay what may not be delivered: its events may have been read before the token changed. over says that it
// began before what may be replayed, so that it ends with what is left of these.
func (a *access) permitted(events []*replay.Event) (list []*replay.Event, over bool) {
	if i := slices.IndexFunc(events, func(e *replay.Event) bool { return e.Stored < a.first }); i >= 0 {
		events, over = events[:i], true
	}
	hidden := func(e *replay.Event) bool { return a.shows != nil && !a.shows(e.Subject) }
	if slices.ContainsFunc(events, hidden) {
		events = slices.DeleteFunc(slices.Clone(events), hidden)
	}
	return events, over
}

// uncovered are the names of the subscriptions that ask for more than is allowed.
func (s *session) uncovered(a *access) (names []string) {
	for name, e := range s.subs {
		if !a.MaySubscribe(e.asks) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
