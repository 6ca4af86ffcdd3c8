package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: tty is for a program, and what it writes there comes out in lines.
func terminal(t testing.TB) (tty *os.File, shown *lines) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	shown = newLines()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(shown, control) // ends with an error when nobody has the terminal open any more
		shown.close()
	}()
	t.Cleanup(func() {
		_ = tty.Close()
		<-done
		_ = control.Close()
	})
	return tty, shown
}

// A person is told where to connect by lines to paste, and they work.
func TestServeInATerminal(t *testing.T) {
	tty, shown := terminal(t)
	p := spawnOn(t, nil, tty, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--store-dir", t.TempDir())
	shown.wait(t, "Livebridge is ready")
	watchLine := shown.wait(t, "curl -N http://127.0.0.1:")
	live := watch(t, strings.Fields(watchLine[strings.Index(watchLine, "http://"):])[0])
	publishLine := shown.wait(t, `publish products updated 42 '{"price":10}' --nats-url nats://127.0.0.1:`)
	args := strings.Fields(publishLine[strings.Index(publishLine, "publish products"):])
	args[4] = strings.Trim(args[4], "'") // as the shell does
	must(t, args...)
	live.wait(t, `"payload":{"price":10}`)
	p.signal(os.Interrupt)
	if status := p.exit(); status != exitOK {
		t.Errorf("exit %d", status)
	}
	shown.wait(t, "msg=drained")
}

func TestTailInATerminal(t *testing.T) {
	b := serve(t)
	must(t, "publish", "products", "deleted", "42", "--nats-url", b.NATS)
	for what, coloured := range map[string]bool{"": true, "NO_COLOR=1": false} {
		tty, shown := terminal(t)
		t.Setenv("NO_COLOR", strings.TrimPrefix(what, "NO_COLOR="))
		t.Setenv("TERM", "xterm")
		p := spawnOn(t, tty, nil, "tail", "--no-follow", "--nats-url", b.NATS)
		line := shown.wait(t, "products")
		if got := strings.Contains(line, "\x1b[31mdeleted\x1b[0m"); got != coloured || strings.Contains(line, "T") {
			t.Errorf("%s: %q", what, line)
		}
		if status := p.exit(); status != exitOK {
			t.Errorf("exit %d: %s", status, p.stderr)
		}
	}
}
