package program

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports are taken from below the range from which the kernel gives ports to outgoing connections: thousands of those come and go while a
// program that is to listen there again is down.
const (
	firstPort = 15_000
	lastPort  = 32_000
)

var (
	portMu sync.Mutex
	given  = map[int]bool{}
)

// Port is a free loopback port that no other caller in this process has been given.
func Port(t testing.TB) int {
	t.Helper()
	portMu.Lock()
	defer portMu.Unlock()
	for range 1000 {
		p := firstPort + rand.IntN(lastPort-firstPort)
		if given[p] {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p))
		if err != nil {
			continue
		}
		l.Close()
		given[p] = true
		return p
	}
	t.Fatal("no free port")
	return 0
}

// Addr is a loopback address with a port of its own.
func Addr(t testing.TB) string { return "127.0.0.1:" + strconv.Itoa(Port(t)) }
