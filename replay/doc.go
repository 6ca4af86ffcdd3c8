// Package replay is one bridge's view of the stream: it follows the stream live, keeps the newest events in memory, and hands each
// subscription what it missed and then what is new, in stream order, with nothing missing and nothing twice.
//
// The way of an event: [Log] owns one tail, a loop over one ephemeral pull consumer (tail.go). What the tail reads is encoded once and
// appended, under the log's lock, to the hot window (window.go) and given to every live subscription whose pattern matches (routes.go).
//
// The way of a replay: a subscription that starts in the past is given what is stored after its start, from JetStream as long as the
// start lies before the window (reader.go), then from the window, and is registered as live in the same critical section in which it
// takes the last events from the window (subscription.go). That section is the seam: an event is on exactly one side of it.
//
// What cannot be replayed is told, never skipped: a [Notice] of kind [Reset] names the reason and the cursor from which the
// subscription is complete again.
package replay
