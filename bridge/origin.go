package bridge

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// origins decides which web pages may use the bridge. A browser sends the page's origin with every WebSocket handshake and every request
// across origins; whoever is no browser sends none, and is not what this protects from.
type origins struct {
	any      bool
	loopback bool // pages on this machine, at any port
	allowed  []pattern
}

type pattern struct {
	scheme, host string
	subdomains   bool // *.host
}

// newOrigins reads patterns: an origin such as https://admin.example.com, https://*.example.com for every subdomain, or * for all.
func newOrigins(list []string, loopback bool) (origins, error) {
	o := origins{loopback: loopback}
	for _, text := range list {
		if text == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return o, fmt.Errorf("origin %q: give scheme and host, such as https://admin.example.com, https://*.example.com, or *", text)
		}
		p := pattern{scheme: strings.ToLower(u.Scheme), host: hostPort(u)}
		p.host, p.subdomains = strings.CutPrefix(p.host, "*.")
		if p.host == "" || strings.Contains(p.host, "*") {
			return o, fmt.Errorf("origin %q: a * stands for all subdomains, at the beginning: https://*.example.com", text)
		}
		o.allowed = append(o.allowed, p)
	}
	return o, nil
}

// CheckOrigins returns an error that names the first entry that cannot be one of [Config.Origins], and says what would be right.
func CheckOrigins(list []string) error {
	_, err := newOrigins(list, false)
	return err
}

// hostPort is a URL's host with its port, in lower case; the scheme's own port is left out.
func hostPort(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return host
	}
	return host + ":" + port
}

// allows says whether a page of this origin may use the bridge that it reaches under this host. "" = the request has no origin.
func (o origins) allows(origin, host string) bool {
	if origin == "" || o.any {
		return true
	}
	origin = strings.ToLower(origin)
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host || strings.HasSuffix(u.Host, ":") {
		return false // no browser writes an origin like this: RFC 6454, section 6.2
	}
	from := hostPort(u)
	if u.Scheme == "http" || u.Scheme == "https" {
		if from == hostPort(&url.URL{Scheme: u.Scheme, Host: strings.ToLower(host)}) || o.loopback && isLoopback(u.Hostname()) {
			return true
		}
	}
	for _, p := range o.allowed {
		if u.Scheme == p.scheme && p.matches(from) {
			return true
		}
	}
	return false
}

func (p pattern) matches(host string) bool {
	if p.subdomains {
		name, ok := strings.CutSuffix(host, "."+p.host)
		return ok && name != ""
	}
	return host == p.host
}

// knows says whether the bridge may be reached under this host. One that is for this machine alone may be so only under a name of this
// machine, or of an origin that was allowed: a foreign page whose name leads here (DNS rebinding) is of the same origin as the bridge, and
// its browser would show it everything.
func (o origins) knows(host string) bool {
	if !o.loopback || o.any || host == "" {
		return true
	}
	u := &url.URL{Host: strings.ToLower(host)}
	if isLoopback(u.Hostname()) {
		return true
	}
	for _, p := range o.allowed {
		u.Scheme = p.scheme
		if p.matches(hostPort(u)) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
