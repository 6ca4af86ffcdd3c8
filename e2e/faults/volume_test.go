//go:build linux

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

// A volume is the disk of one NATS server.
type volume struct {
	t     testing.TB
	kind  volumeKind
	dir   string // where it is mounted
	image string // of ext4
	loop  string // the loop device of ext4
	up    bool   // it is mounted
}

type volumeKind int

const (
	folder volumeKind = iota // a folder like any other
	small                    // a disk that can be filled (tmpfs); needs root
	ext4                     // a disk whose power can be cut; needs root
)

// The sizes of the disks.
const (
	smallSize = "48m"
	ext4Size  = 192 << 20
)

// needRoot skips a test that cannot be run without being root.
func needRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("not run: %s needs root", why)
	}
}

func newVolume(t testing.TB, kind volumeKind) *volume {
	t.Helper()
	v := &volume{t: t, kind: kind, dir: t.TempDir()}
	switch kind {
	case small:
		needRoot(t, "a small disk (tmpfs)")
		if err := unix.Mount("tmpfs", v.dir, "tmpfs", 0, "size="+smallSize); err != nil {
			t.Skipf("not run: tmpfs cannot be mounted here: %v", err)
		}
		v.up = true
	case ext4:
		needRoot(t, "a disk whose power can be cut (ext4 in a file)")
		v.image = filepath.Join(t.TempDir(), "disk")
		v.format()
	}
	t.Cleanup(v.remove)
	return v
}

// command runs a program of the system.
func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func (v *volume) format() {
	v.t.Helper()
	f, err := os.Create(v.image)
	if err == nil {
		err = errors.Join(f.Truncate(ext4Size), f.Close())
	}
	if err == nil {
		_, err = command("mkfs.ext4", "-q", "-F", v.image)
	}
	if err == nil {
		v.loop, err = command("losetup", "--find", "--show", v.image)
	}
	if err == nil {
		err = v.mount()
	}
	if err != nil {
		v.remove()
		v.t.Skipf("not run: ext4 in a file cannot be used here: %v", err)
	}
}

func (v *volume) mount() error {
	if err := unix.Mount(v.loop, v.dir, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", v.loop, err)
	}
	v.up = true
	return nil
}

func (v *volume) remove() {
	if v.up {
		v.unmount()
	}
	if v.loop != "" {
		if _, err := command("losetup", "-d", v.loop); err != nil {
			v.t.Error(err)
		}
		v.loop = ""
	}
}

// unmount waits until nobody uses the disk any more.
func (v *volume) unmount() {
	v.t.Helper()
	program.Eventually(v.t, 20*time.Second, func() error { return unix.Unmount(v.dir, 0) })
	v.up = false
}

// store is the folder for the streams.
func (v *volume) store() string { return filepath.Join(v.dir, "store") }

// fill takes all the space that is left.
func (v *volume) fill() {
	v.t.Helper()
	f, err := os.Create(filepath.Join(v.dir, "full"))
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; {
		if _, err = f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			v.t.Fatal(err)
		}
	}
}

// free gives the space back.
func (v *volume) free() {
	v.t.Helper()
	if err := os.Remove(filepath.Join(v.dir, "full")); err != nil {
		v.t.Fatal(err)
	}
}

// ext4Shutdown is EXT4_IOC_SHUTDOWN of the kernel's fs/ext4/ext4.h, _IOR('X', 125, __u32); noLogFlush throws away what is not on the
// disk, the journal included.
const (
	ext4Shutdown = 0x8004587d
	noLogFlush   = 2
)

// cut takes away everything that has not been synced, at once, and the disk itself, until it is switched on. The processes that use it must be
// frozen: a sync that is under way would else return as if it were done.
func (v *volume) cut() {
	v.t.Helper()
	d, err := os.Open(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	defer d.Close()
	how := uint32(noLogFlush)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		v.t.Fatalf("cut the power of %s: %v", v.dir, errno)
	}
}

// on switches a disk that was cut on again.
func (v *volume) on() {
	v.t.Helper()
	v.unmount()
	if err := v.mount(); err != nil {
		v.t.Fatal(err)
	}
}

// freeze stops every thread of a process, and returns once they stand still.
func freeze(t testing.TB, p *program.Process) {
	t.Helper()
	p.Signal(syscall.SIGSTOP)
	program.Eventually(t, 20*time.Second, func() error {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Pid()))
		for _, file := range stats {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // the thread has ended
			}
			if _, rest, ok := strings.Cut(string(text), ") "); ok && !strings.HasPrefix(rest, "T") {
				return fmt.Errorf("%s is in state %s", file, rest[:1])
			}
		}
		return nil
	})
}

// copyTree copies a folder.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
