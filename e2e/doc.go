// Package e2e tests the whole system as its users have it: the real binary, a real NATS server (embedded, or a process of its own), and
// plain clients. Its tests take a minute or two; they are part of `make test`.
package e2e
