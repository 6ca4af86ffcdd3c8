package e2e

import (
	"log"
	"os"
	"testing"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

var bridgeBin, natsBin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "livebridge-e2e-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bridgeBin, err = program.Build(dir, "bridge", "../cmd/bridge"); err == nil {
		natsBin, err = program.Build(dir, "nats-server", "github.com/nats-io/nats-server/v2")
	}
	if err != nil {
		log.Print(err)
		return 1
	}
	return m.Run()
}

// A bridge is the program, in the short words of these tests.
type bridge struct {
	*program.Bridge
	addr, nats string
}

func (b *bridge) kill()                                { b.Kill() }
func (b *bridge) up(t testing.TB)                      { t.Helper(); b.Up(t) }
func (b *bridge) ready() error                         { return b.Ready() }
func (b *bridge) get(path string) (int, string, error) { return b.Get(path) }
func (b *bridge) do(method, path, body string, header ...string) (int, string, error) {
	return b.Do(method, path, body, header...)
}

func port(t testing.TB) int { return program.Port(t) }

// eventually tries until ok returns nil.
func eventually(t testing.TB, within time.Duration, ok func() error) {
	t.Helper()
	program.Eventually(t, within, ok)
}

// embedded starts a bridge with NATS inside.
func embedded(t testing.TB, more ...string) *bridge {
	t.Helper()
	return started(t, program.Embedded(t, bridgeBin, t.TempDir(), more...))
}

// beside starts a bridge that uses a NATS server of its own.
func beside(t testing.TB, natsAddr string, more ...string) *bridge {
	t.Helper()
	return started(t, program.Beside(t, bridgeBin, []string{natsAddr}, more...))
}

func started(t testing.TB, b *program.Bridge) *bridge {
	t.Helper()
	b.Up(t)
	return &bridge{Bridge: b, addr: b.Addr, nats: b.NATS}
}

// natsServer starts a NATS server as a process, with the configuration that the repository ships.
func natsServer(t testing.TB, addr, store string) *program.NATS {
	t.Helper()
	n := &program.NATS{Bin: natsBin, Addr: addr, Store: store}
	n.Up(t, "../nats.conf")
	return n
}
