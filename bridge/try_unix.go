//go:build unix

package bridge

import "syscall"

// canTry says whether a socket can be written to as far as it takes something without waiting.
const canTry = true

func tryWrite(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
