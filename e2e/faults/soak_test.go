//go:build linux

package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/link"
	"github.com/livebridge/livebridge/e2e/internal/program"
)

var soakFor = flag.Duration("soak", 2*time.Minute, "how long TestSoak breaks things")

// TestSoak breaks a whole cluster at random, several things at a time, and then looks for leaks in a bridge that lived through all of it.
func TestSoak(t *testing.T) {
	t.Parallel()
	t.Logf("repeat with -seed %d -soak %s", *seedFlag, *soakFor)
	w := newWorld(t, "soak", plan{
		bridges: 3, nats: 3, clients: 30, slow: 3, rate: 100, padding: 500, settle: 3 * time.Minute,
		args: []string{"--window-bytes", "256KiB"}, // most absences are longer than it spans: replays read from JetStream
	})
	w.publish()
	w.flow(500)
	last := len(w.bridges) - 1
	warm := w.usage(t, last)
	w.randomly(*soakFor)
	w.settled()
	w.flow(100)
	w.finish()
	w.reckon(fmt.Sprintf("cluster, three bridges: faults of all kinds at random for %s", *soakFor))
	w.bugs(t)
	w.noLeaks(last, warm)
}

// randomly runs words of each lane one after another, all lanes at the same time.
func (w *world) randomly(d time.Duration) {
	end := time.Now().Add(d)
	var all sync.WaitGroup
	for l := range lanes {
		var choice []word
		for _, word := range words {
			if word.lane == l && len(w.nodes) >= word.nats {
				choice = append(choice, word)
			}
		}
		rng := rand.New(rand.NewPCG(w.rng.Uint64(), uint64(l)))
		all.Go(func() {
			for time.Now().Before(end) {
				word := choice[rng.IntN(len(choice))]
				began := time.Now()
				if l == ofBridges {
					w.supervise()
				}
				word.run(w, rng)
				w.t.Logf("%6.1f s  %s, %.1f s", time.Until(end).Seconds(), word.name, time.Since(began).Seconds())
				if rng.IntN(4) > 0 { // three of four faults come when all is well, as far as this lane knows
					w.flows(50, 15*time.Second)
				}
				w.lasts(upTo(rng, 3*time.Second))
			}
		})
	}
	all.Wait()
}

// A usage is what a bridge takes of the machine.
type usage struct{ goroutines, descriptors, heap, resident float64 }

func (w *world) usage(t testing.TB, bridge int) (u usage) {
	t.Helper()
	program.Eventually(t, 20*time.Second, func() (err error) {
		for name, v := range map[string]*float64{
			"go_goroutines": &u.goroutines, "process_open_fds": &u.descriptors,
			"go_memstats_heap_inuse_bytes": &u.heap, "process_resident_memory_bytes": &u.resident,
		} {
			if *v, err = w.lookUp(bridge, name); err != nil {
				return err
			}
		}
		return nil
	})
	return u
}

// What may be left over: what the metrics' own request takes, and what the Go runtime keeps of memory that it has freed.
const (
	spare       = 4
	spareMemory = 48 << 20
)

// noLeaks makes sure that a bridge, whose clients have all gone, is back where it was before they came, and takes no more memory than it did
// when they had just come.
func (w *world) noLeaks(bridge int, warm usage) {
	w.t.Helper()
	for _, idle := range w.idlers {
		idle()
	}
	each(append(w.edges, w.front), (*link.Link).Cut) // connections that are half-open for ever: nothing tells a bridge that an SSE client behind one has gone
	cold := w.cold[bridge]
	program.Eventually(w.t, 150*time.Second, func() error {
		for _, gauge := range []string{`livebridge_connections{kind="ws"}`, `livebridge_connections{kind="sse"}`, "livebridge_subscriptions_live", "livebridge_subscriptions_replaying"} {
			if n := w.metricOf(bridge, gauge); n != 0 {
				return fmt.Errorf("%s is %v", gauge, n)
			}
		}
		now := w.usage(w.t, bridge)
		switch {
		case now.goroutines > cold.goroutines+spare:
			return fmt.Errorf("%v goroutines, %v before there were clients", now.goroutines, cold.goroutines)
		case now.descriptors > cold.descriptors+spare:
			return fmt.Errorf("%v descriptors, %v before there were clients", now.descriptors, cold.descriptors)
		case now.heap > warm.heap+spareMemory/4:
			return fmt.Errorf("a heap of %.1f MB, %.1f MB at the start", now.heap/1e6, warm.heap/1e6)
		case now.resident > warm.resident+spareMemory:
			return fmt.Errorf("%.1f MB resident, %.1f MB at the start", now.resident/1e6, warm.resident/1e6)
		}
		w.t.Logf("bridge %d: goroutines %v, before %v; descriptors %v, before %v; heap %.1f MB, at the start %.1f MB; resident %.1f MB, at the start %.1f MB", bridge+1,
			now.goroutines, cold.goroutines, now.descriptors, cold.descriptors, now.heap/1e6, warm.heap/1e6, now.resident/1e6, warm.resident/1e6)
		return nil
	})
}
