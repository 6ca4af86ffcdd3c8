//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A target is one server that is measured.
type target struct {
	name  string
	speak dialect
	addr  string // where clients connect
	nats  string // where the server's JetStream is; "" = it has none
	pid   int    // 0 = not known
	order bool   // events come in the order in which they are numbered

	publisher func() (publisher, error)
	position  func() (string, error) // from where a client that has seen everything resumes
	proc      *process               // nil = it was running before
	spec      spec
	startKind func(*target) error
}

// A publisher publishes numbered events.
type publisher interface {
	// send publishes one event, and need not wait until it is stored.
	send(n, size int) error
	// flood publishes as fast as it can, as long as more, which may wait, says so for the next number. It returns when all are stored.
	flood(size int, more func(n int) bool) (events int, err error)
	close() error
}

// running is a bridge that somebody else has started.
func running(bridge, nats string, pid int) (*target, error) {
	t := &target{name: "Livebridge", speak: livebridge, addr: bridge, nats: nats, pid: pid, order: true}
	t.publisher = func() (publisher, error) { return natsPublisher(nats) }
	t.position = t.cursor
	return t, nil
}

// subscribers connects clients and waits until their subscriptions are confirmed.
func (t *target) subscribers(n int) (*swarm, error) {
	s, err := newSwarm(t.speak, t.addr)
	if err != nil {
		return nil, err
	}
	if err = s.dial(n, ""); err == nil {
		err = s.live()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// wrong is how many events were lost, came twice or out of order.
func (t *target) wrong(s *swarm, each int64) (n int64) {
	for _, c := range s.conns {
		n += max(each-c.events, c.events-each)
		if t.order {
			n += c.wrong
		}
	}
	return n
}

// cursor is the newest cursor of a bridge.
func (t *target) cursor() (string, error) {
	s, err := t.subscribers(1)
	if err != nil {
		return "", err
	}
	defer s.close()
	_, after, ok := strings.Cut(string(s.conns[0].head), `"cursor":"`)
	if !ok {
		return "", fmt.Errorf("no cursor in %q", s.conns[0].head)
	}
	text, _, _ := strings.Cut(after, `"`)
	return text, nil
}

// restart stops the server in good order and starts it again on its files.
func (t *target) restart() error {
	if t.proc == nil {
		return fmt.Errorf("-restart: only a server that compare has started can be restarted")
	}
	t.proc.stop()
	return t.start()
}

func (t *target) stop() {
	if t.proc != nil {
		t.proc.stop()
		_ = os.RemoveAll(t.spec.dir)
	}
}

// cpu is the time that the server has computed so far.
func (t *target) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.pid))
	if t.pid == 0 || err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// memory is what the server holds now, and at most held since [target.forget], in bytes.
func (t *target) memory() (now, peak int64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.pid))
	read := func(name string) int64 {
		_, after, _ := strings.Cut(string(status), name)
		n, _ := strconv.ParseInt(strings.TrimSpace(strings.SplitN(after, "kB", 2)[0]), 10, 64)
		return n << 10
	}
	return read("VmRSS:"), read("VmHWM:")
}

// forget makes the peak of memory begin anew.
func (t *target) forget() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", t.pid), []byte("5"), 0)
}

// freeAddr is a free loopback address. Another process could take it before it is used; none does on a quiet machine.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func write(dir, name, text string) (path string, err error) {
	path = filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
