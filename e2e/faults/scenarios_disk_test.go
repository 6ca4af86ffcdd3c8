//go:build linux

package faults

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

// powerCut takes the power from nodes at the same moment, and gives it back: what was not on the disks is gone.
func (w *world) powerCut(nodes ...*node) {
	w.t.Helper()
	for _, n := range nodes {
		freeze(w.t, n.Process)
	}
	for _, n := range nodes {
		n.disk.cut()
		n.Kill()
	}
	for _, n := range nodes {
		n.disk.on()
		n.Start(w.t, shipped)
	}
}

// blocks are the files with the stream's messages, oldest first.
func (w *world) blocks(d *volume) (list []string) {
	w.t.Helper()
	err := filepath.WalkDir(d.store(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".blk") && strings.Contains(path, "/streams/"+streamName+"/msgs/") {
			list = append(list, path)
		}
		return err
	})
	if err != nil || len(list) == 0 {
		w.t.Fatalf("no blocks of messages under %s: %v", d.store(), err)
	}
	slices.SortFunc(list, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return list
}

// damage stops a node, does something to its newest block, and starts it again.
func (w *world) damage(n *node, how func(block string, size int64) error) {
	w.t.Helper()
	n.Kill()
	blocks := w.blocks(n.disk)
	block := blocks[len(blocks)-1]
	st, err := os.Stat(block)
	if err == nil {
		err = how(block, st.Size())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	n.Start(w.t, shipped)
}

// flip turns one bit over in the middle of a block.
func flip(block string, size int64) error {
	f, err := os.OpenFile(block, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], size/2)
	if err == nil {
		b[0] ^= 0x10
		_, err = f.WriteAt(b[:], size/2)
	}
	return errors.Join(err, f.Close())
}

func truncate(block string, size int64) error { return os.Truncate(block, size*7/10) }

func remove(block string, _ int64) error { return os.Remove(block) }

// lostSome are the scenarios in which one server's store loses acknowledged events.
func lostSome(name, what string, how func(block string, size int64) error) scenario {
	return scenario{
		name: name, what: "the NATS server is killed, " + what + ", and it is started again",
		plan: plan{nats: 1, policy: gone},
		faults: func(w *world) {
			w.flow(200)
			w.damage(w.nodes[0], how)
			w.flow(150)
		},
		after: (*world).wasTold,
	}
}

var diskScenarios = []scenario{
	{
		name: "power-cut", what: "the power of the NATS server is cut, twice",
		plan: plan{nats: 1, disk: ext4},
		faults: func(w *world) {
			for range 2 {
				w.powerCut(w.nodes[0])
				w.flow(200)
			}
		},
	},
	{
		name: "power-cut-inside", what: "the power of the bridge with NATS inside is cut", long: true,
		plan: plan{disk: ext4},
		faults: func(w *world) {
			freeze(w.t, w.bridges[0].Process)
			w.disks[0].cut()
			w.bridges[0].Kill()
			w.disks[0].on()
			w.bridges[0].Start(w.t)
			w.flow(200)
		},
	},
	{
		name: "power-cut-all", what: "cluster: the power of all three servers is cut at once",
		plan: plan{nats: 3, disk: ext4},
		faults: func(w *world) {
			w.powerCut(w.nodes...)
			w.flow(200)
		},
	},
	{
		name: "power-cut-leader", what: "cluster: the power of the leader is cut", long: true,
		plan: plan{nats: 3, disk: ext4},
		faults: func(w *world) {
			w.powerCut(w.leader())
			w.flow(200)
		},
	},
	{
		name: "power-cut-unsynced", what: "the power is cut of a NATS server without `sync_interval: always`",
		plan: plan{nats: 1, disk: ext4, sync: "2m", policy: gone},
		faults: func(w *world) {
			syscall.Sync() // the stream itself is on the disk
			w.flow(300)
			w.powerCut(w.nodes[0])
			w.flow(200)
		},
		after: (*world).wasTold,
	},
	{
		name: "disk-full", what: "the disk of the NATS server is full for 4 s; then there is room, and the server is restarted",
		plan: plan{nats: 1, disk: small},
		faults: func(w *world) {
			w.disks[0].fill()
			w.lasts(4 * time.Second)
			w.disks[0].free()
			w.restart(w.nodes[0], syscall.SIGTERM, 0)
			w.flow(200)
		},
		after: func(w *world, r *result) {
			if r.retries == 0 {
				w.t.Error("no publisher saw an error: was the disk full?")
			}
		},
	},
	{
		name: "disk-full-leader", what: "cluster: the disk of the leader is full; later there is room, and the server is restarted", long: true,
		plan: plan{nats: 3, disk: small},
		faults: func(w *world) {
			lead := w.leader()
			lead.disk.fill()
			w.flow(200)
			lead.disk.free()
			w.restart(lead, syscall.SIGTERM, 0)
			w.replicatedAgain()
		},
	},
	lostSome("bit-flip", "one bit of its newest block is turned over", flip),
	lostSome("truncated", "the last 30% of its newest block are cut off", truncate),
	lostSome("block-removed", "its newest block is removed", remove),
	{
		name: "bit-flip-copy", what: "cluster: one copy is damaged as in `bit-flip`; then the leader steps down three times", long: true,
		plan: plan{nats: 3},
		faults: func(w *world) {
			w.flow(200)
			w.damage(w.follower(), flip)
			w.replicatedAgain()
			for range 3 {
				w.stepDown()
				w.flow(60)
			}
		},
	},
	{
		name: "wiped-copy", what: "cluster: a server loses its disk and starts with an empty one; then the leader steps down", long: true,
		plan: plan{nats: 3},
		faults: func(w *world) {
			n := w.follower()
			n.Kill()
			if err := os.RemoveAll(n.Store); err != nil {
				w.t.Fatal(err)
			}
			w.flow(60)
			n.Start(w.t, shipped)
			w.replicatedAgain()
			w.stepDown()
			w.flow(60)
		},
	},
	{
		name: "restored", what: "the NATS server is stopped, and started again on a copy of its store that is 300 events old",
		plan: plan{nats: 1, policy: gone},
		faults: func(w *world) {
			n := w.nodes[0]
			backup := filepath.Join(w.t.TempDir(), "backup")
			n.Signal(syscall.SIGTERM)
			<-n.Done()
			copyTree(w.t, n.Store, backup)
			n.Start(w.t, shipped)
			program.Eventually(w.t, w.plan.settle, n.Answers)
			w.flow(300)
			n.Signal(syscall.SIGTERM)
			<-n.Done()
			if err := os.RemoveAll(n.Store); err != nil {
				w.t.Fatal(err)
			}
			copyTree(w.t, backup, n.Store)
			n.Start(w.t, shipped)
			w.flow(200)
		},
		after: (*world).wasTold,
	},
}
