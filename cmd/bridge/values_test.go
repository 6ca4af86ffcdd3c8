package main

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "1": 1, "65536": 64 << 10, "64KiB": 64 << 10, "64 KiB": 64 << 10, "3MiB": 3 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40, "512B": 512,
		"9223372036854775807": 1<<63 - 1,
	} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q is %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "+1", "1.5GiB", "1MB", "1K", "0x10", "9223372036854775808", "8388608TiB", "1 000", "１"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
	for s, want := range map[size]string{0: "0B", 1: "1B", 1000: "1000B", 64 << 10: "64KiB", 1 << 30: "1GiB", 3 << 29: "1536MiB"} {
		if got := s.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(s), got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "500ms": 500 * time.Millisecond, "25s": 25 * time.Second, "1h30m": 90 * time.Minute, "24h": day, "7d": 7 * day, "1d12h": 36 * time.Hour, "0d": 0,
	} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err != nil || time.Duration(s) != want {
			t.Errorf("%q is %s, %v; want %s", text, s, err, want)
		}
	}
	for _, text := range []string{"", "d", "5", "-1s", "+1s", "1d-1s", "1.5d", "3y", "1d 2h", "2h1d", "106752d", "106751d24h"} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %s", text, s)
		}
	}
	for s, want := range map[span]string{span(day): "24h", span(90 * time.Minute): "1h30m", span(25 * time.Second): "25s", span(10 * time.Minute): "10m", 0: "0s"} {
		if got := s.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(s), got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	for text, loopback := range map[string]bool{
		"127.0.0.1:8080": true, "[::1]:0": true, "localhost:1": true, "127.8.8.8:1": true,
		"0.0.0.0:8080": false, ":8080": false, "[::]:1": false, "192.0.2.1:80": false, "example.com:80": false,
	} {
		var a address
		if err := a.UnmarshalText([]byte(text)); err != nil || a.loopback() != loopback || a.String() != text {
			t.Errorf("%q is %s, loopback %v, %v", text, a, a.loopback(), err)
		}
	}
	for _, text := range []string{"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "::1:80", "127.0.0.1:-1"} {
		var a address
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %s", text, a)
		}
	}
	for a, want := range map[address]string{{"0.0.0.0", 1}: "127.0.0.1:1", {"", 1}: "127.0.0.1:1", {"::", 1}: "127.0.0.1:1", {"192.0.2.1", 1}: "192.0.2.1:1"} {
		if got := reachable(a); got != want {
			t.Errorf("%v is reached at %s, want %s", a, got, want)
		}
	}
}

// FuzzValues proves that what is taken is written so that it can be read again.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"64KiB", "1d12h", "127.0.0.1:80", "9223372036854775807", "106751d", "1.5h", "[::1]:0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, s2 size
		if s.UnmarshalText([]byte(text)) == nil {
			if err := s2.UnmarshalText([]byte(s.String())); err != nil || s2 != s || s < 0 {
				t.Errorf("size %q is %d, written %s, read %d, %v", text, int64(s), s, int64(s2), err)
			}
		}
		var d, d2 span
		if d.UnmarshalText([]byte(text)) == nil {
			if err := d2.UnmarshalText([]byte(d.String())); err != nil || d2 != d || d < 0 {
				t.Errorf("span %q is %d, written %s, read %d, %v", text, int64(d), d, int64(d2), err)
			}
		}
		var a, a2 address
		if a.UnmarshalText([]byte(text)) == nil {
			if err := a2.UnmarshalText([]byte(a.String())); err != nil || a2 != a {
				t.Errorf("address %q is %v, read %v, %v", text, a, a2, err)
			}
		}
	})
}
