package replay

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestQuorum(t *testing.T) {
	heard := func(ago ...time.Duration) (list []*jetstream.PeerInfo) {
		for _, d := range ago {
			list = append(list, &jetstream.PeerInfo{Active: d})
		}
		return list
	}
	const now, long = 300 * time.Millisecond, 6 * time.Second
	for _, c := range []struct {
		name    string
		cluster *jetstream.ClusterInfo
		err     string
	}{
		{"no cluster", nil, ""},
		{"a server by itself", &jetstream.ClusterInfo{Leader: "n1"}, ""},
		{"all are there", &jetstream.ClusterInfo{Leader: "n1", Replicas: heard(now, now)}, ""},
		{"a new leader", &jetstream.ClusterInfo{Leader: "n1", Replicas: heard(0, 0)}, ""},
		{"one is away", &jetstream.ClusterInfo{Leader: "n1", Replicas: heard(long, now)}, ""},
		{"both are away", &jetstream.ClusterInfo{Leader: "n1", Replicas: heard(long, long)}, "hears of 1 of 3"},
		{"the other of two is away", &jetstream.ClusterInfo{Leader: "n1", Replicas: heard(long)}, "hears of 1 of 2"},
		{"two of five are there", &jetstream.ClusterInfo{Leader: "n1", Replicas: heard(now, long, long, long)}, "hears of 2 of 5"},
		{"no leader", &jetstream.ClusterInfo{Replicas: heard(now, now, now)}, "no leader"},
	} {
		err := quorum(c.cluster)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

// A headless connection hides the leader's name in every answer, as in those of a server whose stream has none.
type headless struct{ net.Conn }

func (c headless) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	copy(b[:n], bytes.ReplaceAll(b[:n], []byte(`"leader":`), []byte(`"nobody":`)))
	return n, err
}

type headlessDialer struct{}

func (headlessDialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return headless{c}, err
}

func TestAnswerOfAServerWithoutALeader(t *testing.T) {
	s, nc := env(t)
	openLog(t, nc, Config{})
	for _, leads := range []bool{true, false} {
		conn := s.Connect()
		if !leads {
			conn = s.Connect(nats.SetCustomDialer(headlessDialer{}))
		}
		st, err := newStream(conn, StreamConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.state(t.Context(), false); (err == nil) != leads {
			t.Errorf("there is a leader: %t; state: %v", leads, err)
		}
	}
}
