package protocol_test

import (
	"fmt"
	"time"

	"github.com/livebridge/livebridge/protocol"
)

// A frame from a client may hold several objects.
func ExampleParseMessage() {
	frame := []byte(`{"op":"subscribe","sub":"a","resource":"products","ids":[1,"2"],"since":"-15m"}
{"op":"dance","sub":"a"}`)
	for object := range protocol.SplitFrame(frame) {
		msg, err := protocol.ParseMessage(object, protocol.Limits{})
		if err != nil {
			fmt.Println(string(protocol.AppendError(nil, err)))
			continue
		}
		fmt.Println(msg.Op, msg.Sub, msg.Subscribe.Resource, msg.Subscribe.IDs, msg.Subscribe.Start.Ago)
	}
	// Output:
	// subscribe a products [1 2] 15m0s
	// {"op":"error","sub":"a","code":"unknown_op","message":"op \"dance\" is not known: send one of connect, subscribe, unsubscribe, publish, token, ping"}
}

// An event is encoded once; a replay and HTTP reuse the bytes.
func ExampleAppendEvent() {
	event := protocol.AppendEvent(nil, &protocol.Event{
		Cursor: "5kQ2-413-k1", Resource: "products", Type: "updated", ID: "42",
		Date: time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC), Payload: []byte(`{"price":10}`),
	})
	fmt.Println(string(event))
	fmt.Println(string(protocol.AppendTagged(nil, "a", event)))
	fmt.Println(string(protocol.AppendObject(nil, event)))
	// Output:
	// {"op":"event","cursor":"5kQ2-413-k1","resource":"products","type":"updated","id":"42","date":"2026-11-25T14:00:00Z","payload":{"price":10}}
	// {"op":"event","sub":"a","cursor":"5kQ2-413-k1","resource":"products","type":"updated","id":"42","date":"2026-11-25T14:00:00Z","payload":{"price":10}}
	// {"cursor":"5kQ2-413-k1","resource":"products","type":"updated","id":"42","date":"2026-11-25T14:00:00Z","payload":{"price":10}}
}

// The body of POST /v1/events is all or nothing; the error names the bad event.
func ExampleParseEvents() {
	_, err := protocol.ParseEvents([]byte(`[{"resource":"products","type":"created"},{"resource":"products"}]`), false, protocol.Limits{})
	fmt.Println(err.Code.Status(), err)
	// Output:
	// 400 bad_request: events[1]: type is missing: send created, updated, deleted or a word of your own
}
