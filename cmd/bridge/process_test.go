//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/fasthttp/websocket"
)

// A process is the program in a process of its own.
type process struct {
	running
	cmd *exec.Cmd
}

// spawn starts the test binary as the program.
func spawn(t testing.TB, args ...string) *process {
	t.Helper()
	return spawnOn(t, nil, nil, args...)
}

// spawnOn starts it with files as its stdout or stderr.
func spawnOn(t testing.TB, stdout, stderr *os.File, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{running: running{t: t, stdout: newLines(), stderr: newLines()}, cmd: exec.Command(exe)}
	p.cmd.Args = append([]string{"bridge"}, args...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	if stderr != nil {
		p.cmd.Stderr = stderr
	}
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

// signal sends a signal.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit status, -1 if a signal ended it.
func (p *process) exit() int {
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func spawnServe(t testing.TB, dir string) *process {
	t.Helper()
	p := spawn(t, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--store-dir", dir)
	p.ready()
	return p
}

func TestSignals(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := spawnServe(t, t.TempDir())
		p.signal(s)
		if status := p.exit(); status != exitOK {
			t.Errorf("%s: exit %d: %s", s, status, p.stderr)
		}
	}
}

// A second signal does not wait for clients that do not go.
func TestSecondSignal(t *testing.T) {
	p := spawnServe(t, t.TempDir())
	dial(t, websocket.DefaultDialer, "ws"+strings.TrimPrefix(p.URL, "http")) // it answers no close frame: nobody reads
	p.signal(syscall.SIGTERM)
	p.stderr.wait(t, `"msg":"draining"`)
	p.signal(syscall.SIGTERM)
	if status := p.exit(); status != exitFailure {
		t.Errorf("exit %d: %s", status, p.stderr)
	}
}

// Whatever was acknowledged is there after the process was killed, and its lock is not.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	p := spawnServe(t, dir)
	must(t, "publish", "products", "created", "1", "--nats-url", p.NATS)
	p.signal(syscall.SIGKILL)
	p.exit()
	p = spawnServe(t, dir)
	if _, body := get(t, p.URL+"/v1/events"); !strings.Contains(body, `"type":"created","id":"1"`) {
		t.Errorf("after kill -9: %s", body)
	}
}

func TestTailFollows(t *testing.T) {
	b := serve(t)
	must(t, "publish", "products", "created", "1", "--nats-url", b.NATS)
	tail := spawn(t, "tail", "products", "--last", "1", "--nats-url", b.NATS)
	tail.stdout.wait(t, "products created 1") // the past
	must(t, "publish", "orders", "created", "2", "--nats-url", b.NATS)
	must(t, "publish", "products", "created", "3", "--nats-url", b.NATS)
	tail.stdout.wait(t, "products created 3") // and now
	tail.signal(os.Interrupt)
	if status := tail.exit(); status != exitOK || strings.Contains(tail.stdout.String(), "orders") {
		t.Errorf("exit %d: %s%s", status, tail.stdout, tail.stderr)
	}
}

// A reader that has seen enough ends tail without an error.
func TestTailIntoAClosedPipe(t *testing.T) {
	b := serve(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	must(t, "publish", "products", "created", "1", "--nats-url", b.NATS)
	tail := spawnOn(t, write, nil, "tail", "--since", "-1m", "--nats-url", b.NATS)
	_ = write.Close()
	if line, err := bufio.NewReader(read).ReadString('\n'); err != nil || !strings.Contains(line, "products created 1") {
		t.Errorf("%q %v", line, err)
	}
	_ = read.Close()
	must(t, "publish", "products", "created", "2", "--nats-url", b.NATS)
	if status := tail.exit(); status != exitOK || tail.stderr.String() != "" {
		t.Errorf("exit %d: %s", status, tail.stderr)
	}
}

// Where events cannot be shown any more, tail says so and goes on.
func TestTailTellsWhatIsMissing(t *testing.T) {
	b := serve(t)
	must(t, "publish", "products", "created", "1", "--nats-url", b.NATS)
	other := serve(t)
	must(t, "publish", "products", "created", "1", "--nats-url", other.NATS)
	cursor := strings.TrimPrefix(strings.SplitN(must(t, "tail", "--no-follow", "--json", "--nats-url", other.NATS), `",`, 2)[0], `{"cursor":"`)
	tail := launch(t, "tail", "--after", cursor, "--nats-url", b.NATS)
	tail.stderr.wait(t, "reset: events are missing here: the stream was created again")
	must(t, "publish", "products", "created", "2", "--nats-url", b.NATS)
	tail.stdout.wait(t, "products created 2")
	if status := tail.stop(); status != exitOK {
		t.Errorf("exit %d", status)
	}
	refused(t, exitFailure, "events are missing: the stream was created again", "--no-follow without a start", "tail", "--after", cursor, "--no-follow", "--nats-url", b.NATS)
}
