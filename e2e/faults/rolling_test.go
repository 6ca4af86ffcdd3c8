//go:build linux

package faults

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

var (
	rollingFor     = flag.Duration("rolling", 30*time.Second, "how long TestRolling restarts bridges")
	rollingClients = flag.Int("rolling-clients", 1000, "clients of TestRolling")
	rollingAway    = flag.Duration("rolling-away", 20*time.Second, "how long a client of TestRolling may be away; 5s holds on a machine with nothing else to do")
)

const rollingEvery = 10 * time.Second

// TestRolling restarts two bridges behind a balancer by turns, every 10 s, under load: nothing is lost, nothing comes twice, and nobody is away
// for long.
func TestRolling(t *testing.T) {
	t.Logf("repeat with -seed %d -rolling %s -rolling-clients %d", *seedFlag, *rollingFor, *rollingClients)
	w := newWorld(t, "rolling-restart", plan{nats: 1, clients: *rollingClients, sse: *rollingClients / 20, rate: 40})
	w.publish()
	w.flow(100)
	turns := time.NewTicker(rollingEvery)
	defer turns.Stop()
	times := 0
	for end := time.Now().Add(*rollingFor); time.Now().Before(end); times++ {
		b := w.bridges[times%2]
		began := time.Now()
		w.bounce(b, syscall.SIGTERM, 0)
		stopped := time.Since(began)
		program.Eventually(t, w.plan.settle, b.Ready)
		t.Logf("%s: bridge %d drained in %s, ready again after %s", began.Format(time.TimeOnly), times%2+1, stopped.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		<-turns.C
	}
	w.settled()
	w.flow(100)
	w.finish()
	r := w.reckon(fmt.Sprintf("two bridges behind a balancer, %d clients: a bridge is restarted every 10 s for %s", len(w.clients), *rollingFor))
	w.bugs(t)
	if r.absence > *rollingAway {
		t.Errorf("a client was away for %s", r.absence)
	}
	drained := 0
	slices.SortFunc(w.clients, func(a, b *client) int { return cmp.Compare(a.away, b.away) })
	for _, c := range w.clients {
		drained += c.closes[1001]
	}
	t.Logf("longest absences: half of the clients up to %s, 99 in 100 up to %s", w.clients[len(w.clients)/2].away.Round(time.Millisecond), w.clients[len(w.clients)*99/100].away.Round(time.Millisecond))
	for _, c := range w.clients[len(w.clients)-3:] {
		t.Logf("%s: %s", c.subs[0].name, c.worst)
	}
	t.Logf("%d restarts; clients were told to go elsewhere (1001) %d times", times, drained)
	if drained == 0 {
		t.Error("no client was told that its bridge goes away")
	}
}
