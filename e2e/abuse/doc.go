// Package abuse does to a running bridge what its enemies do, and holds its answers to the table in docs/abuse.md: HTTP status, close code,
// error code, log lines and metrics, each exactly. After every row the bridge must be healthy, and a bystander must have lost nothing.
//
//	go test ./e2e/abuse                      # everything: a minute or so
//	go test ./e2e/abuse -run Abuse/open      # one of the bridges under attack
//	go test ./e2e/abuse -run Page -update    # write docs/abuse.md anew after rows have changed
package abuse
