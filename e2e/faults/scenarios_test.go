//go:build linux

package faults

import (
	"flag"
	"slices"
	"strings"
	"testing"
)

// A scenario is one fault, or a few, in a world with load: a row of the table.
type scenario struct {
	name, what string
	long       bool // run only when all are asked for, or it by name
	plan       plan
	faults     func(w *world)
	after      func(w *world, r *result) // what else must be seen; may be nil
}

var scenarios = slices.Concat(processScenarios, linkScenarios(), diskScenarios, streamScenarios, limitScenarios)

var allFlag = flag.Bool("all", false, "run every scenario, also those that are left out to keep the run short")

// TestFault runs the scenarios.
func TestFault(t *testing.T) {
	byName := strings.Contains(flag.Lookup("test.run").Value.String(), "/")
	for _, s := range scenarios {
		if s.long && !*allFlag && !byName {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}

// order is the place of a scenario in the table; that of a test of its own is behind all of them.
func order(name string) int {
	if i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name }); i >= 0 {
		return i
	}
	return len(scenarios)
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
