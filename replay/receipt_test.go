package replay

import (
	"math"
	"testing"

	"github.com/nats-io/nats.go"
)

var receipts = []string{
	"$JS.ACK.LIVE.livebridge-tail-x.1.42.7.1764080000123456789.3",
	"$JS.ACK.LIVE.c.1.18446744073709551615.1.0.0",
	"$JS.ACK.hub.ACCHASH.LIVE.c.1.42.7.1764080000123456789.3",
	"$JS.ACK._.ACCHASH.LIVE.c.1.42.7.1764080000123456789.3.token",
	"$JS.ACK._.ACCHASH.LIVE.c.1.42.7.1764080000123456789.3.token.more",
}

// It reads what nats.go reads.
func TestParseReceipt(t *testing.T) {
	for _, reply := range receipts {
		if got, ok := parseReceipt(reply); !ok || got != metadata(t, reply) {
			t.Errorf("%s: %+v, %t, want %+v", reply, got, ok, metadata(t, reply))
		}
	}
	for _, reply := range []string{
		"", "_INBOX.x", "$JS.ACK", "$JS.ACK.", "$JS.ACK.LIVE.c.1.42.7.1764080000123456789", "$JS.ACK.d.LIVE.c.1.42.7.1764080000123456789.3",
		"$JS.ACK.LIVE.c.1.x.7.1.3", "$JS.ACK.LIVE.c.1.42.-7.1.3", "$JS.ACK.LIVE.c.1.42.7..3", "$JS.ACK.LIVE.c.1.42.7.1.18446744073709551616",
	} {
		if got, ok := parseReceipt(reply); ok {
			t.Errorf("%s was taken for %+v", reply, got)
		}
	}
}

func metadata(t *testing.T, reply string) receipt {
	t.Helper()
	meta, err := (&nats.Msg{Reply: reply, Sub: &nats.Subscription{}}).Metadata()
	if err != nil {
		t.Fatalf("%s: %v", reply, err)
	}
	return receipt{position{meta.Sequence.Stream, meta.Timestamp.UnixNano()}, meta.Sequence.Consumer, meta.NumPending}
}

func BenchmarkParseReceipt(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parseReceipt(receipts[0]); !ok {
			b.Fatal("not read")
		}
	}
}

// FuzzParseReceipt proves that what is read is what nats.go reads.
func FuzzParseReceipt(f *testing.F) {
	for _, reply := range receipts {
		f.Add(reply)
	}
	f.Add("$JS.ACK.d.LIVE.c.1.42.7.1764080000123456789.3")
	f.Fuzz(func(t *testing.T, reply string) {
		got, ok := parseReceipt(reply)
		if !ok || got.seq > math.MaxInt64 || got.position.seq > math.MaxInt64 || got.pending > math.MaxInt64 || got.at < 0 {
			return // nats.go reads signed numbers
		}
		if want := metadata(t, reply); got != want {
			t.Fatalf("%q: %+v, want %+v", reply, got, want)
		}
	})
}
