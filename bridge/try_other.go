//go:build !unix

package bridge

import (
	"errors"
	"syscall"
	"time"
)

// canTry is false where there is no such write: every connection is then written to by a goroutine that waits, on demand.
const canTry = false

func tryWrite(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
func tryRead(uintptr, []byte) (int, error)  { return 0, errors.ErrUnsupported }

func loseAfter(syscall.RawConn, time.Duration) {}
