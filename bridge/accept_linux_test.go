package bridge

import (
	"crypto/tls"
	"log/slog"
	"net"
	"syscall"
	"testing"
)

// What the kernel holds for a peer is bounded, whatever the listener is, and although the peer came before it.
func TestSendingIsBounded(t *testing.T) {
	for name, wrap := range map[string]func(net.Listener) net.Listener{
		"TCP":                  func(ln net.Listener) net.Listener { return ln },
		"TLS":                  func(ln net.Listener) net.Listener { return sealedListener{ln, &tls.Config{}} },
		"TLS of another's":     func(ln net.Listener) net.Listener { return tls.NewListener(ln, &tls.Config{}) },
		"a listener around it": func(ln net.Listener) net.Listener { return &poorListener{Listener: ln} },
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		peer, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l := newPatientListener(wrap(ln), slog.New(slog.DiscardHandler))
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := innermost(accepted).(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var size int
		if failed := raw.Control(func(fd uintptr) { size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF) }); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		if size != 2*sendBuffer { // the kernel doubles it
			t.Errorf("%s: the kernel holds %d bytes, it should hold %d", name, size, 2*sendBuffer)
		}
		_ = peer.Close()
		_ = accepted.Close()
		_ = l.Close()
	}
}
