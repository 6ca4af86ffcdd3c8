//go:build linux

package faults

import (
	"syscall"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/link"
	"github.com/livebridge/livebridge/e2e/internal/program"
)

// replicatedAgain waits until every copy of the stream is up to date.
func (w *world) replicatedAgain() {
	w.t.Helper()
	program.Eventually(w.t, w.plan.settle, w.replicated)
}

// feedsOf are the links from the bridges to a node.
func (w *world) feedsOf(n *node) (list []*link.Link) {
	for _, feeds := range w.feeds {
		list = append(list, feeds[n.index])
	}
	return list
}

var processScenarios = []scenario{
	{
		name: "kill-bridge", what: "a bridge is killed (`kill -9`) and started again, three times, one bridge after the other",
		plan: plan{nats: 1},
		faults: func(w *world) {
			for i := range 3 {
				w.bounce(w.bridges[i%2], syscall.SIGKILL, 500*time.Millisecond)
				w.settled()
				w.flow(100)
			}
		},
	},
	{
		name: "kill-bridge-inside", what: "the bridge with NATS inside is killed and started again, three times",
		faults: func(w *world) {
			for range 3 {
				w.bounce(w.bridges[0], syscall.SIGKILL, time.Second)
				w.flow(150)
			}
		},
	},
	{
		name: "drain-bridge-inside", what: "the bridge with NATS inside is stopped in good order (SIGTERM) and started again, twice",
		long: true,
		faults: func(w *world) {
			for range 2 {
				w.bounce(w.bridges[0], syscall.SIGTERM, 0)
				w.flow(150)
			}
		},
	},
	{
		name: "stop-bridge", what: "a bridge stands still (SIGSTOP) for 15 s",
		plan:   plan{nats: 1},
		faults: func(w *world) { w.pause(w.bridges[0].Process, 15*time.Second) },
	},
	{
		name: "kill-nats", what: "the NATS server is killed and started again, six times",
		plan: plan{nats: 1},
		faults: func(w *world) {
			for range 6 {
				w.restart(w.nodes[0], syscall.SIGKILL, 500*time.Millisecond)
				w.flow(150)
			}
		},
	},
	{
		name: "stop-nats", what: "the NATS server stands still (SIGSTOP) for 9 s", long: true,
		plan:   plan{nats: 1},
		faults: func(w *world) { w.pause(w.nodes[0].Process, 9*time.Second) },
	},
	{
		name: "kill-leader", what: "cluster: the stream's leader is killed under load, twice, and started again later",
		plan: plan{nats: 3},
		faults: func(w *world) {
			for range 2 {
				lead := w.leader()
				lead.Kill()
				w.flow(150) // without it
				lead.Start(w.t, shipped)
				w.replicatedAgain()
			}
		},
		after: func(w *world, r *result) {
			if r.retries == 0 {
				w.t.Error("no publisher saw an error: was the leader killed under load?")
			}
		},
	},
	{
		name: "kill-follower", what: "cluster: a server that does not lead is killed, and started again later", long: true,
		plan: plan{nats: 3},
		faults: func(w *world) {
			n := w.follower()
			n.Kill()
			w.flow(150)
			n.Start(w.t, shipped)
			w.replicatedAgain()
		},
	},
	{
		name: "kill-all", what: "cluster: all three servers are killed at once, and started again",
		plan: plan{nats: 3},
		faults: func(w *world) {
			for _, n := range w.nodes {
				n.Kill()
			}
			for _, n := range w.nodes {
				n.Start(w.t, shipped)
			}
		},
	},
	{
		name: "stop-leader", what: "cluster: the stream's leader stands still for 13 s",
		plan:   plan{nats: 3},
		faults: func(w *world) { w.pause(w.leader().Process, 13*time.Second) },
	},
	{
		name: "step-down", what: "cluster: the leader steps down, four times", long: true,
		plan: plan{nats: 3},
		faults: func(w *world) {
			for range 4 {
				w.stepDown()
				w.flow(60)
			}
		},
	},
	{
		name: "rolling-nats", what: "cluster: one server after another is restarted in good order",
		plan: plan{nats: 3},
		faults: func(w *world) {
			for _, n := range w.nodes {
				w.restart(n, syscall.SIGTERM, 0)
				w.replicatedAgain()
				w.flow(60)
			}
		},
	},
	{
		name: "part-leader", what: "cluster: the leader is parted from the other two for 12 s, while bridges and publishers still reach it",
		plan: plan{nats: 3},
		faults: func(w *world) {
			list := w.around(w.leader())
			each(list, func(l *link.Link) { l.Stall(link.Both) })
			w.lasts(12 * time.Second)
			w.heal(list)
		},
	},
	{
		name: "part-each", what: "cluster: one server after another is parted from the others for 6 s; meanwhile another is killed once", long: true,
		plan: plan{nats: 3},
		faults: func(w *world) {
			for i, n := range w.nodes {
				list := w.around(n)
				each(list, func(l *link.Link) { l.Stall(link.Both) })
				w.lasts(3 * time.Second)
				if i == 1 {
					w.nodes[2].Kill()
				}
				w.lasts(3 * time.Second)
				w.heal(list)
				if i == 1 {
					w.nodes[2].Start(w.t, shipped)
				}
				w.replicatedAgain()
			}
		},
	},
	{
		name: "lagging-copy", what: "cluster: one server is parted from the others for 5 s and then catches up slowly, while bridges and clients come back", long: true,
		plan: plan{nats: 3, padding: 2000, args: []string{"--window-bytes", "128KiB"}, settle: 2 * time.Minute},
		faults: func(w *world) {
			list := w.around(w.follower())
			each(list, func(l *link.Link) { l.Stall(link.Both) })
			w.lasts(5 * time.Second)
			each(list, func(l *link.Link) { l.Throttle(40_000) })
			for _, l := range list {
				l.Unstall()
			}
			for i := range 4 {
				each(w.edges, (*link.Link).Refuse)
				w.bounce(w.bridges[i%2], syscall.SIGKILL, 0)
				w.flow(100)
				w.heal(w.edges)
				w.flow(100)
			}
		},
	},
	{
		name: "stale-server", what: "cluster: the leader is parted from the others, which go on without it, and is for 20 s the only one that is left: it answers, with what it had", long: true,
		plan: plan{nats: 3, settle: 2 * time.Minute},
		faults: func(w *world) {
			stale := w.leader()
			feeds := append(w.feedsOf(stale), w.supply[stale.index])
			each(feeds, (*link.Link).Refuse)
			list := w.around(stale)
			each(list, func(l *link.Link) { l.Stall(link.Both) })
			w.flow(300) // from now on the others store them: it takes two
			for _, n := range w.nodes {
				if n != stale {
					n.Kill()
				}
			}
			w.heal(append(list, feeds...))
			w.lasts(20 * time.Second)
			for _, n := range w.nodes {
				if n != stale {
					n.Start(w.t, shipped)
				}
			}
		},
	},
}
