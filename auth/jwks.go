package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// How a key set is fetched. The library's own defaults let one unknown key id block the next rotation for five minutes, follow redirects,
// and read without end.
const (
	jwksTimeout  = 5 * time.Second
	jwksInterval = 10 * time.Minute
	jwksUnknown  = 10 * time.Second // an unknown key id has the set fetched again, this often at most
	jwksBytes    = 1 << 20
)

// keySet returns the keys of a set that is fetched now, refreshed every so often, and fetched again for a key id that is not in it. When it
// cannot be fetched, the keys that were are kept.
func (c Config) keySet(ctx context.Context) (jwt.Keyfunc, error) {
	u, err := url.Parse(c.JWKS)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("key set %q is not a URL", c.JWKS)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, fmt.Errorf("key set %q: give an https URL; plain http is only taken from this machine", c.JWKS)
	}
	no := false
	set, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{c.JWKS}, keyfunc.Override{
		Client: &http.Client{
			Timeout:       jwksTimeout,
			Transport:     limited{http.DefaultTransport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a key set may not redirect") },
		},
		HTTPTimeout:               jwksTimeout,
		RefreshInterval:           jwksInterval,
		RefreshUnknownKID:         rate.NewLimiter(rate.Every(jwksUnknown), 1),
		RateLimitWaitMax:          time.Millisecond, // nobody waits for the next fetch: the token is refused
		NoErrorReturnFirstHTTPReq: &no,
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				if c.Logger != nil {
					c.Logger.Warn("key set not refreshed: the keys that were fetched before stay", "url", c.JWKS, "error", err)
				}
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("fetch key set %s: %w", c.JWKS, err)
	}
	return func(t *jwt.Token) (any, error) {
		if id, _ := t.Header["kid"].(string); id == "" {
			return nil, errors.New("the header has no kid")
		}
		return set.Keyfunc(t)
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// limited ends an answer that is larger than a key set can be.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, jwksBytes), resp.Body}
	}
	return resp, err
}
