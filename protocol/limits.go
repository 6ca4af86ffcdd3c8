package protocol

import "cmp"

// Limits bound what one client may send. Zero (or less) in a field means its
// default. A client reads them in `connected`.
type Limits struct {
	Frame         int `json:"frame"`         // bytes of an incoming WebSocket frame; the reader of frames keeps it, not this package
	Payload       int `json:"payload"`       // bytes of an event's payload; its meta may have as many, but at most 64,511
	Subscriptions int `json:"subscriptions"` // subscriptions of one connection; the connection keeps it, not this package
	IDs           int `json:"ids"`           // ids of one subscription
	Publish       int `json:"publish"`       // events of one request, and the messages they make (one per id)
	Replay        int `json:"replay"`        // events replayed to one subscription, so also the most of `last`
}

// MaxTypes is how many types a subscription or a query may name. Whoever is interested in more asks for all.
const MaxTypes = 100

// WithDefaults returns the limits with each unset field at its default.
func (l Limits) WithDefaults() Limits {
	return Limits{
		Frame:         cmp.Or(max(l.Frame, 0), 64<<10),
		Payload:       cmp.Or(max(l.Payload, 0), 64<<10),
		Subscriptions: cmp.Or(max(l.Subscriptions, 0), 128),
		IDs:           cmp.Or(max(l.IDs, 0), 1000),
		Publish:       cmp.Or(max(l.Publish, 0), 1000),
		Replay:        cmp.Or(max(l.Replay, 0), 100_000),
	}
}
