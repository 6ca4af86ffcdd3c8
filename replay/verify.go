package replay

import (
	"context"
	"errors"
)

// A verdict says what a cursor is worth in the stream as it is now.
type verdict int

const (
	valid   verdict = iota
	expired         // messages after it are no longer stored
	foreign         // it belongs to another stream, to an earlier life of this one, or to messages that the stream has lost
	ahead           // it lies beyond the stream's end: the answer may be old, or the stream lost its end
)

func (v verdict) reason() Reason {
	switch v {
	case expired:
		return ReasonExpired
	case foreign, ahead:
		return ReasonStream
	default:
		return ""
	}
}

// verify asks the stream's leader whether c is still a position in it.
//
// The message that the cursor's check is on may have gone on purpose: expired at the front, or deleted from between. Then the time of the
// next stored message must not lie before the check; a store that lost its end and gave the sequences to newer messages is found out as
// long as one of those, at or before the cursor, is still stored.
func (s *stream) verify(ctx context.Context, c Cursor) (verdict, state, error) {
	st, err := s.state(ctx, false)
	switch {
	case err != nil:
		return 0, st, err
	case c.inc != st.inc:
		return foreign, st, nil
	case c.seq > st.last.seq:
		return ahead, st, nil
	case c.floor()+1 < st.first:
		return expired, st, nil
	case c.seq == 0 || c.at == 0:
		return valid, st, nil
	}
	at, err := s.next(ctx, c.seq)
	switch {
	case errors.Is(err, errNoMessage):
		at, err = position{st.last.seq, st.last.at}, nil
		if at.at == 0 || at.seq != c.seq {
			at.at = c.at
		}
	case err != nil:
		return 0, st, err
	}
	if at.seq == c.seq && at.at != c.at || at.seq > c.seq && at.at < c.at {
		return foreign, st, nil
	}
	return valid, st, nil
}
