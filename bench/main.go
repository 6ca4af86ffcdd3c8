//go:build linux

// Command bench measures a running bridge from outside: fan-out, latency, memory of idle connections, reconnect storms, replay. It is to
// run on the same machine, and speaks to loopback addresses only.
//
//	go run ./bench -bridge 127.0.0.1:8080 -nats 127.0.0.1:4222 fanout -subs 1000 -events 5000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A target is the bridge that is measured.
type target struct {
	bridge, nats string
	pid          int
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	var t target
	fs.StringVar(&t.bridge, "bridge", "127.0.0.1:8080", "address of the bridge")
	fs.StringVar(&t.nats, "nats", "127.0.0.1:4222", "address of its NATS")
	fs.IntVar(&t.pid, "pid", 0, "process id of the bridge, to measure its CPU and memory")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for _, addr := range []string{t.bridge, t.nats} {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("%s: only loopback addresses, such as 127.0.0.1:8080, are measured", addr)
		}
	}
	modes := map[string]func(*target, []string) error{"fanout": fanout, "latency": latency, "idle": idle, "storm": storm, "replay": replayAll}
	mode := modes[fs.Arg(0)]
	if mode == nil {
		return errors.New("say what to measure: fanout, latency, idle, storm or replay")
	}
	return mode(&t, fs.Args()[1:])
}

const subscribeAll = `{"op":"subscribe","sub":"a","resource":"bench"}`

// subscribers connects n clients and waits until they are live.
func (t *target) subscribers(n int, frame string) (*swarm, error) {
	s, err := newSwarm(t.bridge)
	if err != nil {
		return nil, err
	}
	for range n {
		if _, err := s.dial(`{"op":"connect"}`, frame); err != nil {
			s.close()
			return nil, err
		}
	}
	for end := time.Now().Add(30 * time.Second); ; {
		if _, err := s.read(100 * time.Millisecond); err != nil {
			return nil, err
		}
		live := 0
		for _, p := range s.conns {
			if p.live {
				live++
			}
		}
		if live == n {
			return s, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d of %d subscribers are live", live, n)
		}
	}
}

func (t *target) jetstream() (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect("nats://" + t.nats)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(2*pending))
	return nc, js, err
}

// body is an event's payload of about size bytes with a number and a time in it.
func body(n, size int) []byte {
	b := fmt.Appendf(nil, `{"x":"%s","t":%d,"n":%d}`, strings.Repeat("x", max(0, size-60)), time.Now().UnixNano(), n)
	return b
}

// flood publishes as fast as JetStream takes it.
func (t *target) flood(events, size int) error {
	nc, js, err := t.jetstream()
	if err != nil {
		return err
	}
	defer nc.Close()
	var acks []jetstream.PubAckFuture
	for n := range events {
		ack, err := js.PublishAsync("live.bench.updated."+strconv.Itoa(n%1000), body(n, size))
		if err != nil {
			return err
		}
		if acks = append(acks, ack); len(acks) == pending {
			if err := acknowledged(acks[0]); err != nil {
				return err
			}
			acks = acks[1:]
		}
	}
	for _, ack := range acks {
		if err := acknowledged(ack); err != nil {
			return err
		}
	}
	return nil
}

// pending is how many messages may be on their way to JetStream.
const pending = 1000

func acknowledged(ack jetstream.PubAckFuture) error {
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-time.After(time.Minute):
		return errors.New("JetStream did not acknowledge in a minute")
	}
}

// fanout measures deliveries a second when events come as fast as they are stored.
func fanout(t *target, args []string) error {
	fs := flag.NewFlagSet("fanout", flag.ContinueOnError)
	subs, events, size := fs.Int("subs", 1000, "subscribers"), fs.Int("events", 5000, "events"), fs.Int("size", 256, "bytes of a payload")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, err := t.subscribers(*subs, subscribeAll)
	if err != nil {
		return err
	}
	defer s.close()
	s.sample = 97
	cpu := t.cpu()
	failed := make(chan error, 1)
	began := time.Now()
	go func() { failed <- t.flood(*events, *size) }()
	if err := s.until(int64(*subs)*int64(*events), 3*time.Minute, failed); err != nil {
		return err
	}
	took := time.Since(began)
	spent := t.cpu() - cpu
	lost := s.lost()
	fmt.Printf("fanout  subs=%d events=%d size=%d  %.0f deliveries/s  took=%s  lost=%d  latency p50=%s p99=%s", *subs, *events, *size,
		float64(s.events)/took.Seconds(), took.Round(time.Millisecond), lost, percentile(s.latency, 50), percentile(s.latency, 99))
	t.printCPU(spent, s.events)
	return nil
}

// until reads until so many events have come.
func (s *swarm) until(events int64, within time.Duration, failed <-chan error) error {
	for end := time.Now().Add(within); s.events < events; {
		if _, err := s.read(100 * time.Millisecond); err != nil {
			return err
		}
		select {
		case err := <-failed:
			if err != nil {
				return err
			}
			failed = nil
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d events have come", s.events, events)
		}
	}
	return nil
}

func (s *swarm) lost() (n int) {
	for _, p := range s.conns {
		n += p.lost
		if p.closed {
			n++
		}
	}
	return n
}

