package bridge

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// heads sends a request as it stands and returns the answer's head.
func heads(t *testing.T, conn io.ReadWriter, request string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// Every answer, an error of the HTTP server's own included, says what keeps it from being taken for something else.
func TestSecurityHeaders(t *testing.T) {
	r := start(t, func(c *Config) { c.Console = true })
	addr, cfg := r.secure(t, r.srv.ServeTLS)
	check := func(what string, h http.Header, status, want int) {
		t.Helper()
		if status != want {
			t.Errorf("%s: %d, want %d", what, status, want)
		}
		for name, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Server": "", "X-Powered-By": "",
		} {
			if got := h.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", what, name, got, value)
			}
			if n := len(h.Values(name)); n > 1 {
				t.Errorf("%s: %d times %s", what, n, name)
			}
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy is %q", what, csp)
		}
	}
	for _, tc := range []struct {
		request string
		status  int
	}{
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /console/" + r.srv.console.version + "/console.js HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /v1/sse HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /v1/sse?last=x HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"GET /v1/events HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n", 403},
		{"GET /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n", 426},
		{hello(), 101},
		{"nonsense\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431},
	} {
		what, _, _ := strings.Cut(tc.request, "\r\n")
		resp := heads(t, r.wire("", 0), tc.request)
		check(what, resp.Header, resp.StatusCode, tc.status)
		if got := resp.Header.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%s: without TLS it asks for TLS: %s", what, got)
		}
		if strings.HasPrefix(what, "nonsense") || tc.status == 431 {
			continue // no host is known
		}
		for host, want := range map[string]string{"live.example.com": "max-age=", "live.example.com:8443": "max-age=", "127.0.0.1": "", "localhost:8443": "", "[::1]:8443": ""} {
			c, err := tls.Dial("tcp", addr, cfg)
			if err != nil {
				t.Fatal(err)
			}
			resp := heads(t, c, strings.NewReplacer("Host: x", "Host: "+host, "Host: bridge.example", "Host: "+host).Replace(tc.request))
			check(what, resp.Header, resp.StatusCode, tc.status)
			if got := resp.Header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, want) || want == "" && got != "" {
				t.Errorf("%s, %s: Strict-Transport-Security is %q", what, host, got)
			}
			_ = c.Close()
		}
	}
	for path, status := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/": 404} {
		w := httptest.NewRecorder()
		r.srv.AdminHandler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		check("admin "+path, w.Result().Header, w.Code, status)
	}
}
