//go:build linux

package faults

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/e2e/internal/link"
	"github.com/livebridge/livebridge/e2e/internal/program"
)

// A plan says what a world is made of.
type plan struct {
	bridges int           // 0 = 2; 1 where NATS is inside
	nats    int           // servers beside the bridges: 0 = NATS is inside the bridge, 1, or 3 as a cluster
	disk    volumeKind    // of every NATS server
	sync    string        // sync_interval of NATS; "" = always
	ping    string        // heartbeat of the bridges; "" = 2s
	args    []string      // more of the bridges
	env     []string      // of the bridges
	clients int           // by WebSocket; 0 = 24
	sse     int           // by SSE; 0 = 4, negative = none
	slow    int           // of the WebSocket clients, those that can be suspended and then have little room
	rate    int           // events a second; 0 = 200
	padding int           // bytes in a payload
	jumping bool          // the clock can be set
	policy  policy        // what may happen to events
	settle  time.Duration // until everything is well again after the faults; 0 = 60 s
}

func (p plan) withDefaults() plan {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	if p.nats == 0 {
		p.bridges = 1
	}
	def(&p.bridges, 2)
	def(&p.clients, 24)
	def(&p.sse, 4)
	def(&p.rate, 200)
	if p.ping == "" {
		p.ping = "2s"
	}
	if p.settle == 0 {
		p.settle = 60 * time.Second
	}
	return p
}

// A world is everything that takes part, and the links between.
type world struct {
	t    testing.TB
	name string
	plan plan
	seed uint64
	rng  *rand.Rand

	bridges []*program.Bridge
	nodes   []*node        // NATS servers beside the bridges
	disks   []*volume      // of the nodes, or of the bridge with NATS inside
	clock   *jumpingClock  // nil = it cannot be set
	front   *link.Link     // the balancer: clients connect to it
	edges   []*link.Link   // balancer → bridge
	feeds   [][]*link.Link // bridge → node
	supply  []*link.Link   // publishers → node, or → NATS inside the bridge
	routes  [][]*link.Link // node → node; nil on the diagonal
	admin   *nats.Conn     // ours, past every link
	cold    []usage        // of the bridges before there were clients
	idlers  []func()       // close what publishers keep open for later

	clients  []*client
	ledger   *ledger
	load     loadClock
	stopLoad chan struct{}
	loading  sync.WaitGroup
	living   sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
	ending   chan struct{}
	truth    *truth

	mu       sync.Mutex
	failures map[string]int // of publishing, by what was said
}

// A node is one NATS server.
type node struct {
	*program.NATS
	index int
	disk  *volume
}

// newWorld starts everything but the load.
func newWorld(t testing.TB, name string, p plan) *world {
	t.Helper()
	h := fnv.New64a()
	h.Write([]byte(name))
	w := &world{
		t: t, name: name, plan: p.withDefaults(), seed: *seedFlag, rng: rand.New(rand.NewPCG(*seedFlag, h.Sum64())),
		ledger: newLedger(), stopLoad: make(chan struct{}), ending: make(chan struct{}), failures: map[string]int{},
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	t.Cleanup(w.end)
	if w.plan.jumping {
		w.clock = newJumpingClock(t)
	}
	w.startNATS()
	w.startBridges()
	for i := range w.bridges {
		w.cold = append(w.cold, w.usage(t, i))
	}
	w.startClients()
	return w
}

// end stops what the test's own cleanup does not.
func (w *world) end() {
	w.cancel()
	w.loading.Wait()
	w.living.Wait()
	if w.admin != nil {
		w.admin.Close()
	}
}

func (w *world) link(targets ...string) *link.Link {
	w.t.Helper()
	l, err := link.New(program.Addr(w.t), targets...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(l.Close)
	return l
}

func (w *world) bins() (bridge, nats string, env []string) {
	if w.clock == nil {
		return bridgeBin, natsBin, nil
	}
	b, err := jumping()
	if err != nil {
		w.t.Fatal(err)
	}
	return b.bridge, b.nats, w.clock.env()
}

func (w *world) startClients() {
	for i := range w.plan.clients + max(w.plan.sse, 0) {
		c := newClient(i, i >= w.plan.clients, rand.New(rand.NewPCG(w.rng.Uint64(), uint64(i))), w.front.Addr())
		if i < w.plan.slow {
			c.slow, c.subs = true, c.subs[:1]
			c.subs[0].filter = filter{resource: "*"} // so that it has much to read
		}
		c.clock, c.ending, c.end = &w.load, w.ending, func() position { return w.truth.end }
		w.clients = append(w.clients, c)
		w.living.Go(func() { c.run(w.ctx) })
	}
	w.becomeLive(60 * time.Second)
}

// becomeLive waits until every subscription of every client is live.
func (w *world) becomeLive(within time.Duration) {
	w.t.Helper()
	live := false
	defer func() {
		if !live {
			w.explain()
		}
	}()
	program.Eventually(w.t, within, w.allLive)
	live = true
}

// allLive returns nil when every subscription of every client is live.
func (w *world) allLive() error {
	missing := 0
	for _, c := range w.clients {
		if !c.live.Load() {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d clients are not live", missing, len(w.clients))
	}
	return nil
}
