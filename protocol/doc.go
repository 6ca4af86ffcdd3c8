// Package protocol is the wire language between a bridge and its clients: the
// frames of the WebSocket, the bodies of HTTP, the one table of error and close
// codes, and the limits that a client is told. Its prose twin is PROTOCOL.md;
// testdata/frames.json holds golden frames that every implementation reads.
//
// Parsing is strict where silence could lose an event (wrong types, null, two
// starts, duplicate fields) and open where the language may grow (unknown fields
// are ignored). Field names count exactly as written: "Op" is not "op".
//
// Writing appends to a buffer of the caller, in the manner of strconv: nothing is
// allocated beyond the growth of that buffer (but for a payload that is not JSON),
// and what is appended never holds a raw line break, so that frames may be joined
// by one and sent as SSE data.
//
// All functions may be called concurrently; none keeps its arguments.
package protocol

// Subprotocol is the WebSocket subprotocol that this package speaks.
const Subprotocol = "livebridge.v1"
