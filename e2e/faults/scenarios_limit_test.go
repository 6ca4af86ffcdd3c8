//go:build linux

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

var limitScenarios = []scenario{
	{
		name: "slow-reader", what: "five clients stop to read until they are disconnected (4409), and go on",
		plan: plan{nats: 1, slow: 5, padding: 4000, ping: "15s"}, // where events come slowly, unanswered pings would end them first (4408)
		faults: func(w *world) {
			for _, c := range w.clients[:w.plan.slow] {
				resume := c.suspend()
				defer resume()
			}
			program.Eventually(w.t, w.plan.settle, func() error {
				if n := w.metric(`livebridge_closes_total{code="4409"}`); n < float64(w.plan.slow) {
					acked, _ := w.ledger.count()
					return fmt.Errorf("%v connections were closed with 4409; %d events are stored, and the bridges have read up to %v and %v", n, acked,
						w.metricOf(0, "livebridge_tail_head_sequence"), w.metricOf(1, "livebridge_tail_head_sequence"))
				}
				return nil
			})
		},
	},
	{
		name: "memory-limit", what: "the bridges are told to do with 48 MiB (GOMEMLIMIT), and one is killed", long: true,
		plan: plan{nats: 1, env: []string{"GOMEMLIMIT=48MiB"}, args: []string{"--window-bytes", "8MiB"}, padding: 2000},
		faults: func(w *world) {
			w.flow(300)
			w.bridges[0].Kill()
			w.bridges[0].Start(w.t)
			w.flow(300)
		},
		after: func(w *world, _ *result) {
			for i := range w.bridges {
				if n := w.metricOf(i, "process_resident_memory_bytes"); n > 110<<20 {
					w.t.Errorf("bridge %d takes %.0f MB with GOMEMLIMIT=48MiB", i+1, n/1e6)
				}
			}
		},
	},
	{
		name: "out-of-memory", what: "the kernel ends a bridge that takes more memory than its cgroup may; it is started again", long: true,
		plan: plan{nats: 1, clients: 6, sse: -1, padding: 30_000, rate: 120},
		faults: func(w *world) {
			b := w.bridges[0]
			limit := newMemoryLimit(w, 48<<20, b.Pid())
			select {
			case <-b.Done():
			case <-time.After(w.plan.settle):
				w.t.Error("the bridge was not ended for its memory")
			}
			limit()
			b.Kill()
			b.Start(w.t)
			w.flow(60)
		},
	},
	{
		name: "descriptors", what: "a bridge has no file descriptor left for new connections for 5 s, while clients are cut",
		plan: plan{nats: 1, bridges: 1},
		faults: func(w *world) {
			pid := w.bridges[0].Pid()
			open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			if err != nil {
				w.t.Fatal(err)
			}
			var old unix.Rlimit
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
				w.t.Fatal(err)
			}
			few := old
			few.Cur = uint64(len(open) - 12)
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
				w.t.Fatal(err)
			}
			w.edges[0].Cut()
			w.lasts(5 * time.Second)
			if err := w.allLive(); err == nil {
				w.t.Error("all clients found a connection: there were descriptors left")
			}
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil); err != nil {
				w.t.Fatal(err)
			}
		},
	},
}

// newMemoryLimit puts a process into a cgroup that may have so many bytes. The returned function takes the cgroup away.
func newMemoryLimit(w *world, bytes int64, pid int) func() {
	w.t.Helper()
	needRoot(w.t, "a limit of memory (cgroup)")
	dir := filepath.Join("/sys/fs/cgroup/memory", fmt.Sprintf("livebridge-faults-%d", pid))
	limit, procs := "memory.limit_in_bytes", "cgroup.procs"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil { // version 2
		dir, limit = filepath.Join("/sys/fs/cgroup", filepath.Base(dir)), "memory.max"
	}
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, limit), []byte(strconv.FormatInt(bytes, 10)), 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, procs), []byte(strconv.Itoa(pid)), 0o644)
	}
	away := func() {
		program.Eventually(w.t, 10*time.Second, func() error { return os.Remove(dir) })
	}
	if err != nil {
		_ = os.Remove(dir)
		w.t.Skipf("not run: no cgroup with a limit of memory can be made here: %v", err)
	}
	return away
}
