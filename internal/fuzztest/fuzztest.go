// Package fuzztest has what fuzz targets of several packages prove.
package fuzztest

import (
	"runtime/metrics"
	"testing"
)

// Bounded runs parse and fails the test where that allocates out of proportion to what it is given: more than 64 bytes for each byte of
// size, and a MiB, since small objects are counted late and by the page. Nothing else may allocate meanwhile.
func Bounded(t testing.TB, size int, parse func()) {
	t.Helper()
	before := allocated()
	parse()
	if n := allocated() - before; n > 1<<20+64*uint64(size) {
		t.Fatalf("%d bytes are allocated for %d of input", n, size)
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
