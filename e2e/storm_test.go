package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	seed    = flag.Uint64("seed", 0, "seed of the random schedule; 0 = another one each time")
	events  = flag.Int("events", 10_000, "events that are published")
	clients = flag.Int("clients", 200, "WebSocket clients")
)

const resources, records = 20, 50 // 1,000 records

var types = []string{"created", "updated", "deleted", "archived"}

// A storm is a publisher, many clients with mixed filters that come and go, and a reckoning at the end.
type storm struct {
	t        *testing.T
	rng      *rand.Rand
	bridges  []*bridge
	natsAddr string
	clients  []*client
	quiet    atomic.Bool // everything is published: clients stop to drop
	want     [][]int     // of each subscription, set before finished is closed
	finished chan struct{}
}

func newStorm(t *testing.T, natsAddr string, bridges ...*bridge) *storm {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("repeat with -seed %d", s)
	st := &storm{t: t, rng: rand.New(rand.NewPCG(s, 1)), bridges: bridges, natsAddr: natsAddr, finished: make(chan struct{})}
	for i := range *clients {
		st.clients = append(st.clients, st.client(i))
	}
	return st
}

// client makes a client with one to three subscriptions: all, by type, by id, by several ids, everything.
func (st *storm) client(i int) *client {
	c := &client{}
	for n := range 1 + st.rng.IntN(3) {
		s := &sub{name: fmt.Sprintf("s%d-%d", i, n), resource: fmt.Sprintf("r%d", st.rng.IntN(resources))}
		switch st.rng.IntN(6) {
		case 0:
			s.resource = "*"
		case 1:
			s.types = []string{types[st.rng.IntN(len(types))]}
		case 2:
			s.ids = []string{strconv.Itoa(st.rng.IntN(records))}
		case 3:
			s.types = types[:2]
			for range 1 + st.rng.IntN(20) {
				s.ids = append(s.ids, strconv.Itoa(st.rng.IntN(records)))
			}
		case 4:
			s.resource, s.ids = "*", []string{strconv.Itoa(st.rng.IntN(records)), "7"}
		}
		c.subs = append(c.subs, s)
	}
	return c
}

// subject of the n-th event: one in fifty is about no particular record.
func (st *storm) subject(rng *rand.Rand) string {
	id := strconv.Itoa(rng.IntN(records))
	if rng.IntN(50) == 0 {
		id = "_"
	}
	return fmt.Sprintf("live.r%d.%s.%s", rng.IntN(resources), types[rng.IntN(len(types))], id)
}

// publish stores every event once, as a service with a plain NATS client does: with a key, and again until it is acknowledged.
func (st *storm) publish() {
	rng := rand.New(rand.NewPCG(st.rng.Uint64(), 2))
	nc, err := nats.Connect("nats://"+st.natsAddr, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectBufSize(-1))
	if err != nil {
		st.t.Error(err)
		return
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		st.t.Error(err)
		return
	}
	for n := range *events {
		msg := &nats.Msg{Subject: st.subject(rng), Header: nats.Header{"Nats-Msg-Id": {strconv.Itoa(n)}}, Data: fmt.Appendf(nil, `{"n":%d}`, n)}
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, err := js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
			cancel()
			if err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond) // NATS is away
		}
	}
}

