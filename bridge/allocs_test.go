//go:build !race

// The race detector makes sync.Pool forget at random.

package bridge

import (
	"runtime"
	"testing"

	"github.com/livebridge/livebridge/replay"
)

// A live event costs nothing that has to be collected again, from the log's call of the sinks to the sockets, though every connection is
// written to for each event by itself.
func TestDeliveryAllocatesNothing(t *testing.T) {
	const clients, most = 100, 0.01
	s := bare(t, 1<<30)
	subs := make([]*subscription, clients)
	for i := range subs {
		subs[i] = sinkOf(drained(t, s, wsFraming{}))
	}
	frame, seq := *event(250), uint64(0)
	deliver := func() {
		seq++
		e := &replay.Event{Seq: seq, Frame: frame}
		for _, sub := range subs {
			sub.Live(e)
		}
		for _, sub := range subs {
			for !sub.conn.out.idle() {
				runtime.Gosched()
			}
		}
	}
	for range 20 { // until all buffers are there
		deliver()
	}
	if n := testing.AllocsPerRun(100, deliver) / clients; n > most {
		t.Errorf("%.2f allocations for each delivery", n)
	}
}
