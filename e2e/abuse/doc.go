// Package abuse does to a running bridge what its enemies do, and holds its answers to the table in docs/abuse.md: HTTP status, close code,
// error code, log lines and metrics, each exactly. After every row the bridge must be ready, and a bystander must have lost nothing.
//
//	go test ./e2e/abuse                           # everything: a minute or so
//	go test ./e2e/abuse -run Abuse/bridges/open   # one of the bridges under attack
//	go test ./e2e/abuse -update                   # write docs/abuse.md anew after rows have changed
//
// What a row answers and counts stands in the row; what is logged is taken from the page, so that it is read there when it changes.
package abuse
