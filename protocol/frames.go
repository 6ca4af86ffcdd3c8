package protocol

import (
	"strconv"
	"time"
)

// A Reason says why events were missed that cannot be replayed.
type Reason string

// The reasons of a reset.
const (
	ReasonExpired Reason = "expired" // the start is older than what the stream keeps
	ReasonStream  Reason = "stream"  // the stream was recreated, or lost its newest events
	ReasonLimit   Reason = "limit"   // more events than a replay may have
)

// An Ack says where an event was stored.
type Ack struct {
	Cursor    string // of the event's last message
	Duplicate bool   // true = stored before, under the same key
}

// AppendConnected appends the answer to connect. ping is told in seconds; expires
// is when the token ends, zero = never.
func AppendConnected(dst []byte, session, cursor string, ping time.Duration, lim Limits, expires time.Time) []byte {
	dst = append(dst, `{"op":"connected"`...)
	dst = appendField(dst, `,"session":`, session)
	dst = appendField(dst, `,"cursor":`, cursor)
	dst = append(dst, `,"ping":`...)
	dst = strconv.AppendFloat(dst, ping.Seconds(), 'f', -1, 64)
	dst = append(dst, `,"limits":`...)
	dst = appendLimits(dst, lim.WithDefaults())
	if !expires.IsZero() {
		dst = append(dst, `,"expires":`...)
		dst = appendTime(dst, expires)
	}
	return append(dst, '}')
}

func appendLimits(dst []byte, l Limits) []byte {
	dst = strconv.AppendInt(append(dst, `{"frame":`...), int64(l.Frame), 10)
	dst = strconv.AppendInt(append(dst, `,"payload":`...), int64(l.Payload), 10)
	dst = strconv.AppendInt(append(dst, `,"subscriptions":`...), int64(l.Subscriptions), 10)
	dst = strconv.AppendInt(append(dst, `,"ids":`...), int64(l.IDs), 10)
	dst = strconv.AppendInt(append(dst, `,"publish":`...), int64(l.Publish), 10)
	dst = strconv.AppendInt(append(dst, `,"replay":`...), int64(l.Replay), 10)
	return append(dst, '}')
}

// AppendSubscribed appends the acceptance of a subscription. recovered is false
// where the start could not be honoured; a reset follows then.
func AppendSubscribed(dst []byte, sub string, recovered bool, cursor string) []byte {
	dst = appendField(dst, `{"op":"subscribed","sub":`, sub)
	dst = append(dst, `,"recovered":`...)
	dst = strconv.AppendBool(dst, recovered)
	dst = appendField(dst, `,"cursor":`, cursor)
	return append(dst, '}')
}

// AppendLive appends the end of a replay: sub is live from cursor on.
func AppendLive(dst []byte, sub, cursor string) []byte {
	dst = appendField(dst, `{"op":"live","sub":`, sub)
	dst = appendField(dst, `,"cursor":`, cursor)
	return append(dst, '}')
}

// AppendUnsubscribed appends the end of a subscription.
func AppendUnsubscribed(dst []byte, sub string) []byte {
	dst = appendField(dst, `{"op":"unsubscribed","sub":`, sub)
	return append(dst, '}')
}

// AppendReset appends that sub has missed events and is live from cursor on.
func AppendReset(dst []byte, sub string, reason Reason, cursor string) []byte {
	dst = appendField(dst, `{"op":"reset","sub":`, sub)
	dst = appendField(dst, `,"reason":`, string(reason))
	dst = appendField(dst, `,"cursor":`, cursor)
	return append(dst, '}')
}

// AppendResetBody appends a reset as SSE shows it, as the data of `event: reset`.
func AppendResetBody(dst []byte, reason Reason, cursor string) []byte {
	dst = appendField(dst, `{"reason":`, string(reason))
	dst = appendField(dst, `,"cursor":`, cursor)
	return append(dst, '}')
}

// AppendTicketBody appends the answer to POST /v1/ticket. expires is when the
// ticket ends.
func AppendTicketBody(dst []byte, ticket string, expires time.Time) []byte {
	dst = appendField(dst, `{"ticket":`, ticket)
	dst = append(dst, `,"expires":`...)
	dst = appendTime(dst, expires)
	return append(dst, '}')
}

// AppendPublished appends the answer to a publish, with one ack per event.
func AppendPublished(dst []byte, ref string, acks []Ack) []byte {
	dst = appendField(dst, `{"op":"published","ref":`, ref)
	dst = append(dst, ',')
	return appendAcks(dst, acks)
}

// AppendPublishedBody appends the body that answers POST /v1/events.
func AppendPublishedBody(dst []byte, acks []Ack) []byte {
	return appendAcks(append(dst, '{'), acks)
}

func appendAcks(dst []byte, acks []Ack) []byte {
	dst = append(dst, `"events":[`...)
	for i, ack := range acks {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendField(dst, `{"cursor":`, ack.Cursor)
		dst = append(dst, `,"duplicate":`...)
		dst = strconv.AppendBool(dst, ack.Duplicate)
		dst = append(dst, '}')
	}
	return append(dst, ']', '}')
}

// AppendHistoryBody appends the body that answers GET /v1/events. events are
// outputs of [AppendEvent]; more says that another page follows cursor.
func AppendHistoryBody(dst []byte, events [][]byte, cursor string, more bool) []byte {
	dst = append(dst, `{"events":[`...)
	for i, event := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendObject(dst, event)
	}
	dst = appendField(dst, `],"cursor":`, cursor)
	dst = append(dst, `,"more":`...)
	dst = strconv.AppendBool(dst, more)
	return append(dst, '}')
}

// AppendPing appends a heartbeat: everything up to cursor has been sent. "" leaves
// the cursor out, while a replay is still running.
func AppendPing(dst []byte, cursor string) []byte {
	dst = append(dst, `{"op":"ping"`...)
	if cursor != "" {
		dst = appendField(dst, `,"cursor":`, cursor)
	}
	return append(dst, '}')
}

// AppendPong appends the answer to a client's ping.
func AppendPong(dst []byte) []byte { return append(dst, `{"op":"pong"}`...) }

// AppendError appends an error, with the sub or ref it is about.
func AppendError(dst []byte, e *Error) []byte {
	dst = append(dst, `{"op":"error"`...)
	if e.Sub != "" {
		dst = appendField(dst, `,"sub":`, e.Sub)
	}
	if e.Ref != "" {
		dst = appendField(dst, `,"ref":`, e.Ref)
	}
	dst = appendField(dst, `,"code":`, string(e.Code))
	dst = appendField(dst, `,"message":`, e.Message)
	return append(dst, '}')
}

// AppendErrorBody appends an error as the body of an HTTP answer.
func AppendErrorBody(dst []byte, e *Error) []byte {
	dst = appendField(dst, `{"error":{"code":`, string(e.Code))
	dst = appendField(dst, `,"message":`, e.Message)
	return append(dst, '}', '}')
}
