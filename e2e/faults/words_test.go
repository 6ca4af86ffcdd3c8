//go:build linux

package faults

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/e2e/internal/link"
	"github.com/livebridge/livebridge/e2e/internal/program"
)

// The words of which scenarios and random schedules are made.

// bounce kills a bridge, or has it drain (SIGTERM), and starts it again.
func (w *world) bounce(b *program.Bridge, sig syscall.Signal, down time.Duration) {
	w.t.Helper()
	well := b.Ready() == nil // one that has just been started may be in vain
	b.Signal(sig)
	select {
	case <-b.Done():
	case <-time.After(20 * time.Second):
		w.t.Errorf("a bridge does not end within 20 s of %s", sig)
		b.Kill()
	}
	if code := b.ExitCode(); well && sig == syscall.SIGTERM && code != 0 {
		w.t.Errorf("a bridge ended with status %d after %s:\n%s", code, sig, b.Output())
	}
	w.lasts(down)
	b.Start(w.t)
}

// restart kills or stops a NATS server, and starts it again.
func (w *world) restart(n *node, sig syscall.Signal, down time.Duration) {
	w.t.Helper()
	n.Signal(sig)
	<-n.Done()
	w.lasts(down)
	n.Start(w.t, shipped)
}

// pause stops a process for a while.
func (w *world) pause(p *program.Process, d time.Duration) {
	p.Signal(syscall.SIGSTOP)
	w.lasts(d)
	p.Signal(syscall.SIGCONT)
}

// around are the routes from and to a node.
func (w *world) around(n *node) (list []*link.Link) {
	for i := range w.routes {
		for j, l := range w.routes[i] {
			if l != nil && (i == n.index || j == n.index) {
				list = append(list, l)
			}
		}
	}
	return list
}

// each does something to every link of a list.
func each(list []*link.Link, do func(*link.Link)) {
	for _, l := range list {
		do(l)
	}
}

func (w *world) heal(list []*link.Link) {
	w.t.Helper()
	for _, l := range list {
		program.Eventually(w.t, 10*time.Second, l.Heal)
	}
}

// deleteConsumers deletes every consumer of the stream behind the back of whoever made it.
func (w *world) deleteConsumers() (n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := w.js().Stream(ctx, streamName)
	if err != nil {
		return 0 // the stream has no leader just now
	}
	for name := range s.ConsumerNames(ctx).Name() {
		if err := s.DeleteConsumer(ctx, name); err == nil {
			n++
		}
	}
	return n
}

// edit changes the stream's settings.
func (w *world) edit(change func(*jetstream.StreamConfig)) {
	w.t.Helper()
	program.Eventually(w.t, w.plan.settle, func() error {
		info, err := w.info()
		if err != nil {
			return err
		}
		cfg := info.Config
		change(&cfg)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err = w.js().UpdateStream(ctx, cfg)
		return err
	})
}

// A linkFault is something that is done to links for a while.
type linkFault struct {
	name, what string
	do         func(*link.Link)
	lasts      time.Duration // 0 = it is done in a moment
}

var linkFaults = []linkFault{
	{"cut", "are reset", (*link.Link).Cut, 0},
	{"tear", "are reset in the middle of a frame", func(l *link.Link) { l.Tear(333) }, 0},
	{"stall", "pass on nothing for 7 s", func(l *link.Link) { l.Stall(link.Both) }, 7 * time.Second},
	{"stall-one-way", "pass on nothing one way for 7 s", func(l *link.Link) { l.Stall(link.Down) }, 7 * time.Second},
	{"half-open", "are half-open: both ends believe that they are connected, and nothing passes any more", (*link.Link).Vanish, 7 * time.Second},
	{"refuse", "are reset and refused for 5 s", (*link.Link).Refuse, 5 * time.Second},
	{"slow", "pass on 20 kB/s, 200 ms late, for 8 s", func(l *link.Link) { l.Throttle(20_000); l.Delay(200 * time.Millisecond) }, 8 * time.Second},
}

