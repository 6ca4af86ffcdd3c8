package main

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// A size is a number of bytes: 65536, 64KiB, 1GiB.
type size int64

var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *size) UnmarshalText(text []byte) error {
	number, factor := string(text), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a size: write 65536, 64KiB, 16MiB or 1GiB", text)
	}
	*s = size(int64(n) * factor)
	return nil
}

// String is the size with the greatest unit that takes no fraction.
func (s size) String() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// A span is a duration, never negative: 500ms, 25s, 1h30m, 7d, 1d12h.
type span time.Duration

const day = 24 * time.Hour

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *span) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a duration: write 500ms, 25s, 1h30m or 7d", text)
	rest := string(text)
	if strings.ContainsAny(rest, "+-") {
		return bad
	}
	var days time.Duration
	if number, tail, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || n > uint64(math.MaxInt64/day) {
			return bad
		}
		days, rest = time.Duration(n)*day, tail
		if rest == "" {
			*s = span(days)
			return nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > math.MaxInt64-days {
		return bad
	}
	*s = span(days + d)
	return nil
}

// String is the span as one writes it: 24h, not 24h0m0s.
func (s span) String() string {
	text := time.Duration(s).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// An address is where to listen: a host and a port. The port 0 lets the system choose one.
type address struct {
	host string
	port int
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		return fmt.Errorf("%q is not an address to listen on: write host:port, such as 127.0.0.1:8080", text)
	}
	*a = address{host: host, port: int(n)}
	return nil
}

func (a address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

func (a address) isZero() bool { return a == address{} }

// loopback says whether only programs on this machine can connect.
func (a address) loopback() bool {
	ip := net.ParseIP(a.host)
	return a.host == "localhost" || ip != nil && ip.IsLoopback()
}
