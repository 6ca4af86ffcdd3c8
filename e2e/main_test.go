package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
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
	bridgeBin, natsBin = filepath.Join(dir, "bridge"), filepath.Join(dir, "nats-server")
	for bin, pkg := range map[string]string{bridgeBin: "../cmd/bridge", natsBin: "github.com/nats-io/nats-server/v2"} {
		if out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput(); err != nil {
			log.Printf("build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// A process is one program under test. It is killed, by its process id, when the test ends.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  []string
}

func spawn(t testing.TB, bin string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(bin, args...), done: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		defer close(p.done)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.mu.Lock()
			p.out = append(p.out, s.Text())
			p.mu.Unlock()
		}
		r.Close()
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(bin), p.output())
		}
	})
	return p
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.out[max(0, len(p.out)-60):], "\n")
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the process as a power switch does, and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// port is a free loopback port. Another process could take it before it is used; none does on a test machine.
func port(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// eventually tries until ok returns nil.
func eventually(t testing.TB, within time.Duration, ok func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatalf("not within %s: %v", within, err)
}

// A bridge is the program, which can be killed and started again with the same arguments.
type bridge struct {
	*process
	addr, nats string
	args       []string
}

// embedded starts a bridge with NATS inside.
func embedded(t testing.TB, more ...string) *bridge {
	t.Helper()
	b := &bridge{addr: fmt.Sprintf("127.0.0.1:%d", port(t)), nats: fmt.Sprintf("127.0.0.1:%d", port(t))}
	b.args = append([]string{"--listen", b.addr, "--nats-listen", b.nats, "--store-dir", t.TempDir(), "--log-level", "warn"}, more...)
	b.up(t)
	return b
}

// beside starts a bridge that uses a NATS server of its own.
func beside(t testing.TB, natsAddr string, more ...string) *bridge {
	t.Helper()
	b := &bridge{addr: fmt.Sprintf("127.0.0.1:%d", port(t)), nats: natsAddr}
	b.args = append([]string{"--listen", b.addr, "--nats-url", "nats://" + natsAddr, "--log-level", "warn"}, more...)
	b.up(t)
	return b
}

func (b *bridge) up(t testing.TB) {
	t.Helper()
	b.process = spawn(t, bridgeBin, b.args...)
	eventually(t, 20*time.Second, func() error { return b.ready() })
}

func (b *bridge) ready() error {
	code, body, err := b.get("/readyz")
	if err == nil && code != http.StatusOK {
		err = errors.New(body)
	}
	return err
}

func (b *bridge) get(path string) (int, string, error) { return b.do("GET", path, "") }

func (b *bridge) do(method, path, body string, header ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// natsServer starts a NATS server as a process, with the configuration that the repository ships.
func natsServer(t testing.TB, addr, store string) *process {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "nats.conf")
	shipped, err := os.ReadFile("../nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, portText, _ := net.SplitHostPort(addr)
	text := fmt.Sprintf("%s\nlisten: %q\njetstream { store_dir: %q, sync_interval: always }\n", withoutBlocks(string(shipped)), "127.0.0.1:"+portText, store)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := spawn(t, natsBin, "-c", conf)
	eventually(t, 20*time.Second, func() error {
		nc, err := nats.Connect("nats://" + addr)
		if err == nil {
			_, err = nc.Request("$JS.API.INFO", nil, time.Second)
			nc.Close()
		}
		return err
	})
	return p
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
