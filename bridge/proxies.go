package bridge

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// proxies are the networks of the reverse proxies whose X-Forwarded-For is believed.
type proxies []netip.Prefix

// newProxies reads networks (10.0.0.0/8, fd00::/8) and single addresses.
func newProxies(list []string) (proxies, error) {
	var p proxies
	for _, text := range list {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err == nil && addr.Zone() == "" {
				addr = addr.Unmap()
				network = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		switch {
		case err != nil || !network.IsValid() || network.Addr().Is4In6():
			return nil, fmt.Errorf("proxy %q: give an address, or a network such as 10.0.0.0/8 or fd00::/8", text)
		case network.Bits() == 0:
			return nil, fmt.Errorf("proxy %q: that is every address, so anybody could claim to be anybody: name your proxies", text)
		}
		p = append(p, network.Masked())
	}
	return p, nil
}

// CheckProxies returns an error that names the first entry that cannot be one of [Config.TrustedProxies], and says what would be right.
func CheckProxies(list []string) error {
	_, err := newProxies(list)
	return err
}

func (p proxies) trusts(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// client finds where a request came from: the peer, or, as long as that is a proxy that is trusted, the address that it says it got the
// request from, which is the last that X-Forwarded-For names. What is written further left may be anybody's invention. headers are all
// headers of that name, in the order in which they came; what cannot be read in them ends the search.
func (p proxies) client(peer netip.Addr, headers [][]byte) netip.Addr {
	at := peer
	for i := len(headers) - 1; i >= 0; i-- {
		for rest, more := headers[i], true; more; {
			if !p.trusts(at) {
				return at
			}
			var hop []byte
			if comma := bytes.LastIndexByte(rest, ','); comma >= 0 {
				rest, hop = rest[:comma], rest[comma+1:]
			} else {
				hop, more = rest, false
			}
			next, ok := parseHop(hop)
			if !ok {
				return at
			}
			at = next
		}
	}
	return at
}

// parseHop reads an address as proxies write it: alone, with a port, and IPv6 with or without brackets.
func parseHop(text []byte) (netip.Addr, bool) {
	if text = bytes.Trim(text, " \t"); len(text) == 0 || len(text) > 64 {
		return netip.Addr{}, false
	}
	hop := string(text)
	if with, err := netip.ParseAddrPort(hop); err == nil {
		return plain(with.Addr()), true
	}
	if inside, ok := strings.CutPrefix(hop, "["); ok {
		if hop, ok = strings.CutSuffix(inside, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(hop)
	return plain(a), err == nil
}

// plain is an address in the form in which it is compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// peerAddr is the address at the other end of a connection; the zero Addr where it has none.
func peerAddr(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return plain(tcp.AddrPort().Addr())
	}
	return netip.Addr{}
}

// household is what connections are counted by: an address, and of IPv6 its /64, since whoever has one of those has all of it.
func household(a netip.Addr) netip.Addr {
	if a.Is6() {
		if network, err := a.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return a
}

// A visitor is where a request came from.
type visitor struct {
	remote fmt.Stringer // for the log, and written only there
	from   netip.Addr   // its household; the zero Addr = not known
}

// visitor finds where a request came from. Behind a trusted proxy that is the address which the proxy names, without a port.
func (s *Server) visitor(c *fiber.Ctx) visitor {
	peer := c.Context().RemoteAddr()
	at := peerAddr(peer)
	if s.proxies.trusts(at) {
		if real := s.proxies.client(at, c.Context().Request.Header.PeekAll(fiber.HeaderXForwardedFor)); real != at {
			return visitor{real, household(real)}
		}
	}
	return visitor{peer, household(at)}
}
