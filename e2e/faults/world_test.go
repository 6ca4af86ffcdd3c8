//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
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

func (w *world) startNATS() {
	w.t.Helper()
	_, bin, env := w.bins()
	for range max(1, w.plan.nats) {
		w.disks = append(w.disks, newVolume(w.t, w.plan.disk))
	}
	for i := range w.plan.nats {
		w.nodes = append(w.nodes, &node{index: i, disk: w.disks[i], NATS: &program.NATS{
			Bin: bin, Addr: program.Addr(w.t), Store: w.disks[i].store(), Sync: w.plan.sync, Name: fmt.Sprintf("n%d", i+1), Env: env,
		}})
	}
	if w.plan.nats > 1 {
		w.cluster()
	}
	for _, n := range w.nodes {
		w.supply = append(w.supply, w.link(n.Addr))
		n.Start(w.t, shipped)
	}
	if w.plan.nats > 0 {
		program.Eventually(w.t, 60*time.Second, w.natsAnswers)
	}
}

// cluster makes the routes. Every server dials every other by a link of its own. What servers tell each other of where they are would go
// past the links, so they tell an address at which nobody is.
func (w *world) cluster() {
	ports := make([]string, len(w.nodes))
	for i := range w.nodes {
		ports[i] = program.Addr(w.t)
	}
	for i, n := range w.nodes {
		var out []*link.Link
		var urls []string
		for j := range w.nodes {
			if i == j {
				out = append(out, nil)
				continue
			}
			l := w.link(ports[j])
			out = append(out, l)
			urls = append(urls, "nats-route://"+l.Addr())
		}
		w.routes = append(w.routes, out)
		n.Cluster = fmt.Sprintf("{ name: faults, listen: %q, advertise: \"127.0.0.1:1\", no_advertise: true, routes: [%q] }", ports[i], strings.Join(urls, `","`))
		n.Cluster = strings.ReplaceAll(n.Cluster, `\"`, `"`)
	}
}

func (w *world) natsAnswers() error {
	for _, n := range w.nodes {
		if err := n.Answers(); err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	return nil
}

func (w *world) startBridges() {
	w.t.Helper()
	bin, _, env := w.bins()
	args := append([]string{"--ping", "2s", "--max-outbox", "256KiB"}, w.plan.args...)
	if w.plan.disk != folder {
		args = append(args, "--max-bytes", "16MiB") // the disks are small
	}
	for range w.plan.bridges {
		var b *program.Bridge
		if w.plan.nats == 0 {
			b = program.Embedded(w.t, bin, w.disks[0].store(), args...)
			w.supply = append(w.supply, w.link(b.NATS))
		} else {
			var feeds []*link.Link
			var addrs []string
			for _, n := range w.nodes {
				l := w.link(n.Addr)
				feeds, addrs = append(feeds, l), append(addrs, l.Addr())
			}
			w.feeds = append(w.feeds, feeds)
			b = program.Beside(w.t, bin, addrs, append(args, "--replicas", fmt.Sprint(w.plan.nats))...)
		}
		b.Env = append(env, w.plan.env...)
		w.bridges = append(w.bridges, b)
		w.edges = append(w.edges, w.link(b.Addr))
		b.Start(w.t)
		program.Eventually(w.t, 60*time.Second, w.bridgesReady) // one after another: the first creates the stream
	}
	var addrs, natsAddrs []string
	for _, e := range w.edges {
		addrs = append(addrs, e.Addr())
	}
	w.front = w.link(addrs...)
	w.living.Go(w.balance)
	for _, n := range w.nodes {
		natsAddrs = append(natsAddrs, n.Addr)
	}
	if w.plan.nats == 0 {
		natsAddrs = []string{w.bridges[0].NATS}
	}
	w.admin = w.connect(natsAddrs)
}

// balance has the balancer send new connections to the bridges that are ready, as long as there are any.
func (w *world) balance() {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ready := make([]bool, len(w.edges))
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-w.ending:
			return
		case <-w.ctx.Done():
			return
		case <-tick.C:
		}
		var asking sync.WaitGroup
		var addrs, all []string
		for i, e := range w.edges {
			asking.Go(func() {
				resp, err := client.Get("http://" + e.Addr() + "/readyz")
				if ready[i] = err == nil && resp.StatusCode == http.StatusOK; err == nil {
					resp.Body.Close()
				}
			})
		}
		asking.Wait()
		for i, e := range w.edges {
			all = append(all, e.Addr())
			if ready[i] {
				addrs = append(addrs, e.Addr())
			}
		}
		if len(addrs) == 0 {
			addrs = all
		}
		w.front.Targets(addrs...)
	}
}

