package bridge

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

// header is what X-Forwarded-For holds: one header a line.
func header(text string) (list [][]byte) {
	if text == "" {
		return nil
	}
	return bytes.Split([]byte(text), []byte("\n"))
}

func TestForwardedFor(t *testing.T) {
	trusted, err := newProxies([]string{"10.0.0.0/8", "127.0.0.1", "fd00::/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, peer, header, want string }{
		{"nobody in between", "203.0.113.9", "", "203.0.113.9"},
		{"forged", "203.0.113.9", "198.51.100.1", "203.0.113.9"},
		{"forged as if by a proxy", "203.0.113.9", "198.51.100.1, 10.0.0.1", "203.0.113.9"},
		{"a proxy that says nothing", "10.0.0.1", "", "10.0.0.1"},
		{"one proxy", "10.0.0.1", "198.51.100.1", "198.51.100.1"},
		{"one proxy, and what its client made up", "10.0.0.1", "1.2.3.4, 5.6.7.8, 198.51.100.1", "198.51.100.1"},
		{"one proxy, and its client made up a proxy", "10.0.0.1", "10.0.0.9, 198.51.100.1", "198.51.100.1"},
		{"two proxies", "10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"},
		{"all are proxies", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{"without spaces", "10.0.0.1", "198.51.100.1,10.0.0.2", "198.51.100.1"},
		{"with many", "10.0.0.1", " \t198.51.100.1 \t,\t 10.0.0.2  ", "198.51.100.1"},
		{"several headers", "10.0.0.1", "1.2.3.4\n198.51.100.1\n10.0.0.2", "198.51.100.1"},
		{"several headers with several each", "10.0.0.1", "1.2.3.4, 198.51.100.1\n10.0.0.3, 10.0.0.2", "198.51.100.1"},
		{"with a port", "10.0.0.1", "198.51.100.1:4711", "198.51.100.1"},
		{"IPv6", "fd00::1", "2001:db8::7", "2001:db8::7"},
		{"IPv6 in brackets", "fd00::1", "[2001:db8::7]", "2001:db8::7"},
		{"IPv6 with a port", "::1", "[2001:db8::7]:443", "2001:db8::7"},
		{"IPv6 with a zone", "::1", "fe80::7%eth0", "fe80::7"},
		{"IPv4 as IPv6", "::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"},
		{"a proxy as IPv6", "10.0.0.1", "198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"},
		{"garbage", "10.0.0.1", "unknown", "10.0.0.1"},
		{"garbage before a proxy", "10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"},
		{"garbage that the client made up", "10.0.0.1", "unknown, 198.51.100.1", "198.51.100.1"},
		{"nothing between commas", "10.0.0.1", "198.51.100.1,,10.0.0.2", "10.0.0.2"},
		{"an empty header", "10.0.0.1", "198.51.100.1\n\n10.0.0.2", "10.0.0.2"},
		{"half a bracket", "10.0.0.1", "[2001:db8::7", "10.0.0.1"},
		{"a port alone", "10.0.0.1", ":80", "10.0.0.1"},
		{"a great port", "10.0.0.1", "198.51.100.1:65536", "10.0.0.1"},
		{"octal", "10.0.0.1", "0198.051.100.1", "10.0.0.1"},
		{"a name", "10.0.0.1", "localhost", "10.0.0.1"},
		{"a network", "10.0.0.1", "198.51.100.0/24", "10.0.0.1"},
		{"two in one", "10.0.0.1", "198.51.100.1 198.51.100.2", "10.0.0.1"},
		{"very long", "10.0.0.1", strings.Repeat("1", 10_000), "10.0.0.1"},
		{"very many", "10.0.0.1", strings.Repeat("10.0.0.5, ", 1_000) + "10.0.0.2", "10.0.0.5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			peer := plain(netip.MustParseAddr(tc.peer))
			if got := trusted.client(peer, header(tc.header)); got.String() != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestProxies(t *testing.T) {
	for _, good := range []string{"10.0.0.7", "10.0.0.7/8", "fd00::/8", "::1", "::ffff:10.0.0.1", "0.0.0.0/1"} {
		if err := CheckProxies([]string{good}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "*", "proxy.example.com", "10.0.0", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0.1:80", "fe80::1%eth0", "::ffff:10.0.0.0/104"} {
		if err := CheckProxies([]string{"10.0.0.1", bad}); err == nil || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestHousehold(t *testing.T) {
	for address, want := range map[string]string{
		"198.51.100.1": "198.51.100.1", "::ffff:198.51.100.1": "198.51.100.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::": "2001:db8:1:2::", "fe80::7%eth0": "fe80::",
	} {
		if got := household(plain(netip.MustParseAddr(address))); got.String() != want {
			t.Errorf("%s is of %s, want %s", address, got, want)
		}
	}
	if household(netip.Addr{}).IsValid() || peerAddr(nil).IsValid() {
		t.Error("what has no address has one")
	}
}

// Whatever the header holds, the search ends, and at an address that was named by somebody who is trusted: where nobody is, at the peer.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{"", "198.51.100.1", "1.2.3.4, 10.0.0.2", "[2001:db8::1]:80\n10.0.0.2", ",,,", "unknown", "10.0.0.2:99999", "::ffff:10.0.0.1", "fe80::1%a,b"} {
		f.Add(seed)
	}
	trusted, err := newProxies([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	peer, stranger := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.9")
	f.Fuzz(func(t *testing.T, text string) {
		if got := trusted.client(stranger, header(text)); got != stranger {
			t.Errorf("a stranger is taken for %s", got)
		}
		got := trusted.client(peer, header(text))
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("%s", got)
		}
		// What stands before an address that is not trusted makes no difference.
		end := "198.51.100.1\n10.0.0.2"
		if got := trusted.client(peer, header(text+"\n"+end)); got.String() != "198.51.100.1" {
			t.Errorf("%s, because of what was before", got)
		}
	})
}
