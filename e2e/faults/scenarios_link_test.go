//go:build linux

package faults

import (
	"slices"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/link"
)

// short are those that are always run.
var short = []string{"cut-clients", "stall-clients", "half-open-clients", "tear-nats", "stall-nats", "half-open-nats", "stall-routes"}

// linkScenarios does everything that can be done to a link to each kind of link.
func linkScenarios() (list []scenario) {
	for _, kind := range []struct {
		name, what string
		nats       int
		links      func(w *world) []*link.Link
	}{
		{"clients", "the connections between clients and bridges", 1, func(w *world) []*link.Link { return w.edges }},
		{"nats", "the connections between bridges and NATS", 1, func(w *world) []*link.Link { return slices.Concat(w.feeds...) }},
		{"routes", "cluster: the routes between the leader and the others", 3, func(w *world) []*link.Link { return w.around(w.leader()) }},
		{"publishers", "the connections between publishers and NATS", 1, func(w *world) []*link.Link { return w.supply }},
	} {
		for _, f := range linkFaults {
			name := f.name + "-" + kind.name
			list = append(list, scenario{
				name: name, what: kind.what + " " + f.what, plan: plan{nats: kind.nats, settle: 150 * time.Second}, long: !slices.Contains(short, name),
				faults: func(w *world) {
					times := 1
					if f.lasts == 0 {
						times = 3
					}
					for range times {
						links := kind.links(w)
						each(links, f.do)
						w.lasts(f.lasts)
						if f.lasts > 0 {
							w.heal(links)
						}
						w.settled()
						w.flow(60)
					}
				},
			})
		}
	}
	return list
}
