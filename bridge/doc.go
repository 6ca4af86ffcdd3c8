// Package bridge hands the events of a [replay.Log] to browsers, over WebSocket and Server-Sent Events, and takes events from them, over
// WebSocket and HTTP. The wire protocol is that of PROTOCOL.md.
//
// The way of a live event: the log calls Live of every subscription that matches (subscription.go), which queues a pointer to the shared,
// encoded event in its connection's outbox (outbox.go), once per connection; a shard, one of a few goroutines, writes what has gathered
// in each outbox with as few calls as possible (shard.go, framing.go).
//
// Who owns what: the goroutine that reads from a connection owns it. It alone ends it, on every path (conn.go). A WebSocket that is idle has
// none: it is parked, and a worker goes on with it when something comes (lifecycle.go, poller.go). At any time at most one goroutine writes
// to it: its shard, or, while the peer is slow, a goroutine that waits for the peer.
//
// Who may do what: access (auth.go) answers it for WebSocket, HTTP and SSE alike, from the token that was given. A session's can change
// (rights.go), so its subscriptions look at the present one for each event.
package bridge
