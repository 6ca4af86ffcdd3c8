package publish

import (
	"time"
)

// MaxMessages is the greatest number of messages in one call: the size that
// NATS allows an atomic batch by default.
const MaxMessages = 1000

// maxText is the greatest length of a key and of an origin, in bytes.
const maxText = 128

// Event says that something of Type happened to one or several records of
// Resource. Resource and Type are required, everything else may be zero.
type Event struct {
	// Resource and Type are any UTF-8 text, such as "products" and "updated".
	Resource, Type string

	// ID is the record. Neither ID nor IDs means no particular record: everything
	// of the resource may have changed.
	ID string

	// IDs are several records, in one event: one message each, with the same
	// payload and a common short id by which clients join them again. Nil for
	// none; an empty list, or one beside ID, is an error.
	IDs []string

	// Payload is what clients get, as JSON. Nil means {}. A []byte or
	// json.RawMessage is taken as it is and has to be JSON in UTF-8 (empty means
	// {}); everything else goes through json.Marshal.
	Payload any

	// Meta is handed on beside the payload and has to be a JSON object. Nil, and
	// what marshals to null, means none.
	Meta any

	// Date is when it happened. Zero means the time at which JetStream stores it.
	Date time.Time

	// Key identifies the event, so that publishing it twice within the duplicate
	// window of the stream stores it once: 1 to 128 bytes of printable text without
	// space at either end, unique in the call and among all publishers of the
	// stream. "" means no such protection. With several IDs the first message has
	// Key itself and the others have Key/1, Key/2 and so on.
	Key string

	// Origin is the session or service that caused the event: printable text of at
	// most 128 bytes. "" means none.
	Origin string
}

// Ack says where an event is stored.
type Ack struct {
	// Seq is the sequence of the event in the stream. For an event about several
	// records it is the greatest of its messages' sequences.
	Seq uint64

	// Duplicate is true if JetStream had the event already: Seq is where. It was
	// stored by an earlier call with the same Key, or by an earlier attempt of this
	// call whose acknowledgement was lost. An event about several records is a
	// duplicate if all its messages are.
	Duplicate bool
}