// connect is a connection to NATS that comes back fast and buffers nothing.
func (w *world) connect(addrs []string) *nats.Conn {
	w.t.Helper()
	nc, err := nats.Connect("nats://"+strings.Join(addrs, ",nats://"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond), nats.ReconnectBufSize(-1), nats.Timeout(2*time.Second),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // errors are what we are here for
	if err != nil {
		w.t.Fatal(err)
	}
	return nc
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
	program.Eventually(w.t, 60*time.Second, w.allLive)
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

const publishers = 6 // one of them by way of a bridge

// publish starts the load.
func (w *world) publish() {
	w.t.Helper()
	w.load.began.Store(time.Now().UnixNano())
	every := time.Second * publishers / time.Duration(w.plan.rate)
	for i := range publishers {
		p := &publisher{ledger: w.ledger, rng: rand.New(rand.NewPCG(w.rng.Uint64(), uint64(i))), every: every, padding: w.plan.padding, fails: w.failed}
		if i == 0 {
			tr := &http.Transport{}
			w.t.Cleanup(tr.CloseIdleConnections)
			w.idlers = append(w.idlers, tr.CloseIdleConnections)
			p.toBridge(&http.Client{Transport: tr}, w.front.Addr())
		} else {
			var addrs []string
			for _, l := range w.supply {
				addrs = append(addrs, l.Addr())
			}
			nc := w.connect(addrs)
			w.t.Cleanup(nc.Close)
			if err := p.toNATS(nc); err != nil {
				w.t.Fatal(err)
			}
		}
		w.loading.Go(func() { p.run(w.ctx, w.stopLoad) })
	}
}

func (w *world) failed(err error) {
	text := err.Error()
	for err := errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		text = err.Error() // the cause, without addresses
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures[text]++
}

// finish ends the load, and waits until every event is acknowledged and every client has been told everything.
func (w *world) finish() {
	w.t.Helper()
	close(w.stopLoad)
	if !within(w.plan.settle, w.loading.Wait) {
		w.t.Errorf("some events could not be published within %s after the faults: %v", w.plan.settle, w.failures)
	}
	w.load.ended.Store(time.Now().UnixNano())
	w.truth = w.stored()
	close(w.ending)
	if !within(w.plan.settle, w.living.Wait) {
		w.t.Errorf("some clients have not been told everything within %s", w.plan.settle)
	}
	w.cancel()
	w.living.Wait()
	w.loading.Wait()
}

// within says whether f returns in time.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// flow waits until n more events have been acknowledged.
func (w *world) flow(n int) {
	w.t.Helper()
	if got := w.flows(n, w.plan.settle); got < n {
		w.t.Fatalf("only %d of %d events were acknowledged within %s: %v", got, n, w.plan.settle, w.failures)
	}
}

// flows waits until n more events have been acknowledged, but no longer than that. It returns how many have.
func (w *world) flows(n int, most time.Duration) int {
	began, more := w.ledger.count()
	patience := time.After(most)
	for acked := began; acked < began+n; {
		select {
		case <-more:
		case <-patience:
			return acked - began
		}
		acked, more = w.ledger.count()
	}
	return n
}

// lasts lets a fault last.
func (w *world) lasts(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.ctx.Done():
	}
}

// settled waits until everything is well: all links whole, all programs up and ready, all clients live.
func (w *world) settled() {
	w.t.Helper()
	for _, l := range w.links() {
		program.Eventually(w.t, 10*time.Second, l.Heal)
	}
	for _, n := range w.nodes {
		n.Signal(syscall.SIGCONT)
		if !n.Alive() {
			n.Start(w.t, shipped)
		}
	}
	for _, b := range w.bridges {
		b.Signal(syscall.SIGCONT)
	}
	w.supervise()
	program.Eventually(w.t, w.plan.settle, w.bridgesReady)
	program.Eventually(w.t, w.plan.settle, w.replicated)
	program.Eventually(w.t, w.plan.settle, w.allLive)
}

// bridgesReady returns nil when every bridge is. One that has ended is started again, as a process manager does: a bridge does not
// wait for its NATS when it starts.
func (w *world) bridgesReady() error {
	w.supervise()
	for i, b := range w.bridges {
		if err := b.Ready(); err != nil {
			return fmt.Errorf("bridge %d: %w", i+1, err)
		}
	}
	return nil
}

// supervise starts the bridges that have ended.
func (w *world) supervise() {
	for _, b := range w.bridges {
		if !b.Alive() {
			b.Start(w.t)
		}
	}
}

// links are all of them.
func (w *world) links() []*link.Link {
	all := slices.Concat(w.edges, w.supply, slices.Concat(w.feeds...), slices.Concat(w.routes...), []*link.Link{w.front})
	return slices.DeleteFunc(all, func(l *link.Link) bool { return l == nil })
}
