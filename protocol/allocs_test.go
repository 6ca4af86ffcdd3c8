//go:build !race

// The race detector makes sync.Pool, which encoding/json uses, forget at random.

package protocol

import "testing"

// TestAppendAllocatesNothing holds for every writer on the way of an event.
func TestAppendAllocatesNothing(t *testing.T) {
	e := replayed
	e.Meta, e.Origin, e.Batch = []byte(`{"user":"eva"}`), "s7Vd2é", "Zk3"
	lines := e
	lines.Payload = []byte("{\n\"a\": [1, 2]\n}")
	event := AppendEvent(nil, &e)
	dst := make([]byte, 0, 4096)
	for name, run := range map[string]func(){
		"AppendEvent":          func() { dst = AppendEvent(dst[:0], &e) },
		"AppendEvent in lines": func() { dst = AppendEvent(dst[:0], &lines) },
		"AppendTagged":         func() { dst = AppendTagged(dst[:0], "a", event) },
		"AppendObject":         func() { dst = AppendObject(dst[:0], event) },
		"AppendPing":           func() { dst = AppendPing(dst[:0], "5kQ2-1-a") },
		"AppendLive":           func() { dst = AppendLive(dst[:0], "a", "5kQ2-1-a") },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
