// Package faults breaks a running Livebridge in every way we can think of, and counts what that did to its clients.
//
// A world ([world_test.go]) is real processes: bridges, NATS inside one of them, beside them or as a cluster, with a TCP link of ours
// between any two that can be cut, stalled, delayed, throttled, torn and refused. Publishers keep a ledger of what was acknowledged;
// subscribers come back by their cursors as a client does, and check order, duplicates and filter of every event. In the end each is held
// against the ledger and against what the stream holds.
//
//	go test ./e2e/faults -run Fault -v                            every scenario, a line of results for each
//	go test ./e2e/faults -run 'Fault/kill-leader' -seed 7 -v      one of them, again
//	go test ./e2e/faults -run Fault -table faults.md              the table of docs/faults.md
//	go test ./e2e/faults -run Soak -soak 20m -timeout 30m -v      random faults; -racebuild for bridges with the race detector
//	go test ./e2e/faults -run Rolling -rolling 5m -rolling-away 5s -v    rolling restarts under load
//
// What needs root (small disks, power cuts, memory limits) is skipped, and says so, without it.
package faults
