package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startCluster starts three servers that know each other, with JetStream ready.
func startCluster(t testing.TB) []*server.Server {
	t.Helper()
	var ports []int
	var routes []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, "nats://"+l.Addr().String())
		_ = l.Close() // free for the server
	}
	servers := make([]*server.Server, 3)
	for i := range servers {
		opts := &server.Options{
			ServerName: "n" + itoa(i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		}
		srv, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		servers[i] = srv
		go srv.Start()
		t.Cleanup(func() { stop(srv) })
	}
	for _, srv := range servers {
		if !srv.ReadyForConnections(30 * time.Second) {
			t.Fatal("NATS did not start")
		}
	}
	await(t, "JetStream has a leader that knows all", func() bool {
		for _, srv := range servers {
			if srv.JetStreamIsLeader() {
				return len(srv.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	return servers
}

// TestCluster checks what a replicated stream does differently: keys and batches
// go through the Raft log, and the leader may die.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	var urls []string
	for _, srv := range servers {
		urls = append(urls, srv.ClientURL())
	}
	nc := connect(t, strings.Join(urls, ","))
	stream := createStream(t, nc, func(c *jetstream.StreamConfig) {
		c.Replicas = 3
		c.AllowDirect = false // read at the leader: a follower may be behind
	})
	p := newPublisher(t, nc, Options{Timeout: time.Minute})

	t.Run("batches and keys", func(t *testing.T) {
		publish(t, p, event("1", "one"))
		first := publish(t, p, eventsOf(20, "k")...)
		for i, a := range first {
			if (a != Ack{Seq: uint64(2 + i)}) {
				t.Errorf("event %d: %+v", i, a)
			}
			first[i].Duplicate = true
		}
		if diff := cmp.Diff(first, publish(t, p, eventsOf(20, "k")...)); diff != "" {
			t.Error(diff)
		}
		want := []Ack{{Seq: 22}, {Seq: 1, Duplicate: true}, {Seq: 23}}
		if diff := cmp.Diff(want, publish(t, p, event("2", "two"), event("1", "one"), event("3", "three"))); diff != "" {
			t.Error(diff)
		}
		if n, last := stored(t, stream); n != 23 || last != 23 {
			t.Errorf("%d messages stored, last %d", n, last)
		}
	})

	t.Run("a question stores nothing", func(t *testing.T) {
		msgs, err := messages([]Event{event("1", "new"), event("1", "one")}, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := p.attached(t.Context(), p.timeout, msgs)
		defer stop()
		if found, err := p.locate(ctx, msgs); found != 1 || err != nil || msgs[0].seq != 0 || msgs[1].seq != 1 {
			t.Errorf("found %d, %v: %+v %+v", found, err, msgs[0], msgs[1])
		}
		if diff := cmp.Diff([]Ack{{Seq: 24}}, publish(t, p, event("1", "new"))); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("race", func(t *testing.T) { duplicateRace(t, strings.Join(urls, ","), stream) })

	t.Run("the leader dies", func(t *testing.T) { leaderDies(t, servers, strings.Join(urls, ","), stream) })
}

// leaderDies lets publishers with keys go on while the leader of the stream stops,
// and proves every key stored once, where it was acknowledged.
func leaderDies(t *testing.T, servers []*server.Server, urls string, stream jetstream.Stream) {
	const publishers, rounds = 4, 30
	before, _ := stored(t, stream)
	seqs := map[string]uint64{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	half := make(chan struct{}, publishers)
	for i := range publishers {
		p := newPublisher(t, connect(t, urls), Options{Timeout: 20 * time.Second})
		wg.Go(func() {
			for r := range rounds {
				if r == rounds/3 {
					half <- struct{}{}
				}
				events := eventsOf(1+r%3, fmt.Sprintf("p%d-%d-", i, r))
				acks, err := insist(t.Context(), p, events)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for j, a := range acks {
					seqs[events[j].Key] = a.Seq
				}
				mu.Unlock()
			}
		})
	}
	<-half
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, srv := range servers {
		if srv.Name() == info.Cluster.Leader {
			stop(srv)
		}
	}
	wg.Wait()
	await(t, "the stream answers again", func() bool { _, err := stream.Info(t.Context()); return err == nil })
	if n, _ := stored(t, stream); n-before != uint64(len(seqs)) {
		t.Errorf("%d messages stored, %d keys acknowledged", n-before, len(seqs))
	}
	for key, seq := range seqs {
		if m := read(t, stream, seq); m.Header.Get(nats.MsgIdHdr) != key {
			t.Errorf("sequence %d has key %s, acknowledged for %s", seq, m.Header.Get(nats.MsgIdHdr), key)
		}
	}
}

// insist publishes until the events are acknowledged, as a service would.
func insist(ctx context.Context, p *Publisher, events []Event) ([]Ack, error) {
	for {
		acks, err := p.Publish(ctx, events...)
		if !errors.Is(err, ErrUnavailable) {
			return acks, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
