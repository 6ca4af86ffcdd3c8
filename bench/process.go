//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is one server that this program has started.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// children are killed when this program is interrupted.
var children = struct {
	sync.Mutex
	running map[*process]bool
}{running: make(map[*process]bool)}

func killAtInterrupt() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-c
		children.Lock()
		for p := range children.running {
			_ = p.cmd.Process.Kill()
		}
		os.Exit(1)
	}()
}

// launch starts a program and waits until ready returns nil.
func launch(dir string, ready func() error, bin string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(dir, "log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(bin, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	children.Lock()
	err = p.cmd.Start()
	children.running[p] = true
	children.Unlock()
	if err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		children.Lock()
		delete(children.running, p)
		children.Unlock()
		close(p.done)
	}()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := ready()
		if err == nil {
			return p, nil
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("%s has ended: %s", filepath.Base(bin), p.said())
		default:
		}
		if time.Now().After(end) {
			p.stop()
			return nil, fmt.Errorf("%s does not get ready: %w\n%s", filepath.Base(bin), err, p.said())
		}
	}
}

// said is the end of what it has logged.
func (p *process) said() string {
	b, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}

// stop ends the process, in good order if it can, and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// answers says whether a page is there.
func answers(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// accepts says whether a port is open.
func accepts(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}
