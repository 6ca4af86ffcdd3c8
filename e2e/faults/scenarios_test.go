//go:build linux

package faults

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

// A scenario is one fault, or a few, in a world with load.
type scenario struct {
	name, what string
	plan       plan
	faults     func(w *world)
	after      func(w *world, r *result) // what else must be seen; may be nil
}

// TestFault runs every scenario.
func TestFault(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}

func order(name string) int {
	return slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
}

func (s scenario) run(t testing.TB) {
	t.Logf("repeat with -seed %d", *seedFlag)
	t.Cleanup(func() {
		if t.Skipped() {
			(&result{name: s.name, what: s.what, skipped: "it needs root"}).keep()
		}
	})
	w := newWorld(t, s.name, s.plan)
	w.publish()
	w.flow(100)
	s.faults(w)
	w.settled()
	w.flow(100)
	w.finish()
	r := w.reckon(s.what)
	w.bugs(t)
	if s.after != nil {
		s.after(w, r)
	}
}

// scenarios are the rows of the table.
var scenarios = []scenario{
	{
		name: "kill-bridge", what: "a bridge is killed (kill -9) and started again, three times, one bridge after the other",
		plan: plan{nats: 1},
		faults: func(w *world) {
			for i := range 3 {
				b := w.bridges[i%2]
				b.Kill()
				w.flow(150)
				b.Up(w.t)
				program.Eventually(w.t, w.plan.settle, w.allLive)
			}
		},
	},
	{
		name: "kill-bridge-inside", what: "the bridge with NATS inside is killed and started again, three times",
		faults: func(w *world) {
			for range 3 {
				w.bridges[0].Kill()
				w.lasts(time.Second)
				w.bridges[0].Up(w.t)
				w.flow(150)
			}
		},
	},
	{
		name: "stop-bridge", what: "a bridge stands still (SIGSTOP) for 15 s",
		plan: plan{nats: 1},
		faults: func(w *world) {
			w.bridges[0].Signal(syscall.SIGSTOP)
			w.lasts(15 * time.Second)
			w.bridges[0].Signal(syscall.SIGCONT)
		},
	},
	{
		name: "kill-nats", what: "the NATS server is killed and started again, six times in about 12 s",
		plan: plan{nats: 1},
		faults: func(w *world) {
			for range 6 {
				w.nodes[0].Kill()
				w.lasts(500 * time.Millisecond)
				w.nodes[0].Up(w.t, shipped)
				w.flow(200)
			}
		},
	},
	{
		name: "kill-leader", what: "of three NATS servers with three copies, the stream's leader is killed under load, and started again later",
		plan: plan{nats: 3},
		faults: func(w *world) {
			lead := w.leader()
			lead.Kill()
			w.flow(200)
			lead.Start(w.t, shipped)
			program.Eventually(w.t, w.plan.settle, w.replicated)
		},
	},
}