// stored reads what the stream holds in the end: the truth that every client is measured by.
func (st *storm) stored() (all []frame) {
	nc, err := nats.Connect("nats://" + st.natsAddr)
	if err != nil {
		st.t.Fatal(err)
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	c, err := js.OrderedConsumer(context.Background(), "LIVE", jetstream.OrderedConsumerConfig{})
	if err != nil {
		st.t.Fatal(err)
	}
	for len(all) < *events {
		batch, err := c.Fetch(min(1000, *events-len(all)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			st.t.Fatal(err)
		}
		for m := range batch.Messages() {
			token := strings.Split(m.Subject(), ".")
			id := token[3]
			if id == "_" {
				id = ""
			}
			all = append(all, frame{Resource: token[1], Type: token[2], ID: id, Payload: m.Data()})
		}
	}
	return all
}

// run keeps one client connected, cuts it now and then, and ends when it has what it should have.
func (st *storm) run(c *client, rng *rand.Rand, ready func()) error {
	first := true
	deadline := time.Now().Add(4 * time.Minute)
	for {
		b := st.bridges[rng.IntN(len(st.bridges))]
		err := c.connect(b.addr)
		cut := time.Now().Add(time.Duration(100+rng.IntN(2000)) * time.Millisecond)
		for err == nil {
			if !first && !st.quiet.Load() && time.Now().After(cut) {
				err = errCut
				break
			}
			_, err = c.read(200 * time.Millisecond)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				err = errCut // a WebSocket cannot be read after a time-out
			}
			if c.allLive() && first {
				first = false
				ready()
			}
			if st.complete(c) {
				return st.nothingMore(c, b)
			}
		}
		c.drop()
		var closed *websocket.CloseError
		if err != errCut && !errors.As(err, &closed) && strings.Contains(err.Error(), "bad_") {
			return err
		}
		if st.complete(c) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not complete in time: %s", st.state(c))
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
	}
}

var errCut = errors.New("cut")

// complete says whether everything is published and the client has as many events as it should.
func (st *storm) complete(c *client) bool {
	select {
	case <-st.finished:
	default:
		return false
	}
	for i, s := range c.subs {
		if len(s.got) < len(st.wanted(c)[i]) {
			return false
		}
	}
	return true
}

func (st *storm) wanted(c *client) [][]int {
	at := 0
	for _, other := range st.clients {
		if other == c {
			return st.want[at : at+len(c.subs)]
		}
		at += len(other.subs)
	}
	return nil
}

// nothingMore makes sure that nothing comes after what was to come: what was queued before the answer to a ping has arrived with it.
func (st *storm) nothingMore(c *client, b *bridge) error {
	defer c.drop()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"ping"}`)); err != nil {
		return nil
	}
	for {
		frames, err := c.read(5 * time.Second)
		if err != nil {
			return nil
		}
		if slices.ContainsFunc(frames, func(f frame) bool { return f.Op == "pong" }) {
			return nil
		}
	}
}

func (st *storm) state(c *client) string {
	var b strings.Builder
	for i, s := range c.subs {
		fmt.Fprintf(&b, "%s: %d of %d, live %t; ", s.name, len(s.got), len(st.wanted(c)[i]), s.live)
	}
	return b.String()
}

// weather runs the storm: clients first, then the publisher with whatever happens meanwhile, then the reckoning.
func (st *storm) weather(meanwhile func(stop <-chan struct{})) {
	t := st.t
	var ready, all sync.WaitGroup
	ready.Add(len(st.clients))
	errs := make([]error, len(st.clients))
	for i, c := range st.clients {
		rng := rand.New(rand.NewPCG(st.rng.Uint64(), uint64(i)))
		all.Go(func() { errs[i] = st.run(c, rng, ready.Done) })
	}
	ready.Wait()
	published := make(chan struct{})
	go func() {
		defer close(published)
		st.publish()
	}()
	if meanwhile != nil {
		meanwhile(published)
	}
	<-published
	truth := st.stored()
	for _, c := range st.clients {
		for _, s := range c.subs {
			var want []int
			for _, e := range truth {
				if s.matches(e.Resource, e.Type, e.ID) {
					var n int
					fmt.Sscanf(string(e.Payload), `{"n":%d}`, &n)
					want = append(want, n)
				}
			}
			st.want = append(st.want, want)
		}
	}
	st.quiet.Store(true)
	close(st.finished)
	all.Wait()
	delivered := 0
	for i, c := range st.clients {
		if errs[i] != nil {
			t.Errorf("client %d: %v", i, errs[i])
		}
		for k, s := range c.subs {
			want := st.wanted(c)[k]
			delivered += len(s.got)
			if !slices.Equal(s.got, want) {
				t.Errorf("%s (%s %v %v): got %d events, want %d; first difference at %d", s.name, s.resource, s.types, s.ids, len(s.got), len(want), difference(s.got, want))
			}
			if len(s.resets) > 0 {
				t.Errorf("%s was told to reset: %v", s.name, s.resets)
			}
		}
	}
	t.Logf("%d events, %d clients, %d deliveries: every one once, in order", len(truth), len(st.clients), delivered)
}

func difference(a, b []int) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestStormEmbedded(t *testing.T) {
	b := embedded(t, "--frame-rate", "1000", "--frame-burst", "1000")
	newStorm(t, b.nats, b).weather(nil)
}

func TestStormKillBridge(t *testing.T) {
	b := embedded(t)
	newStorm(t, b.nats, b).weather(func(stop <-chan struct{}) {
		for range 3 {
			select {
			case <-stop:
				return
			case <-time.After(1200 * time.Millisecond):
			}
			b.kill()
			b.up(t)
		}
	})
}

func TestStormTwoBridgesExternalNATS(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", port(t))
	store := t.TempDir()
	natsServer(t, addr, store)
	one, two := beside(t, addr), beside(t, addr)
	newStorm(t, addr, one, two).weather(func(stop <-chan struct{}) {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(1500 * time.Millisecond):
			}
			b := []*bridge{one, two}[i%2]
			b.kill()
			b.up(t)
		}
	})
}

func TestStormNATSKilled(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", port(t))
	store := t.TempDir()
	ns := natsServer(t, addr, store)
	one, two := beside(t, addr), beside(t, addr)
	newStorm(t, addr, one, two).weather(func(stop <-chan struct{}) {
		for range 2 {
			select {
			case <-stop:
				return
			case <-time.After(1500 * time.Millisecond):
			}
			ns.Kill()
			ns = natsServer(t, addr, store)
		}
	})
}
