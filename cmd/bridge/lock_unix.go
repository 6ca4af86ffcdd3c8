//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lockFile creates a file and locks it until it is closed, or the process ends in whatever way. The error is a *heldError where another
// process has locked it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
		held := &heldError{}
		pid := make([]byte, 20)
		n, _ := f.Read(pid)
		if id, err := strconv.Atoi(strings.TrimSpace(string(pid[:n]))); err == nil {
			held.by = " (process " + strconv.Itoa(id) + ")"
		}
		return nil, held
	}
	_ = f.Truncate(0)
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
