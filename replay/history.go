package replay

import (
	"context"
	"errors"

	"github.com/livebridge/livebridge/subjects"
)

// A LostError says that a start cannot be honoured, or that events left the stream while they were read.
type LostError struct{ Reason Reason }

func (e *LostError) Error() string {
	switch e.Reason {
	case ReasonExpired:
		return "events after this start are no longer stored: read everything again"
	default:
		return "this start is not a position in the stream as it is now: read everything again"
	}
}

// A Page is a stretch of history.
type Page struct {
	Events []*Event
	Next   Cursor // what follows the page starts after it
	More   bool   // something follows already
}

// History reads up to limit events that match, and no more than about maxBytes of them, from a start on; [Now] gives none. The error is
// a [*LostError] where that cannot be done without a gap, or wraps [ErrUnavailable].
func (l *Log) History(ctx context.Context, set *subjects.Set, view View, start Start, limit, maxBytes int) (Page, error) {
	l.catchUp(ctx)
	r, err := l.replayer(ctx, nil, set, view, start, maxBytes)
	if err != nil {
		return Page{}, err
	}
	defer r.close()
	if r.reason != "" {
		return Page{}, &LostError{r.reason}
	}
	page, bytes := Page{Next: r.at}, 0
	for {
		r.most = limit - len(page.Events) + 1 // one more tells whether something follows
		var head Cursor
		events, end, err := r.next(ctx, func([]*Event) { head = l.headCursor() })
		if err != nil {
			return Page{}, historyError(err)
		}
		for _, e := range events {
			if len(page.Events) == limit || bytes >= maxBytes && len(page.Events) > 0 {
				page.More = true
				return page, nil
			}
			page.Events = append(page.Events, e)
			page.Next = e.cursor(r.inc)
			bytes += e.size()
		}
		if end {
			page.Next = head
			return page, nil
		}
	}
}

// catchUp waits, not for long, until the tail has read what is stored by now: who reads history after a publish was acknowledged expects
// to find the event in it.
func (l *Log) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if st, err := l.watch.fresh(ctx); err == nil {
		_ = l.await(ctx, func() bool { return l.inc != st.inc || l.win.head.seq >= st.last.seq })
	}
}

func historyError(err error) error {
	var lost resetError
	if errors.As(err, &lost) {
		return &LostError{lost.reason}
	}
	return errors.Join(ErrUnavailable, err)
}
