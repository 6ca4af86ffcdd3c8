//go:build unix

package bridge

import (
	"runtime"
	"syscall"
	"time"
)

// canTry says whether a socket can be read from, and written to as far as it takes something, without waiting.
const canTry = true

func tryWrite(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }

func tryRead(fd uintptr, b []byte) (int, error) {
	for {
		if n, err := syscall.Read(int(fd), b); err != syscall.EINTR {
			return n, err
		}
	}
}

// tcpUserTimeout is TCP_USER_TIMEOUT of Linux (tcp(7), linux/tcp.h), which package syscall does not have.
const tcpUserTimeout = 18

// loseAfter has the kernel end a connection whose peer has acknowledged nothing, or taken nothing, of what was sent for so long. Only Linux
// can; elsewhere TCP gives up by itself, after many minutes.
func loseAfter(raw syscall.RawConn, silence time.Duration) {
	if runtime.GOOS == "linux" {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(silence.Milliseconds()))
		})
	}
}
