//go:build !race

package bridge

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/livebridge/livebridge/internal/ws"
)

// What an idle connection costs with one subscription, its client's socket in this process included: about 3 KiB where there is a poller,
// and otherwise a stack of 4 KiB besides, which deeper calls in the way to the reader would double. TLS does double it, and has keys and a
// buffer at both ends.
func TestIdleConnectionsAreSmall(t *testing.T) {
	const clients, mostSSE, mostTLS = 1000, 4<<10 + 4<<10, 8<<10 + 20<<10
	r := start(t, nil)
	addr, cfg := r.secure(t, r.srv.ServeTLS)
	plain := func() (net.Conn, error) { return net.Dial("tcp", r.addr) }
	encrypted := func() (net.Conn, error) { return tls.Dial("tcp", addr, cfg) }
	mostWS := 4 << 10
	if r.srv.poller == nil {
		mostWS += 5 << 10
	}
	websocket := hello() + masked(ws.Text, `{"op":"connect"}`) + masked(ws.Text, `{"op":"subscribe","sub":"a","resource":"products"}`)
	for _, tc := range []struct {
		name, hello string
		dial        func() (net.Conn, error)
		most        int
	}{
		{"WebSocket", websocket, plain, mostWS},
		{"SSE", "GET /v1/sse?resource=products HTTP/1.1\r\nHost: x\r\n\r\n", plain, mostSSE},
		{"WebSocket over TLS", websocket, encrypted, mostTLS},
	} {
		before := inUse()
		conns := make([]net.Conn, clients)
		for i := range conns {
			c, err := tc.dial()
			if err != nil {
				t.Fatal(err)
			}
			conns[i] = c
			if _, err := fmt.Fprint(c, tc.hello); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "all are live", func() bool { return r.log.Stats().Live == clients })
		await(t, fmt.Sprintf("a %s takes no more than %d bytes", tc.name, tc.most), func() bool { return inUse() < before+clients*uint64(tc.most) })
		t.Logf("%s: %d bytes", tc.name, (int(inUse())-int(before))/clients)
		for _, c := range conns {
			_ = c.Close()
		}
		await(t, "all have gone", func() bool { return r.connections() == 0 })
	}
}

// inUse is the memory of what is on the heap, and of stacks. A stack shrinks by half in each collection.
func inUse() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
