package replay

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
)

// A lagging connection gives the answers of a consumer on a server that has not caught up with the stream's leader: nothing is pending.
// After so many consumers it has.
type lagging struct {
	net.Conn
	consumers *atomic.Int64
}

func (c lagging) Write(b []byte) (int, error) {
	c.consumers.Add(-int64(bytes.Count(b, []byte("CONSUMER.CREATE.LIVE"))))
	return c.Conn.Write(b)
}

func (c lagging) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.consumers.Load() >= 0 {
		for i := byte('1'); i <= '9'; i++ {
			copy(b[:n], bytes.ReplaceAll(b[:n], []byte(`"num_pending":`+string(i)+`,`), []byte(`"num_pending":0,`)))
		}
	}
	return n, err
}

type laggingDialer struct{ consumers *atomic.Int64 }

func (d laggingDialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return lagging{c, d.consumers}, err
}

// A consumer may live on a server of a cluster that lags behind. That it has nothing to deliver does not show that nothing is stored.
func TestConsumerOnALaggingServer(t *testing.T) {
	s, nc := env(t)
	var lags atomic.Int64
	lags.Store(-1)
	l := openLog(t, s.Connect(nats.SetCustomDialer(laggingDialer{&lags})), Config{WindowBytes: 1})
	live := subscribe(t, l, everything, Start{})
	publishIDs(t, nc, 1, 6)
	live.until(t, " 6.")
	c2 := cursorOf(t, l, 2)

	for _, start := range []Start{{Kind: After, After: c2}, {Kind: First}} {
		lags.Store(2)
		r := subscribe(t, l, everything, start)
		want := map[StartKind]string{After: "+ 3 4 5 6 ^", First: "+ 1 2 3 4 5 6 ^"}[start.Kind]
		if got := r.until(t, "^"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	lags.Store(2)
	deleteConsumers(t, l)
	publishIDs(t, nc, 7, 9)
	if got := live.until(t, " 9."); got != "+ ^ 1. 2. 3. 4. 5. 6. 7. 8. 9." {
		t.Errorf("the tail: %q", got)
	}
}
