// Package program runs the programs under test as processes: the bridge, and a NATS server.
package program

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Build compiles a main package into dir, and returns the binary's path. flags are those of go build.
func Build(dir, name, pkg string, flags ...string) (string, error) {
	bin := filepath.Join(dir, name)
	args := append(append([]string{"build", "-o", bin}, flags...), pkg)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return bin, nil
}

// A Process is one program under test. It is killed, by its process id, when the test ends. Its methods may be called concurrently.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  []string
	keep int // lines of out that are kept
}

// kept is how many lines of a process's output are kept.
const kept = 2000

// Spawn starts a program. env is added to this process's environment, each entry as name=value.
func Spawn(t testing.TB, env []string, bin string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(bin, args...), done: make(chan struct{}), keep: kept}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.Env = append(append(os.Environ(), "NO_COLOR=1"), env...)
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	go p.read(r)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			if errs := p.Said(`"level":"ERROR"`, "[ERR]"); len(errs) > 0 {
				t.Logf("%s said of errors:\n%s", filepath.Base(bin), strings.Join(errs[:min(len(errs), 20)], "\n"))
			}
			t.Logf("%s said:\n%s", filepath.Base(bin), p.Output())
		}
	})
	return p
}

func (p *Process) read(r *os.File) {
	defer close(p.done)
	for s := bufio.NewScanner(r); s.Scan(); {
		p.mu.Lock()
		if p.out = append(p.out, s.Text()); len(p.out) > p.keep {
			p.out = append(p.out[:0], p.out[p.keep/2:]...)
		}
		p.mu.Unlock()
	}
	r.Close()
	_ = p.cmd.Wait()
}

// Output is what the process has said last.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.out[max(0, len(p.out)-60):], "\n")
}

// Said returns the lines kept that contain one of the texts.
func (p *Process) Said(texts ...string) (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.out {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(line, text) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal; to a process that has ended, nothing.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends the process as a power switch does, and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive says whether the process has not ended yet.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ExitCode is the status of a process that has ended; -1 where a signal ended it.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Eventually tries until ok returns nil, and fails the test if that takes too long.
func Eventually(t testing.TB, within time.Duration, ok func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatalf("not within %s: %v", within, err)
}
