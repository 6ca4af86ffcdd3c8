package protocol

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A StartKind says which field of a [Start] counts.
type StartKind uint8

// The ways to say where a subscription starts.
const (
	Now   StartKind = iota // with the next event
	After                  // with what follows a cursor
	Since                  // with what was stored at or after a time
	Last                   // with the newest n that match
)

// A Start is where a subscription, a history or an SSE stream begins. The zero
// Start is now.
type Start struct {
	Kind  StartKind
	After string        // After: the cursor as the client sent it, not verified
	Since time.Time     // Since: in UTC; zero where Ago is set
	Ago   time.Duration // Since: that long before now, always > 0; 0 where Since is set
	Last  int           // Last: 1 to Limits.Replay
}

// Time is the instant that a Start of kind Since means.
func (s Start) Time(now time.Time) time.Time {
	if s.Ago > 0 {
		return now.Add(-s.Ago)
	}
	return s.Since
}

// ParseStart reads a start from the texts of a query string; "" = not given. At
// most one may be given. The error is a bad_request.
func ParseStart(after, since, last string, lim Limits) (Start, *Error) {
	if n := given(after != "", since != "", last != ""); n > 1 {
		return Start{}, twoStarts()
	}
	switch {
	case after != "":
		return Start{Kind: After, After: after}, nil
	case since != "":
		return parseSince(since)
	case last != "":
		return parseLast(last, lim.WithDefaults())
	}
	return Start{}, nil
}

// startOf is ParseStart for the fields of a frame; nil = not given.
func startOf(after, since, last []byte, lim Limits) (Start, *Error) {
	if n := given(after != nil, since != nil, last != nil); n > 1 {
		return Start{}, twoStarts()
	}
	switch {
	case after != nil:
		cursor, err := text(after)
		if err != nil {
			return Start{}, Errorf(BadRequest, "after %v: send a cursor that a bridge gave you", err)
		}
		if cursor == "" {
			return Start{}, Errorf(BadRequest, "after is empty: send a cursor, or leave the field out to start now")
		}
		return Start{Kind: After, After: cursor}, nil
	case since != nil:
		when, err := text(since)
		if err != nil {
			return Start{}, Errorf(BadRequest, "since %v: send an RFC 3339 time or a duration such as -15m", err)
		}
		return parseSince(when)
	case last != nil:
		if kind(last) != "a number" {
			return Start{}, Errorf(BadRequest, "last must be a number from 1 to %d, not %s", lim.Replay, kind(last))
		}
		return parseLast(string(last), lim)
	}
	return Start{}, nil
}

func given(flags ...bool) (n int) {
	for _, set := range flags {
		if set {
			n++
		}
	}
	return n
}

func twoStarts() *Error {
	return Errorf(BadRequest, "more than one of after, since and last: send one, or none to start now")
}

func parseSince(since string) (Start, *Error) {
	if ago, ok := strings.CutPrefix(since, "-"); ok {
		d, ok := parseAgo(ago)
		if !ok {
			return Start{}, Errorf(BadRequest, "since %s is not a duration above zero: write for example -15m, -1h30m or -2d", show(since))
		}
		return Start{Kind: Since, Ago: d}, nil
	}
	t, ok := parseTime(since)
	if !ok {
		return Start{}, Errorf(BadRequest, "since %s is not a time: write RFC 3339, for example 2026-11-25T14:00:00Z, or a duration back from now, for example -15m", show(since))
	}
	return Start{Kind: Since, Since: t}, nil
}

// parseAgo reads a duration as package time does, with days in front: 2d, 1d12h.
func parseAgo(text string) (time.Duration, bool) {
	if strings.ContainsAny(text, "+-") {
		return 0, false
	}
	var days time.Duration
	if number, rest, ok := strings.Cut(text, "d"); ok {
		const day = 24 * time.Hour
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > int64(math.MaxInt64/day) {
			return 0, false
		}
		days, text = time.Duration(n)*day, rest
		if text == "" {
			return days, days > 0
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d > math.MaxInt64-days {
		return 0, false
	}
	return days + d, days+d > 0
}

// parseTime reads an RFC 3339 time whose year has four digits in UTC too.
func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, text)
	t = t.UTC()
	return t, err == nil && t.Year() >= 0 && t.Year() <= 9999
}

func parseLast(last string, lim Limits) (Start, *Error) {
	n, err := strconv.Atoi(last)
	if err != nil || n < 1 || n > lim.Replay {
		return Start{}, Errorf(BadRequest, "last is %s: send a whole number from 1 to %d", show(last), lim.Replay)
	}
	return Start{Kind: Last, Last: n}, nil
}