// latency measures the time from before the publish to the arrival, at a steady rate of deliveries.
func latency(t *target, args []string) error {
	fs := flag.NewFlagSet("latency", flag.ContinueOnError)
	subs, rate := fs.Int("subs", 100, "subscribers"), fs.Int("rate", 10_000, "deliveries a second")
	length := fs.Duration("for", 10*time.Second, "how long")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, err := t.subscribers(*subs, subscribeAll)
	if err != nil {
		return err
	}
	defer s.close()
	nc, js, err := t.jetstream()
	if err != nil {
		return err
	}
	defer nc.Close()
	every := time.Second * time.Duration(*subs) / time.Duration(*rate)
	events := int(*length / every)
	cpu := t.cpu()
	failed := make(chan error, 1)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := range events {
			<-tick.C
			if _, err := js.PublishAsync("live.bench.updated.1", body(n, 256)); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	if err := s.until(int64(events)*int64(*subs), *length+time.Minute, failed); err != nil {
		return err
	}
	fmt.Printf("latency subs=%d rate=%d/s  p50=%s p99=%s p99.9=%s lost=%d", *subs, *rate, percentile(s.latency, 50), percentile(s.latency, 99), percentile(s.latency, 99.9), s.lost())
	t.printCPU(t.cpu()-cpu, s.events)
	return nil
}

// idle measures the memory of connections that do nothing.
func idle(t *target, args []string) error {
	fs := flag.NewFlagSet("idle", flag.ContinueOnError)
	subs := fs.Int("subs", 10_000, "connections with one subscription each")
	settle := fs.Duration("settle", 10*time.Second, "how long to wait before memory is read")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if t.pid == 0 {
		return errors.New("idle needs -pid")
	}
	before := t.rss()
	s, err := t.subscribers(*subs, subscribeAll)
	if err != nil {
		return err
	}
	defer s.close()
	for end := time.Now().Add(*settle); time.Now().Before(end); {
		if _, err := s.read(100 * time.Millisecond); err != nil {
			return err
		}
	}
	after := t.rss()
	fmt.Printf("idle    connections=%d  %.1f KiB each  (%d MiB → %d MiB)\n", *subs, float64(after-before)/1024/float64(*subs), before>>20, after>>20)
	return nil
}

// storm measures how long many clients that come back at once take to catch up.
func storm(t *target, args []string) error {
	fs := flag.NewFlagSet("storm", flag.ContinueOnError)
	subs, behind := fs.Int("subs", 1000, "clients"), fs.Int("behind", 1000, "events that each has missed")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, err := t.subscribers(1, subscribeAll)
	if err != nil {
		return err
	}
	cursor := s.conns[0].cursor
	s.close()
	if err := t.flood(*behind, 256); err != nil {
		return err
	}
	s, err = newSwarm(t.bridge)
	if err != nil {
		return err
	}
	defer s.close()
	s.sample = 0
	for range *subs {
		if _, err := s.dial(`{"op":"connect"}`); err != nil {
			return err
		}
	}
	cpu := t.cpu()
	began := time.Now()
	for _, p := range s.conns {
		if err := p.send(fmt.Sprintf(`{"op":"subscribe","sub":"a","resource":"bench","after":%q}`, cursor)); err != nil {
			return err
		}
	}
	if err := s.until(int64(*subs)*int64(*behind), time.Minute, nil); err != nil {
		return err
	}
	fmt.Printf("storm   clients=%d behind=%d  all caught up after %s  lost=%d", *subs, *behind, time.Since(began).Round(time.Millisecond), s.lost())
	t.printCPU(t.cpu()-cpu, s.events)
	return nil
}

// replayAll measures one client that reads everything that is stored, beside a bare JetStream consumer.
func replayAll(t *target, args []string) error {
	fs := flag.NewFlagSet("replay", flag.ContinueOnError)
	events := fs.Int("events", 100_000, "events to store before")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, err := t.subscribers(1, subscribeAll)
	if err != nil {
		return err
	}
	cursor := s.conns[0].cursor
	s.close()
	if err := t.flood(*events, 256); err != nil {
		return err
	}
	nc, js, err := t.jetstream()
	if err != nil {
		return err
	}
	defer nc.Close()
	bare, err := consumeAll(js, *events)
	if err != nil {
		return err
	}
	s, err = newSwarm(t.bridge)
	if err != nil {
		return err
	}
	defer s.close()
	s.sample = 0
	began := time.Now()
	if _, err := s.dial(`{"op":"connect"}`, fmt.Sprintf(`{"op":"subscribe","sub":"a","resource":"bench","after":%q}`, cursor)); err != nil {
		return err
	}
	if err := s.until(int64(*events), time.Minute, nil); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Printf("replay  events=%d  bridge %.0f/s  bare consumer %.0f/s  ratio %.2f  lost=%d\n", *events, float64(*events)/took.Seconds(), float64(*events)/bare.Seconds(), bare.Seconds()/took.Seconds(), s.lost())
	return nil
}

// consumeAll reads the newest events with a plain consumer.
func consumeAll(js jetstream.JetStream, events int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := js.Stream(ctx, "LIVE")
	if err != nil {
		return 0, err
	}
	start := st.CachedInfo().State.LastSeq - uint64(events) + 1
	began := time.Now()
	c, err := st.CreateConsumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start, FilterSubject: "live.bench.*.*", MemoryStorage: true, InactiveThreshold: time.Minute})
	if err != nil {
		return 0, err
	}
	for got := 0; got < events; {
		batch, err := c.Fetch(min(5000, events-got), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return 0, err
		}
		for range batch.Messages() {
			got++
		}
	}
	return time.Since(began), nil
}

func percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(float64(len(d))*p/100))].Round(10 * time.Microsecond)
}

// cpu is the time that the bridge has computed so far.
func (t *target) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.pid))
	if t.pid == 0 || err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

func (t *target) printCPU(spent time.Duration, events int64) {
	if t.pid != 0 {
		fmt.Printf("  bridge CPU %.2f s per million", spent.Seconds()/float64(events)*1e6)
	}
	fmt.Println()
}

// rss is the bridge's resident memory in bytes.
func (t *target) rss() int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
