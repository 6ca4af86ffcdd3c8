package publish

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Each iteration is one call; the events per second are reported beside.
func BenchmarkPublish(b *testing.B) {
	for _, sync := range []bool{false, true} {
		srv := startNATS(b, func(o *server.Options) { o.SyncAlways = sync })
		nc := connect(b, srv.ClientURL())
		createStream(b, nc)
		p := newPublisher(b, nc, Options{Timeout: time.Minute})
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprintf("syncAlways=%t/batch=%d", sync, n), func(b *testing.B) {
				events := eventsOf(n, "")
				b.ReportAllocs()
				for b.Loop() {
					publish(b, p, events...)
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
			})
			b.Run(fmt.Sprintf("syncAlways=%t/batch=%d/parallel", sync, n), func(b *testing.B) {
				b.SetParallelism(16)
				b.RunParallel(func(pb *testing.PB) {
					events := eventsOf(n, "")
					for pb.Next() {
						if _, err := p.Publish(b.Context(), events...); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// A batch that is stored already, in a stream with 200,000 events of the same
// subjects in the duplicate window.
func BenchmarkRetryOfStoredBatch(b *testing.B) {
	p, _ := start(b)
	for i := range 200 {
		publish(b, p, eventsOf(1000, fmt.Sprintf("x%d-", i))...)
	}
	for _, n := range []int{2, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			events := eventsOf(n, fmt.Sprintf("k%d-", n))
			publish(b, p, events...)
			for b.Loop() {
				publish(b, p, events...)
			}
		})
	}
}
