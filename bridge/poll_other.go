//go:build !linux

package bridge

import "errors"

// A pollSet is not there without epoll.
type pollSet struct{}

func newPollSet() (pollSet, error) { return pollSet{}, errors.ErrUnsupported }

func (pollSet) add(uintptr, uint64) error { return errors.ErrUnsupported }
func (pollSet) wait(func([]arrival))      {}
func (pollSet) close()                    {}
