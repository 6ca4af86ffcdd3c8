//go:build !race

package bridge

import (
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/livebridge/livebridge/internal/ws"
)

// What an idle connection costs with one subscription, its client's socket in this process included: a stack of 4 KiB, which deeper calls
// in the way to the reader would double, and about 5 KiB besides.
func TestIdleConnectionsAreSmall(t *testing.T) {
	const clients, most = 1000, 4<<10 + 6<<10
	r := start(t, nil)
	for name, hello := range map[string]string{
		"WebSocket": hello() + masked(ws.Text, `{"op":"connect"}`) + masked(ws.Text, `{"op":"subscribe","sub":"a","resource":"products"}`),
		"SSE":       "GET /v1/sse?resource=products HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		before := inUse()
		conns := make([]net.Conn, clients)
		for i := range conns {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			conns[i] = c
			if _, err := fmt.Fprint(c, hello); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "all are live", func() bool { return r.log.Stats().Live == clients })
		await(t, fmt.Sprintf("a %s takes no more than %d bytes", name, most), func() bool { return inUse() < before+clients*most })
		t.Logf("%s: %d bytes", name, (int(inUse())-int(before))/clients)
		for _, c := range conns {
			_ = c.Close()
		}
		await(t, "all have gone", func() bool { return r.connections() == 0 })
	}
}

// inUse is the memory of heap and stacks. A stack shrinks by half in each collection.
func inUse() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
