//go:build unix

package bridge

import "syscall"

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
