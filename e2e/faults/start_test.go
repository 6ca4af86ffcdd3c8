//go:build linux

package faults

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/e2e/internal/link"
	"github.com/livebridge/livebridge/e2e/internal/program"
)

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
			urls = append(urls, strconv.Quote("nats-route://"+l.Addr()))
		}
		w.routes = append(w.routes, out)
		n.Cluster = fmt.Sprintf("{ name: faults, listen: %q, advertise: \"127.0.0.1:1\", no_advertise: true, ping_interval: \"5s\", routes: [%s] }", ports[i], strings.Join(urls, ", "))
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
	args := append([]string{"--ping", w.plan.ping, "--max-outbox", "256KiB"}, w.plan.args...)
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
