package replay

import (
	"context"
	"errors"
	"time"
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

// verify asks the stream's leader whether c is still a position in it; ask is how its state is asked for.
//
// The message that the cursor's check is on may have gone on purpose: expired at the front, or deleted from between. Then nothing that was
// stored later may stand at or before its place, nor anything that was stored earlier after it: a store that lost its end and gave the
// sequences to newer messages is found out as long as one of those, at or before the cursor, is still stored.
//
// Each answer is about its own moment. An answer with a message in it proves what it says by that message; one that nothing is stored is
// only believed between two equal answers about the stream's end.
func (s *stream) verify(ctx context.Context, c Cursor, ask func(context.Context) (state, error)) (verdict, state, error) {
	st, err := ask(ctx)
	if err != nil {
		return 0, st, err
	}
	for {
		switch {
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
			again, err := ask(ctx)
			if err != nil {
				return 0, again, err
			}
			if again.inc != st.inc || again.last != st.last {
				st = again
				continue
			}
			if st.last.seq == c.seq && st.last.at != 0 && st.last.at != c.at {
				return foreign, st, nil
			}
		case err != nil:
			return 0, st, err
		case at.seq == c.seq && at.at == c.at:
			return valid, st, nil
		case at.seq == c.seq || at.at < c.at:
			return foreign, st, nil
		}
		later, err := s.nextTime(ctx, time.Unix(0, c.at+1))
		switch {
		case errors.Is(err, errNoMessage):
		case err != nil:
			return 0, st, err
		case later.seq <= c.seq:
			return foreign, st, nil
		}
		return valid, st, nil
	}
}
