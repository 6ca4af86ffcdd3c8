package bridge

import (
	"iter"
	"net/url"

	"github.com/gofiber/fiber/v2"
)

// securityHeaders are those that every answer has: that it is what its Content-Type says, and no page; that it is in no frame of another
// page and no resource of one; that no address of ours is told elsewhere. Whoever has come by TLS, to a name that is not this machine's
// own, is to come so for half a year (HSTS).
func securityHeaders(encrypted bool, host string) iter.Seq[[2]string] {
	return func(yield func([2]string) bool) {
		for _, h := range [...][2]string{
			{fiber.HeaderXContentTypeOptions, "nosniff"},
			{fiber.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'"},
			{fiber.HeaderXFrameOptions, "DENY"},
			{fiber.HeaderReferrerPolicy, "no-referrer"},
			{"Cross-Origin-Resource-Policy", "same-origin"},
		} {
			if !yield(h) {
				return
			}
		}
		if u := (&url.URL{Host: host}); encrypted && !isLoopback(u.Hostname()) {
			yield([2]string{fiber.HeaderStrictTransportSecurity, "max-age=15768000"})
		}
	}
}

// secure sets them.
func secure(c *fiber.Ctx) {
	for h := range securityHeaders(c.Context().IsTLS(), string(c.Context().Host())) {
		c.Set(h[0], h[1])
	}
}
