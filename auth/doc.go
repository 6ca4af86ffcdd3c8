// Package auth decides who may see and publish what: a token becomes a [Grant], and a grant answers three questions: may this be
// subscribed to, may this event be delivered, may this event be published.
//
// Rights are patterns over NATS subjects without their first token: products.*.*, orders.updated.>, orders.*.7. A grant without a claim has
// no rights. PROTOCOL.md has the claim.
package auth
