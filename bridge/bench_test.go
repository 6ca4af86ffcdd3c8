package bridge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// BenchmarkFanOut is the whole way: events are published to NATS, in process, and each goes over loopback to a thousand WebSockets.
func BenchmarkFanOut(b *testing.B) {
	for _, size := range []int{200, 2000} {
		b.Run(fmt.Sprintf("1000x%dB", size), func(b *testing.B) { benchmarkFanOut(b, 1000, size, false) })
	}
	b.Run("TLS/1000x200B", func(b *testing.B) { benchmarkFanOut(b, 1000, 200, true) })
}

func benchmarkFanOut(b *testing.B, clients, size int, encrypted bool) {
	r := start(b, nil)
	dial := func() *wire {
		return r.wire(hello()+masked(ws.Text, `{"op":"connect"}`)+masked(ws.Text, `{"op":"subscribe","sub":"a","resource":"products"}`), 0)
	}
	if encrypted {
		addr, cfg := r.secure(b, r.srv.ServeTLS)
		dial = func() *wire { return secured(b, addr, cfg) }
	}
	var got atomic.Int64
	done := make(chan struct{})
	for range clients {
		w := dial()
		_ = w.SetDeadline(time.Time{})
		go func() {
			if _, err := w.in.ReadString('}'); err != nil { // past the answer to the handshake, and into the first frame
				return
			}
			for {
				n, err := count(w.in)
				if err != nil {
					return
				}
				if n > 0 && got.Add(int64(n)) == int64(clients*b.N) {
					close(done)
				}
			}
		}()
	}
	await(b, "all are live", func() bool { return r.log.Stats().Live == clients })
	body := []byte(`"` + strings.Repeat("x", size) + `\u0007"`)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for i := range b.N {
		if err := r.nc.Publish(fmt.Sprintf("live.products.updated.%d", i%1000), body); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.StopTimer()
	runtime.ReadMemStats(&after)
	deliveries := float64(b.N * clients)
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/deliveries, "allocs/delivery")
	b.ReportMetric(0, "ns/op")
	if n := value(b, r.srv.cfg.Registry, "livebridge_closes_total"); n > 0 {
		b.Errorf("%v connections were closed", n)
	}
}

// count takes what has arrived and counts the events in it: a bell comes once in each, escaped, and nowhere else.
func count(in *bufio.Reader) (n int, err error) {
	const bell = `\u0007`
	if _, err := in.Peek(len(bell)); err != nil {
		return 0, err
	}
	part, _ := in.Peek(in.Buffered())
	keep := len(bell) - 1 // the beginning of one, perhaps
	if n = bytes.Count(part, []byte(bell)); bytes.HasSuffix(part, []byte(bell)) {
		keep = 0
	}
	_, err = in.Discard(len(part) - keep)
	return n, err
}

// drained is a connection whose client reads everything and looks at nothing.
func drained(b testing.TB, s *Server, f framing) *conn {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, client) }()
	c := s.newConn("s", server, f, visitor{})
	b.Cleanup(func() { c.cut(); _ = client.Close() })
	return c
}

// BenchmarkOutbox queues one event a time for one connection, whose shard writes it.
func BenchmarkOutbox(b *testing.B) {
	for _, size := range []int{250, 2500} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s := bare(b, 1<<30)
			sub := sinkOf(drained(b, s, wsFraming{}))
			events := make([]replay.Event, 1024)
			for i := range events {
				events[i] = replay.Event{Seq: uint64(i + 1), Frame: *event(size)}
			}
			b.SetBytes(int64(len(events[0].Frame)))
			b.ReportAllocs()
			for i := range b.N {
				sub.Live(&events[i%len(events)])
				for waits := 2 << 20; i%128 == 0 && waits > 1<<20; {
					waits, _ = sub.conn.out.held()
					runtime.Gosched()
				}
			}
			await(b, "all is written", sub.conn.out.idle)
		})
	}
}

// BenchmarkOutboxes queues one event for each of a thousand connections, and waits until all is written.
func BenchmarkOutboxes(b *testing.B) {
	s := bare(b, 1<<30)
	subs := make([]*subscription, 1000)
	for i := range subs {
		subs[i] = sinkOf(drained(b, s, wsFraming{}))
	}
	frame := *event(250)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		e := &replay.Event{Seq: uint64(i + 1), Frame: frame}
		for _, sub := range subs {
			sub.Live(e)
		}
		for _, sub := range subs {
			for !sub.conn.out.idle() {
				runtime.Gosched()
			}
		}
	}
	b.ReportMetric(float64(b.N*len(subs))/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkFraming puts a thousand events on the wire.
func BenchmarkFraming(b *testing.B) {
	tagged := &subscription{name: "a", head: protocol.AppendTagged(nil, "a", []byte(protocol.EventHead))}
	for _, bench := range []struct {
		name string
		f    framing
		sub  *subscription
	}{{"live", wsFraming{}, nil}, {"tagged", wsFraming{}, tagged}, {"SSE", sseFraming{}, &subscription{}}} {
		b.Run(bench.name, func(b *testing.B) {
			items := make([]item, 1000)
			for i := range items {
				items[i] = item{text: event(250), sub: bench.sub}
			}
			var buf []byte
			total := 0
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				total = 0
				for left := items; len(left) > 0; {
					var n int
					buf, n, _ = bench.f.appendItems(buf[:0], left, writeMax)
					left = left[n:]
					total += len(buf)
				}
			}
			b.SetBytes(int64(total))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(items)), "ns/event")
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		encode(`{"id":42,"price":10,"name":"a thing","tags":["a","b"]}`)
	}
}
