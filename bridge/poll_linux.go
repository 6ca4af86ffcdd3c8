package bridge

import (
	"os"
	"runtime"
	"syscall"
)

// A pollSet is an epoll instance. It tells once of everything that comes on a connection, and by a name, not by its descriptor, which may
// be another's by then. A connection that is closed leaves it by itself.
type pollSet struct {
	file *os.File
	raw  syscall.RawConn
}

func newPollSet() (pollSet, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return pollSet{}, err
	}
	// An epoll instance can itself be polled, so that waiting for it takes a goroutine and no thread.
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return pollSet{}, err
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return pollSet{}, err
	}
	return pollSet{file, raw}, nil
}

// add begins to look after a descriptor. What has come before is told, too.
func (s pollSet) add(fd uintptr, name uint64) (err error) {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLET&0xFFFFFFFF, Fd: int32(uint32(name)), Pad: int32(uint32(name >> 32))}
	if failed := s.raw.Control(func(set uintptr) { err = syscall.EpollCtl(int(set), syscall.EPOLL_CTL_ADD, int(fd), &e) }); failed != nil {
		return failed
	}
	return err
}

// wait calls ready with what has come, until close is called.
func (s pollSet) wait(ready func([]arrival)) {
	var events [mostIdle]syscall.EpollEvent // no more than there are workers kept for them
	var arrivals [len(events)]arrival
	_ = s.raw.Read(func(set uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(set), events[:], 0)
			switch {
			case err == syscall.EINTR:
				continue
			case n <= 0:
				return false
			}
			for i, e := range events[:n] {
				arrivals[i] = arrival{
					name: uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32,
					ends: e.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0,
				}
			}
			ready(arrivals[:n])
			runtime.Gosched() // those that have been woken come first
		}
	})
}

func (s pollSet) close() { _ = s.file.Close() }
