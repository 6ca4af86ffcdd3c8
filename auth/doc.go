// Package auth decides who may see and publish what: a [Verifier] turns a token into a [Grant], and a grant answers three questions: may
// this be subscribed to, may this event be delivered, may this event be published.
//
// Rights are patterns over NATS subjects without their first token: products.*.*, orders.updated.>, orders.*.7. What no pattern allows is
// not allowed, and a token without the claim live, or with one that is not understood as a whole, is refused. PROTOCOL.md has the claim.
package auth
