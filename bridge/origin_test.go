package bridge

import (
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for _, tc := range []struct {
		allowed  string
		loopback bool
		host     string
		yes, no  string
	}{
		{"", false, "bridge.example:8080",
			"http://bridge.example:8080 HTTP://Bridge.Example:8080 https://bridge.example:8080",
			"http://bridge.example http://bridge.example:80 http://bridge.example:8081 http://evil.example http://bridge.example.evil.example:8080 " +
				"http://xbridge.example:8080 null file:// http:// bridge.example:8080 //bridge.example:8080 http://bridge.example:8080@evil.example " +
				"http://evil.example#bridge.example:8080 http://evil.example/bridge.example:8080 http://evil.example?bridge.example:8080 " +
				"ftp://bridge.example:8080 http://bridge%2eexample:8080 http://bridge.example.:8080 http://localhost http://127.0.0.1 http://[::1] ::"},
		{"", false, "Bridge.Example", "http://bridge.example http://bridge.example:80 https://bridge.example:443 https://bridge.example",
			"http://bridge.example:443 https://bridge.example:80 http://evil.example"},
		{"", false, "[::1]:8080", "http://[::1]:8080", "http://[::2]:8080 http://[::1] http://localhost:8080"},
		{"", false, "", "", "http://bridge.example http:// null"},
		{"", true, "127.0.0.1:8080",
			"http://127.0.0.1:8080 http://localhost http://localhost:5173 https://LOCALHOST:1 http://127.0.0.1 http://127.1.2.3:5 http://[::1]:9",
			"http://localhost.evil.example http://evil-localhost http://127.0.0.1.evil.example http://128.0.0.1 null http://0.0.0.0:8080 capacitor://localhost"},
		{"https://good.example", false, "bridge.example",
			"https://good.example HTTPS://GOOD.EXAMPLE https://good.example:443 https://bridge.example",
			"http://good.example https://good.example:8443 https://a.good.example https://good.example.evil.example https://evilgood.example " +
				"https://good.example. https://good.exampl https://evil.example null"},
		{"HTTPS://Good.Example:8443/", false, "bridge.example", "https://good.example:8443", "https://good.example https://good.example:443"},
		{"https://*.good.example", false, "bridge.example",
			"https://a.good.example https://A.B.Good.Example https://a.good.example:443",
			"https://good.example http://a.good.example https://a.good.example:8443 https://evilgood.example https://a.good.example.evil.example " +
				"https://.evil.example https://*.evil.example"},
		{"http://[::1]:3000", false, "bridge.example", "http://[::1]:3000", "http://[::1]"},
		{"capacitor://localhost", false, "bridge.example", "capacitor://localhost", "http://localhost capacitor://evil"},
		{"https://a.example https://b.example", false, "bridge.example", "https://a.example https://b.example", "https://c.example"},
		{"*", false, "bridge.example", "https://evil.example null http://bridge.example whatever", ""},
	} {
		o, err := newOrigins(strings.Fields(tc.allowed), tc.loopback)
		if err != nil {
			t.Errorf("%q: %v", tc.allowed, err)
		}
		for _, origin := range append(strings.Fields(tc.yes), "") {
			if !o.allows(origin, tc.host) {
				t.Errorf("allowed %q, loopback %v: a page of %q may not use %q", tc.allowed, tc.loopback, origin, tc.host)
			}
		}
		for _, origin := range strings.Fields(tc.no) {
			if o.allows(origin, tc.host) {
				t.Errorf("allowed %q, loopback %v: a page of %q may use %q", tc.allowed, tc.loopback, origin, tc.host)
			}
		}
	}
}

func TestBadOriginPatterns(t *testing.T) {
	for _, bad := range []string{"", "good.example", "good.example:443", "//good.example", "https://", "https:///x", "https://good.example/path", "https://good.example?q",
		"https://user@good.example", "https://*", "https://*.", "https://a.*.example", "https://*a.example", "https://*.*.example", "https://good.example:*", "http://good example", "null"} {
		if _, err := newOrigins([]string{bad}, false); err == nil || !strings.Contains(err.Error(), "https://") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A bridge for this machine alone is not reached under a foreign name that leads here: the foreign page would be of its own origin.
func TestHosts(t *testing.T) {
	for _, tc := range []struct {
		allowed  string
		loopback bool
		yes, no  string
	}{
		{"", false, "evil.example evil.example:8080 127.0.0.1", ""},
		{"", true, "127.0.0.1 127.0.0.1:8080 localhost LocalHost:8080 [::1] [::1]:8080 127.9.9.9:1",
			"evil.example evil.example:8080 localhost.evil.example 127.0.0.1.evil.example 10.0.0.1:8080 0.0.0.0:8080 [::2]:80"},
		{"https://admin.example http://*.dev.example:8080", true, "localhost admin.example admin.example:443 Admin.Example x.dev.example:8080",
			"evil.example admin.example:80 admin.example.evil.example dev.example:8080 x.dev.example"},
		{"*", true, "evil.example", ""},
	} {
		o, err := newOrigins(strings.Fields(tc.allowed), tc.loopback)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range append(strings.Fields(tc.yes), "") {
			if !o.knows(host) {
				t.Errorf("allowed %q, loopback %v: %q is not known", tc.allowed, tc.loopback, host)
			}
		}
		for _, host := range strings.Fields(tc.no) {
			if o.knows(host) {
				t.Errorf("allowed %q, loopback %v: %q is known", tc.allowed, tc.loopback, host)
			}
		}
	}
}

func TestForeignPagesAndHosts(t *testing.T) {
	r := start(t, func(c *Config) { c.LoopbackOrigins = true })
	for _, path := range []string{"/v1/ws", "/v1/sse", "/v1/events", "/healthz", "/metrics", "/nothing"} {
		for _, origin := range []string{"https://evil.example", "null"} {
			status, body := r.get(path, "Origin", origin)
			wantError(t, status, body, 403, "forbidden", origin)
		}
	}
	status, body := r.post(`{"resource":"a","type":"b"}`, "Origin", "https://evil.example")
	wantError(t, status, body, 403, "forbidden", "--origins https://evil.example")
	if status, body := r.post(`{"resource":"a","type":"b"}`, "Origin", "http://localhost:5173"); status != 200 {
		t.Errorf("a page of this machine: %d %s", status, body)
	}
	for host, want := range map[string]int{r.addr: 200, "localhost:9": 200, "evil.example": 403, "evil.example:8080": 403} {
		w := r.wire("GET /v1/events HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n", 0)
		if status, _ := w.response(t); status != want {
			t.Errorf("under the name %s: %d, want %d", host, status, want)
		}
	}
}
