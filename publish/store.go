package publish

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// How many times a call is repeated at most, beyond what its time allows.
	mostSilent     = 7 // no stream listens: about one second, then it is not a change of leader
	mostIncomplete = 2 // a batch did not arrive whole
	mostUnfound    = 2 // the stream says that a key is known, but then does not know it

	// A call whose messages all have keys sends them again after this part of its
	// time without an acknowledgement: a stream that changes its leader forgets
	// what it had not stored, and answers nothing.
	partOfTimeout = 3

	firstPause, mostPause = 10 * time.Millisecond, 500 * time.Millisecond
)

// storing is one call of Publish.
type storing struct {
	p    *Publisher
	ctx  context.Context // of the caller, with the time-out of the publisher
	msgs []*message

	before      error // the connection's last error when the call began
	keyed       bool  // all messages have keys: sending them twice is harmless
	maybeStored bool  // an attempt went out and was not answered
	askAll      bool  // let every message of a batch be answered, to find the refused one

	pauses, silent, incomplete, unfound int
}

// store stores all messages or none, and notes their sequences.
func (p *Publisher) store(ctx context.Context, msgs []*message) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	s := &storing{p: p, ctx: ctx, msgs: msgs, before: p.nc.LastError(), keyed: true}
	for _, m := range msgs {
		s.keyed = s.keyed && m.key != ""
	}
	for {
		err := s.attempt()
		if err == nil {
			return nil
		}
		if err = s.next(err); err != nil {
			return err
		}
	}
}

// attempt sends the messages that are not stored yet.
func (s *storing) attempt() error {
	open := make([]*message, 0, len(s.msgs))
	for _, m := range s.msgs {
		if m.seq == 0 {
			open = append(open, m)
		}
	}
	if len(open) == 0 {
		return nil
	}
	if err := s.ready(); err != nil {
		return err
	}
	timeout := s.p.timeout
	if s.keyed {
		timeout /= partOfTimeout
	}
	ctx, stop := s.p.attached(s.ctx, timeout, open)
	defer stop()
	if len(open) == 1 {
		return s.p.single(ctx, open[0])
	}
	return s.p.batch(ctx, open, s.askAll)
}

// ready reports what keeps the call from sending.
func (s *storing) ready() error {
	if err := s.ctx.Err(); err != nil {
		return &unanswered{err: err, final: true}
	}
	if !s.p.nc.IsConnected() {
		return &unanswered{err: notConnected(s.p.nc), final: true}
	}
	return nil
}

// next returns nil if another attempt makes sense after the error of the last, and
// waits before it where that is due; else it returns the error for the caller.
func (s *storing) next(err error) error {
	var lost *unanswered
	switch {
	case errors.As(err, &lost):
		s.maybeStored = s.maybeStored || lost.sent
		if !lost.final && (s.keyed || !lost.sent) && s.ready() == nil {
			return nil
		}
		return s.unavailable(lost.err)
	case errors.Is(err, nats.ErrNoResponders):
		if s.silent++; s.silent > mostSilent {
			return s.unavailable(fmt.Errorf("no stream listens on %s: is JetStream enabled, and does stream %s exist? %w", s.msgs[0].subject, s.p.stream, err))
		}
		return s.pause(err)
	case busy(err):
		return s.pause(err)
	case code(err) == codeBatchIncomplete && s.incomplete < mostIncomplete:
		s.incomplete++
		s.askAll = true
		return forbidden(s.p.nc, s.before, s.msgs)
	case code(err) == codeBatchHasDuplicate:
		return s.locate(err)
	}
	if s.maybeStored {
		return s.unavailable(s.p.refusal(err))
	}
	return s.p.refusal(err)
}

// pause waits a little longer each time, by a random part so that publishers do
// not return together.
func (s *storing) pause(cause error) error {
	d := min(firstPause<<s.pauses, mostPause)
	s.pauses = min(s.pauses+1, 10)
	select {
	case <-time.After(d/2 + rand.N(d)):
		return nil
	case <-s.ctx.Done():
		s.maybeStored = s.maybeStored || code(cause) == codeKeyInProcess
		return s.unavailable(cause)
	}
}

// unavailable is the error of a call that was not answered.
func (s *storing) unavailable(cause error) error {
	switch err := s.ctx.Err(); {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w before JetStream acknowledged: %s", err, outcome(s.maybeStored))
	case errors.Is(cause, nats.ErrPermissionViolation):
		return cause
	case err != nil && errors.Is(cause, err), errors.Is(cause, errNoAck):
		cause = fmt.Errorf("no acknowledgement in time: %w", context.DeadlineExceeded)
	}
	return &UnavailableError{MaybeStored: s.maybeStored, Err: cause}
}

// locate finds out which messages the stream has already, after it refused a batch
// because it knows a key, so that the next attempt leaves them out.
func (s *storing) locate(refused error) error {
	var keyed []*message
	for _, m := range s.msgs {
		if m.key != "" && m.seq == 0 {
			keyed = append(keyed, m)
		}
	}
	ctx, stop := s.p.attached(s.ctx, s.p.timeout, keyed)
	defer stop()
	found, err := s.p.locate(ctx, keyed)
	switch {
	case err != nil:
		return s.next(err)
	case found > 0:
		return nil
	}
	// The key may have left the duplicate window meanwhile.
	if s.unfound++; s.unfound < mostUnfound {
		return nil
	}
	return fmt.Errorf("the stream refuses a key as known but does not say where its event is: %w", refused)
}
