package ws

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trickle writes raw to the connection, a byte every so often, until that fails.
func trickle(conn net.Conn, raw []byte, every time.Duration) {
	for i := range raw {
		if i > 0 {
			time.Sleep(every)
		}
		if _, err := conn.Write(raw[i : i+1]); err != nil {
			return
		}
	}
}

// bubble runs f in virtual time with both ends of a connection, and closes them.
func bubble(t *testing.T, f func(t *testing.T, client net.Conn, r *Reader)) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		f(t, client, NewReader(server, 1000, 10*time.Second))
		client.Close()
		server.Close()
		time.Sleep(time.Minute) // who writes to the client's end finds it closed
	})
}

func TestTrickledMessageIsTooSlow(t *testing.T) {
	x := strings.Repeat("x", 100)
	for name, raw := range map[string][]byte{
		"header":                                frames(sent{op: Text, payload: x}),
		"control":                               frames(sent{op: Ping, payload: x}),
		"fragments":                             frames(sent{op: Text, payload: x[:3], more: true}, sent{payload: x[:3], more: true}, sent{payload: x}),
		"first frame complete, nothing follows": frames(sent{op: Text, more: true}),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, client net.Conn, r *Reader) {
				go trickle(client, raw, time.Second)
				began := time.Now()
				_, _, err := r.Next()
				if took := time.Since(began); !errors.Is(err, ErrSlow) || took != 10*time.Second {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

func TestTrickledMessageInTime(t *testing.T) {
	bubble(t, func(t *testing.T, client net.Conn, r *Reader) {
		raw := frames(sent{op: Text, payload: "12"}, sent{op: Ping}, sent{op: Text, payload: "34"})
		go trickle(client, raw, 1100*time.Millisecond) // 8 bytes each: 7.7 s
		for _, want := range []string{"12", "", "34"} {
			if _, payload, err := r.Next(); err != nil || string(payload) != want {
				t.Fatalf("%q %v, want %q", payload, err, want)
			}
		}
	})
}

// Pings in between do not give a message that is under way more time.
func TestPingsDoNotExtendAMessage(t *testing.T) {
	bubble(t, func(t *testing.T, client net.Conn, r *Reader) {
		go func() {
			_, err := client.Write(frames(sent{op: Text, payload: "a", more: true}))
			for err == nil {
				time.Sleep(3 * time.Second)
				_, err = client.Write(frames(sent{op: Ping}))
			}
		}()
		began := time.Now()
		for range 3 {
			if op, _, err := r.Next(); op != Ping || err != nil {
				t.Fatal(op, err)
			}
		}
		if _, _, err := r.Next(); !errors.Is(err, ErrSlow) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Between messages a client may be silent as long as it likes, also after one that had a deadline.
func TestIdleHasNoDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, client net.Conn, r *Reader) {
		go func() {
			for range 3 {
				time.Sleep(24 * time.Hour)
				trickle(client, frames(sent{op: Text, payload: "a"}), time.Second)
			}
		}()
		for range 3 {
			if _, payload, err := r.Next(); err != nil || string(payload) != "a" {
				t.Fatalf("%q %v", payload, err)
			}
		}
	})
}

func TestDeadlines(t *testing.T) {
	whole := frames(sent{op: Text, payload: "a"}, sent{op: Ping})
	w := &wire{raw: whole, stuck: true}
	r := NewReader(w, 1000, time.Nanosecond)
	for range 2 {
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.Next(); !errors.Is(err, io.ErrNoProgress) || w.set != 0 {
		t.Errorf("what came whole: a deadline was set %d times, %v", w.set, err)
	}
	w = &wire{raw: frames(sent{op: Text, payload: strings.Repeat("x", 900)}), stuck: true, step: 100}
	r = NewReader(w, 1000, time.Nanosecond)
	if _, _, err := r.Next(); err != nil || w.set != 1 || w.deadline.IsZero() {
		t.Errorf("what came in ten parts: a deadline was set %d times, %v", w.set, err)
	}
	if _, _, err := r.Next(); !errors.Is(err, io.ErrNoProgress) || !w.deadline.IsZero() {
		t.Errorf("idle again: deadline %v, %v", w.deadline, err)
	}
	w = &wire{raw: whole[:3], stuck: true}
	if _, _, err := NewReader(w, 1000, time.Nanosecond).Next(); !errors.Is(err, ErrSlow) {
		t.Errorf("cut: %v", err)
	}
	// A deadline that somebody else has set is not the client's slowness.
	w = &wire{raw: whole[:3], stuck: true}
	if _, _, err := NewReader(w, 1000, time.Hour).Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("someone else's deadline: %v", err)
	}
}