// A word is a fault of a random schedule. It undoes what it did before it returns.
type word struct {
	name string
	lane lane
	nats int // how many NATS servers it needs at least
	run  func(w *world, rng *rand.Rand)
}

// A lane is what a fault is about. Faults of different lanes happen at the same time.
type lane int

const (
	ofBridges lane = iota
	ofNATS
	ofLinks
	lanes
)

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// mortal is a bridge that a random schedule may end: all but the last, which lives through everything so that leaks are seen.
func (w *world) mortal(rng *rand.Rand) *program.Bridge {
	return w.bridges[rng.IntN(max(1, len(w.bridges)-1))]
}

func (w *world) anyNode(rng *rand.Rand) *node { return w.nodes[rng.IntN(len(w.nodes))] }

var words = []word{
	{"kill -9 a bridge", ofBridges, 0, func(w *world, rng *rand.Rand) { w.bounce(w.mortal(rng), syscall.SIGKILL, upTo(rng, 2*time.Second)) }},
	{"drain a bridge", ofBridges, 0, func(w *world, rng *rand.Rand) { w.bounce(w.mortal(rng), syscall.SIGTERM, upTo(rng, 2*time.Second)) }},
	{"stop a bridge", ofBridges, 0, func(w *world, rng *rand.Rand) {
		w.pause(w.bridges[rng.IntN(len(w.bridges))].Process, upTo(rng, 8*time.Second))
	}},
	{"suspend a reader", ofBridges, 0, func(w *world, rng *rand.Rand) {
		resume := w.clients[rng.IntN(max(1, w.plan.slow))].suspend()
		w.lasts(upTo(rng, 8*time.Second))
		resume()
	}},
	{"kill -9 a NATS server", ofNATS, 1, func(w *world, rng *rand.Rand) {
		w.restart(w.anyNode(rng), syscall.SIGKILL, upTo(rng, 3*time.Second))
	}},
	{"restart a NATS server in good order", ofNATS, 1, func(w *world, rng *rand.Rand) {
		w.restart(w.anyNode(rng), syscall.SIGTERM, upTo(rng, 2*time.Second))
	}},
	{"stop a NATS server", ofNATS, 1, func(w *world, rng *rand.Rand) { w.pause(w.anyNode(rng).Process, upTo(rng, 10*time.Second)) }},
	{"kill -9 the leader", ofNATS, 3, func(w *world, rng *rand.Rand) { w.restart(w.leader(), syscall.SIGKILL, upTo(rng, 3*time.Second)) }},
	{"stop the leader", ofNATS, 3, func(w *world, rng *rand.Rand) { w.pause(w.leader().Process, upTo(rng, 14*time.Second)) }},
	{"kill -9 all NATS servers", ofNATS, 3, func(w *world, rng *rand.Rand) {
		for _, n := range w.nodes {
			n.Kill()
		}
		w.lasts(upTo(rng, 2*time.Second))
		for _, n := range w.nodes {
			n.Start(w.t, shipped)
		}
	}},
	{"step down", ofNATS, 3, func(w *world, _ *rand.Rand) { w.stepDown() }},
	{"delete the consumers", ofNATS, 1, func(w *world, _ *rand.Rand) { w.deleteConsumers() }},
	{"part a NATS server from the others", ofLinks, 3, func(w *world, rng *rand.Rand) {
		list := w.around(w.anyNode(rng))
		each(list, func(l *link.Link) { l.Stall(link.Both) })
		w.lasts(upTo(rng, 12*time.Second))
		w.heal(list)
	}},
	{"part the leader from the others", ofLinks, 3, func(w *world, rng *rand.Rand) {
		list := w.around(w.leader())
		each(list, func(l *link.Link) { l.Stall(link.Both) })
		w.lasts(upTo(rng, 12*time.Second))
		w.heal(list)
	}},
	{"a link", ofLinks, 0, func(w *world, rng *rand.Rand) {
		list := w.links()
		l, f := list[rng.IntN(len(list))], linkFaults[rng.IntN(len(linkFaults))]
		f.do(l)
		w.lasts(upTo(rng, f.lasts+time.Second))
		w.heal([]*link.Link{l})
	}},
}
