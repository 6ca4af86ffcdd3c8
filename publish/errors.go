package publish

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrUnavailable is the error of a call that JetStream did not answer:
	// NATS is not connected, no stream listens, it is overloaded, or the time ran
	// out. The error is an [*UnavailableError] and says whether the events may
	// have been stored all the same.
	ErrUnavailable = errors.New("JetStream is unavailable")

	// ErrTooMany is the error of a call with more messages than [MaxMessages],
	// or than the server takes in one batch (max_batch_size). Nothing was stored.
	ErrTooMany = errors.New("too many messages in one call")

	// ErrBatchDisabled is the error of a call with several messages where the
	// stream does not take atomic batches. Nothing was stored.
	ErrBatchDisabled = errors.New("the stream takes no atomic batches")
)

// EventError is the error of a call with an event that cannot be published.
// Nothing was stored. Its text is fit for whoever sent the event.
type EventError struct {
	Index   int    // position of the event in the call, from 0
	Field   string // what is wrong: resource, type, id, ids, payload, meta, date, key or origin
	Problem string // the rest of the sentence that Field begins
	Err     error  // the cause; nil where Problem says it all
}

// Error returns the sentence.
func (e *EventError) Error() string {
	return fmt.Sprintf("event %d: %s %s", e.Index, e.Field, e.Problem)
}

// Unwrap returns the cause.
func (e *EventError) Unwrap() error { return e.Err }

// UnavailableError says why JetStream did not acknowledge. It is [ErrUnavailable]
// for errors.Is, and its cause too.
type UnavailableError struct {
	// MaybeStored is true if the events were sent and only the acknowledgement is
	// missing. False means that nothing was stored.
	MaybeStored bool
	// Err is the cause, never nil.
	Err error
}

// Error returns the cause and what it means for the events.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%v: %v: %s", ErrUnavailable, e.Err, outcome(e.MaybeStored))
}

// Unwrap returns ErrUnavailable and the cause.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

func outcome(maybeStored bool) string {
	if maybeStored {
		return "the events may have been stored; a retry with the same Key is safe, one without may store them twice"
	}
	return "nothing was stored"
}

// Error codes of JetStream (nats-server, server/errors.json).
const (
	codeSystemUnavailable = 10008 // no leader at present
	codeNotLeader         = 10009
	codeNoResources       = 10023 // memory or disk of the server is used up
	codeMessageTooLarge   = 10054 // max_msg_size of the stream
	codeWrongStream       = 10060 // Nats-Expected-Stream
	codeRollup            = 10111 // Nats-Rollup was refused
	codeKeyInProcess      = 10158 // a message with the same Nats-Msg-Id is being replicated
	codeBatchDisabled     = 10174
	codeBatchIncomplete   = 10176 // a message of the batch is missing or was refused
	codeBatchTooLarge     = 10199
	codeBatchHasDuplicate = 10201 // a Nats-Msg-Id of the batch is known
	codeBatchesInFlight   = 10210 // too many at once on the stream or the server
)

// code returns the JetStream error code of err, or 0.
func code(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}

// busy reports whether JetStream refused for now, having stored nothing.
func busy(err error) bool {
	switch code(err) {
	case codeSystemUnavailable, codeNotLeader, codeNoResources, codeKeyInProcess, codeBatchesInFlight:
		return true
	}
	return false
}

// refusal gives an error of JetStream the type and text that its reader needs.
func (p *Publisher) refusal(err error) error {
	switch code(err) {
	case codeBatchDisabled:
		return fmt.Errorf("%w: set allow_atomic on stream %s to publish several events, or one about several records, at once: %w",
			ErrBatchDisabled, p.stream, err)
	case codeBatchTooLarge:
		return fmt.Errorf("%w: %w", ErrTooMany, err)
	case codeWrongStream:
		return fmt.Errorf("another stream stores these subjects; let stream %s carry live.*.*.*, or name the other one in Options.Stream: %w",
			p.stream, err)
	case codeBatchIncomplete:
		return fmt.Errorf("the batch did not arrive whole: %w", err)
	}
	return err
}
