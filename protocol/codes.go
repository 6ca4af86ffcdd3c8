package protocol

import "iter"

// A Code says, for a program, what kind of error an [Error] is.
type Code string

// The error codes. See [Code.Help] for what each one means.
const (
	BadFrame     Code = "bad_frame"
	UnknownOp    Code = "unknown_op"
	BadRequest   Code = "bad_request"
	BadCursor    Code = "bad_cursor"
	DuplicateSub Code = "duplicate_sub"
	UnknownSub   Code = "unknown_sub"
	Unauthorized Code = "unauthorized"
	Forbidden    Code = "forbidden"
	TooLarge     Code = "too_large"
	TooMany      Code = "too_many"
	RateLimited  Code = "rate_limited"
	Expired      Code = "expired"
	Unavailable  Code = "unavailable"
	Internal     Code = "internal"
)

var codes = []struct {
	code   Code
	status int // of HTTP
	help   string
}{
	{BadFrame, 400, "the frame is not JSON, or not an object; the connection is closed with 4400"},
	{UnknownOp, 400, "no such op in this version of the protocol"},
	{BadRequest, 400, "a field is missing, of the wrong type or out of range"},
	{BadCursor, 400, "the text is not a cursor; pass one on exactly as a bridge sent it"},
	{DuplicateSub, 409, "this connection already has a subscription of that name"},
	{UnknownSub, 404, "this connection has no subscription of that name"},
	{Unauthorized, 401, "the token is missing, malformed or expired"},
	{Forbidden, 403, "the token, or the page's origin, does not give this right"},
	{TooLarge, 413, "a payload, a meta or the whole request is over its limit in bytes"},
	{TooMany, 413, "more entries than the limit allows; split the request"},
	{RateLimited, 429, "too many requests in a short time; wait, then try again"},
	{Expired, 410, "the events asked for are no longer stored; read everything again"},
	{Unavailable, 503, "the event store does not answer; try again, a publish with the same key"},
	{Internal, 500, "a fault of the bridge; its log has the cause"},
}

// Codes yields every error code, in the order of PROTOCOL.md.
func Codes() iter.Seq[Code] {
	return func(yield func(Code) bool) {
		for _, row := range codes {
			if !yield(row.code) {
				return
			}
		}
	}
}

// Status is the HTTP status that goes with the code; 500 for an unknown code.
func (c Code) Status() int {
	for _, row := range codes {
		if row.code == c {
			return row.status
		}
	}
	return 500
}

// Help is one line for people on what the code means; "" for an unknown code.
func (c Code) Help() string {
	for _, row := range codes {
		if row.code == c {
			return row.help
		}
	}
	return ""
}

// A CloseCode is the status of a WebSocket close frame: RFC 6455's own for what
// breaks WebSocket itself, 44xx for what this protocol adds.
type CloseCode int

// The close codes that a bridge sends.
const (
	CloseGoingAway    CloseCode = 1001
	CloseProtocol     CloseCode = 1002
	CloseBinary       CloseCode = 1003
	CloseInvalidUTF8  CloseCode = 1007
	CloseTooLarge     CloseCode = 1009
	CloseInternal     CloseCode = 1011
	CloseOrder        CloseCode = 4400
	CloseUnauthorized CloseCode = 4401
	CloseForbidden    CloseCode = 4403
	CloseTimeout      CloseCode = 4408
	CloseSlow         CloseCode = 4409
	CloseTooMany      CloseCode = 4429
)

var closeCodes = []struct {
	code  CloseCode
	name  string
	final bool
}{
	{CloseGoingAway, "going away", false},
	{CloseProtocol, "protocol error", false},
	{CloseBinary, "binary frame", true},
	{CloseInvalidUTF8, "invalid UTF-8", true},
	{CloseTooLarge, "frame too large", true},
	{CloseInternal, "internal error", false},
	{CloseOrder, "bad frame or order", true},
	{CloseUnauthorized, "unauthorized", true},
	{CloseForbidden, "forbidden", true},
	{CloseTimeout, "timeout", false},
	{CloseSlow, "slow consumer", false},
	{CloseTooMany, "too many connections or frames", false},
}

// CloseCodes yields every close code that a bridge sends, in rising order.
func CloseCodes() iter.Seq[CloseCode] {
	return func(yield func(CloseCode) bool) {
		for _, row := range closeCodes {
			if !yield(row.code) {
				return
			}
		}
	}
}

// String is the name of the code, fit as the reason of a close frame (at most 123
// bytes); "" for a code that a bridge does not send.
func (c CloseCode) String() string {
	for _, row := range closeCodes {
		if row.code == c {
			return row.name
		}
	}
	return ""
}

// Final reports whether a client must not try again. CloseUnauthorized is final
// for as long as the client's token is the same.
func (c CloseCode) Final() bool {
	for _, row := range closeCodes {
		if row.code == c {
			return row.final
		}
	}
	return false
}
