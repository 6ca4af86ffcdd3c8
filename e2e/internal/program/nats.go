package program

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A NATS is a NATS server as a process, configured as the repository ships it but for what is given here. It can be killed and started
// again on the same files.
type NATS struct {
	*Process
	Bin     string
	Addr    string // where clients connect
	Store   string // folder of the streams
	Sync    string // sync_interval; "" = always
	Name    string // in a cluster
	Cluster string // the cluster's block; "" = a server by itself
	Env     []string

	conf string
}

// Start starts the server and does not wait. shipped is the path of the repository's nats.conf.
func (n *NATS) Start(t testing.TB, shipped string) {
	t.Helper()
	if n.conf == "" {
		n.conf = filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(n.conf, []byte(n.config(t, shipped)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.Process = Spawn(t, n.Env, n.Bin, "-c", n.conf)
}

func (n *NATS) config(t testing.TB, shipped string) string {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	sync := n.Sync
	if sync == "" {
		sync = "always"
	}
	conf := fmt.Sprintf("%s\nlisten: %q\njetstream { store_dir: %q, sync_interval: %s }\n", withoutBlocks(string(text)), n.Addr, n.Store, sync)
	if n.Cluster != "" {
		conf += fmt.Sprintf("server_name: %s\ncluster %s\n", n.Name, n.Cluster)
	}
	return conf
}

// Up starts the server and waits until JetStream answers.
func (n *NATS) Up(t testing.TB, shipped string) {
	t.Helper()
	n.Start(t, shipped)
	Eventually(t, 20*time.Second, n.Answers)
}

// Answers returns nil when JetStream answers on this server.
func (n *NATS) Answers() error {
	nc, err := nats.Connect("nats://"+n.Addr, nats.Timeout(2*time.Second))
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = nc.Request("$JS.API.INFO", nil, time.Second)
	return err
}

// withoutBlocks leaves out the lines that a test sets itself: where to listen and where to store.
func withoutBlocks(conf string) string {
	var keep []string
	inside := false
	for line := range strings.Lines(conf) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "jetstream"):
			inside = !strings.Contains(trimmed, "}")
		case inside:
			inside = !strings.HasPrefix(trimmed, "}")
		case strings.HasPrefix(trimmed, "listen"), strings.HasPrefix(trimmed, "host"), strings.HasPrefix(trimmed, "port"):
		default:
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "")
}
