//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

// clockFile is the variable that names a file with the seconds by which a program's clock is wrong.
const clockFile = "FAULTS_CLOCK"

// jumpedNow is what the package time is given: its own clock, plus what the file says, which is read every 20 ms. Only the time of day
// jumps; the monotonic clock, by which programs measure, does not, as on a machine whose clock is set.
const jumpedNow = `package time

import (
	"sync/atomic"
	"syscall"
)

var jump atomic.Int64

func init() {
	name, ok := syscall.Getenv("` + clockFile + `")
	if !ok {
		return
	}
	jump.Store(readJump(name))
	go func() {
		for {
			Sleep(20 * Millisecond)
			jump.Store(readJump(name))
		}
	}()
}

func jumpedNow() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = runtimeNow()
	return sec + jump.Load(), nsec, mono
}

func readJump(name string) (by int64) {
	fd, err := open(name)
	if err != nil {
		return 0
	}
	defer closefd(fd)
	var b [24]byte
	n, _ := read(fd, b[:])
	negative := false
	for i, c := range b[:max(n, 0)] {
		switch {
		case i == 0 && c == '-':
			negative = true
		case c >= '0' && c <= '9':
			by = by*10 + int64(c-'0')
		}
	}
	if negative {
		return -by
	}
	return by
}
`

// A jumpingBuild is the programs with a clock that can be set.
type jumpingBuild struct{ bridge, nats string }

// buildJumping compiles them with a time.Now of ours in place of Go's. The machine's own clock is left alone, and so is Go's installation.
func buildJumping() (jumpingBuild, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return jumpingBuild{}, err
	}
	src := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	text, err := os.ReadFile(filepath.Join(src, "time.go"))
	if err != nil {
		return jumpingBuild{}, err
	}
	const own = "sec, nsec, mono := runtimeNow()"
	if strings.Count(string(text), own) != 1 {
		return jumpingBuild{}, fmt.Errorf("time.Now of this Go is not as expected: %q comes %d times", own, strings.Count(string(text), own))
	}
	files := map[string]string{
		"time.go": strings.Replace(string(text), own, "sec, nsec, mono := jumpedNow()", 1),
		"jump.go": jumpedNow,
	}
	overlay := map[string]string{}
	for name, text := range files {
		path := filepath.Join(binDir, "time_"+name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return jumpingBuild{}, err
		}
		overlay[filepath.Join(src, name)] = path
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return jumpingBuild{}, err
	}
	path := filepath.Join(binDir, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		return jumpingBuild{}, err
	}
	var b jumpingBuild
	if b.bridge, err = program.Build(binDir, "bridge-jumping", "../../cmd/bridge", "-overlay", path); err == nil {
		b.nats, err = program.Build(binDir, "nats-server-jumping", "github.com/nats-io/nats-server/v2", "-overlay", path)
	}
	return b, err
}

// A jumpingClock is the clock of the programs of one world.
type jumpingClock struct{ file string }

func newJumpingClock(t testing.TB) *jumpingClock {
	c := &jumpingClock{filepath.Join(t.TempDir(), "clock")}
	c.set(t, 0)
	return c
}

// set makes the clock wrong by so much.
func (c *jumpingClock) set(t testing.TB, by time.Duration) {
	t.Helper()
	tmp := c.file + ".new"
	if err := os.WriteFile(tmp, fmt.Appendf(nil, "%d\n", int64(by/time.Second)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, c.file); err != nil {
		t.Fatal(err)
	}
}

func (c *jumpingClock) env() []string { return []string{clockFile + "=" + c.file} }
