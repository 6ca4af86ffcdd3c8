package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every connection with what it sends, until the test ends.
func echo(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return ln.Addr().String()
}

func open(t *testing.T, targets ...string) *Link {
	l, err := New("127.0.0.1:0", targets...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// says sends a text and expects it back within a time.
func says(c net.Conn, text string, within time.Duration) error {
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	return hears(c, text, within)
}

func hears(c net.Conn, text string, within time.Duration) error {
	_ = c.SetReadDeadline(time.Now().Add(within))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, []byte(text)) {
		return errors.New("heard " + string(got))
	}
	return nil
}

const (
	soon  = 10 * time.Second
	short = 100 * time.Millisecond
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCut(t *testing.T) {
	l := open(t, echo(t))
	c := dial(t, l)
	must(t, says(c, "hello", soon))
	l.Cut()
	if err := hears(c, "x", soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a cut: %v", err)
	}
	must(t, says(dial(t, l), "again", soon))
}

func TestStall(t *testing.T) {
	for way, name := range map[Way]string{Up: "up", Down: "down", Both: "both"} {
		t.Run(name, func(t *testing.T) {
			l := open(t, echo(t))
			c := dial(t, l)
			must(t, says(c, "hello", soon))
			l.Stall(way)
			if err := says(c, "lost?", short); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("while stalled: %v", err)
			}
			must(t, l.Heal())
			must(t, hears(c, "lost?", soon))
		})
	}
}

func TestVanish(t *testing.T) {
	l := open(t, echo(t))
	c := dial(t, l)
	must(t, says(c, "hello", soon))
	l.Vanish()
	must(t, l.Heal())
	if err := says(c, "x", short); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("half-open: %v", err)
	}
	must(t, says(dial(t, l), "new", soon))
}

func TestDelay(t *testing.T) {
	l := open(t, echo(t))
	c := dial(t, l)
	l.Delay(50 * time.Millisecond)
	began := time.Now()
	must(t, says(c, "hello", soon))
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("there and back took %s", took)
	}
}

func TestThrottle(t *testing.T) {
	l := open(t, echo(t))
	c := dial(t, l)
	l.Throttle(10_000)
	began := time.Now()
	must(t, says(c, string(make([]byte, 3000)), soon))
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("3,000 bytes at 10,000 a second took %s", took)
	}
}

func TestTear(t *testing.T) {
	l := open(t, echo(t))
	c := dial(t, l)
	must(t, says(c, "hello", soon))
	l.Tear(3)
	if err := says(c, "torn", soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a tear: %v", err)
	}
}

func TestRefuse(t *testing.T) {
	l := open(t, echo(t))
	c := dial(t, l)
	must(t, says(c, "hello", soon))
	l.Refuse()
	if err := hears(c, "x", soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a refusal: %v", err)
	}
	if c, err := net.Dial("tcp", l.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting: %v %v", c, err)
	}
	must(t, l.Heal())
	must(t, says(dial(t, l), "back", soon))
}

func TestBalances(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	dead.Close()
	l := open(t, dead.Addr().String(), echo(t))
	for range 4 {
		must(t, says(dial(t, l), "hello", soon))
	}
	l.Targets(dead.Addr().String())
	c, err := net.Dial("tcp", l.Addr())
	if err == nil {
		defer c.Close()
		err = says(c, "hello", soon)
	}
	if err == nil {
		t.Error("a target that was taken away answers")
	}
}

// What one end has sent before it closes arrives at the other.
func TestClose(t *testing.T) {
	l := open(t, echo(t))
	c := dial(t, l)
	_, err := c.Write([]byte("bye"))
	must(t, err)
	must(t, c.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(c)
	if string(got) != "bye" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	_ = c.Close()
	for end := time.Now().Add(soon); l.Conns() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection is still counted")
		}
	}
}
