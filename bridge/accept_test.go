package bridge

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
)

// A poorListener has no descriptor for the first few connections.
type poorListener struct {
	net.Listener
	errs []error
}

func (l *poorListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	return l.Listener.Accept()
}

func TestAcceptWaitsForDescriptors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var said strings.Builder
	l := newPatientListener(&poorListener{ln, []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}}, slog.New(slog.NewTextHandler(&said, nil)))
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	if got := strings.Count(said.String(), "no connection can be accepted"); got != 1 || !strings.Contains(said.String(), "too many open files") {
		t.Errorf("the log says %q", said.String())
	}
	for _, final := range []error{syscall.EBADF, net.ErrClosed} {
		l := newPatientListener(&poorListener{ln, []error{final}}, slog.New(slog.DiscardHandler))
		if _, err := l.Accept(); !errors.Is(err, final) {
			t.Errorf("%v is not going to pass, but Accept returned %v", final, err)
		}
	}
}

// A listener that waits for a descriptor is closed at once.
func TestAcceptEndsWhileItWaits(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	full := make([]error, 1000)
	for i := range full {
		full[i] = syscall.EMFILE
	}
	l := newPatientListener(&poorListener{ln, full}, slog.New(slog.DiscardHandler))
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Connections are accepted although nobody is ready to serve them, so that the kernel's queue stays empty; whoever waits still when the
// listener is closed is let go.
func TestAcceptDoesNotWaitForTheServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newPatientListener(ln, slog.New(slog.DiscardHandler))
	var clients []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	await(t, "all are accepted", func() bool { return len(l.queue) == len(clients) })
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	if got, want := served.RemoteAddr().String(), clients[0].LocalAddr().String(); got != want {
		t.Errorf("%s is served first, but %s was there first", got, want)
	}
	l.Close()
	for _, c := range clients[1:] {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a client that nobody serves is not let go")
		}
	}
	if _, err := served.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}
