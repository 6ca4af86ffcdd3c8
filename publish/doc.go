// Package publish stores live events in JetStream. It is for Go services that
// tell Livebridge that something changed; the bridge uses it for its own
// publishers, over WebSocket and HTTP.
//
//	p, err := publish.New(nc, publish.Options{})
//	acks, err := p.Publish(ctx, publish.Event{
//		Resource: "products", Type: "updated", ID: "42",
//		Payload: map[string]any{"price": 10},
//		Key:     "order-7-price",
//	})
//
// # What an acknowledgement promises
//
// Publish returns after JetStream has acknowledged. Then the events are in the
// stream, with the sequences of the acks, and every bridge delivers or replays
// them. With sync_interval: always, which nats.conf and the embedded server of
// Livebridge set, they are also on disk: a power cut does not lose them. Without
// it (NATS's own default is two minutes) an acknowledged event survives the death
// of the server's process, but not a power cut.
//
// All events of one call are stored, or none. Several messages go out as one
// atomic batch, which needs NATS 2.12 and a stream with allow_atomic, and take
// sequences without a gap. An event about several records is one message per
// record.
//
// # Retries
//
// An error that is [ErrUnavailable] means that no acknowledgement arrived. If it
// says that the events may have been stored, the same call again is safe where
// every event has a Key: within the duplicate window of the stream (two minutes
// by default) JetStream stores a key once, and the acks of the second call name
// the sequences of the first. Publish itself repeats within its time-out what can
// be repeated without harm, and nothing else.
//
// The NATS user needs the rights to publish on live.> (or the part of it that is
// its own) and to subscribe to its inboxes, and no others.
package publish
