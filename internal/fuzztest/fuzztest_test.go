package fuzztest

import (
	"runtime"
	"testing"
)

// A probe is a test that notes that it was failed.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Helper()               {}
func (p *probe) Fatalf(string, ...any) { p.failed = true }

func TestBounded(t *testing.T) {
	for _, tc := range []struct {
		size, allocates int
		fails           bool
	}{{0, 0, false}, {10, 100, false}, {1 << 20, 32 << 20, false}, {0, 2 << 20, true}, {1 << 20, 80 << 20, true}} {
		p := &probe{TB: t}
		Bounded(p, tc.size, func() { runtime.KeepAlive(make([]byte, tc.allocates)) })
		if p.failed != tc.fails {
			t.Errorf("%d bytes for %d of input: failed %v", tc.allocates, tc.size, p.failed)
		}
	}
}
