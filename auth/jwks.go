package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// How a key set is fetched. keyfunc could do it, but one unknown key id would then block the next rotation for minutes, an answer without
// keys would replace the keys, and redirects and endless answers would be followed.
const (
	jwksTimeout  = 5 * time.Second
	jwksInterval = 10 * time.Minute
	jwksRetry    = 2 * time.Second  // as long as the set has never been fetched
	jwksUnknown  = 10 * time.Second // an unknown key id has the set fetched again, no sooner than this after the last time
	jwksWait     = time.Second      // how long a token with an unknown key id waits for that
	jwksBytes    = 1 << 20
)

// A keySet is the keys behind a URL. They are fetched every jwksInterval, and for a key id that is not known; the last ones stay where that
// fails.
type keySet struct {
	ctx    context.Context // ends every fetch
	url    string
	client *http.Client
	log    *slog.Logger
	keys   *jwkset.MemoryJWKSet
	lookup jwt.Keyfunc

	mu      sync.Mutex
	missing error         // why there are no keys yet
	began   time.Time     // the last fetch
	running chan struct{} // closed when the fetch that is running has ended; nil = none is
}

// openKeySet fetches the set, and goes on fetching it until ctx ends. It is an error where there is an answer, and it is no key set: then the
// address is wrong. A login service that is away must not keep a bridge from starting with it.
func openKeySet(ctx context.Context, address string, log *slog.Logger) (*keySet, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the key set's address is not a URL: give one such as https://login.example.com/jwks.json")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("key set %s: give an https URL; plain http is only taken from this machine", u.Redacted())
	}
	if log == nil {
		log = slog.Default()
	}
	s := &keySet{
		ctx: ctx,
		url: address,
		log: log.With("url", u.Redacted()),
		client: &http.Client{
			Timeout: jwksTimeout,
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DisableKeepAlives:      true, // there are minutes between two fetches
				MaxResponseHeaderBytes: jwksBytes,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return wrongAnswer{errors.New("a key set may not redirect")}
			},
		},
		keys:  jwkset.NewMemoryStorage(),
		began: time.Now(),
	}
	set, err := keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: s.keys, UseWhitelist: []jwkset.USE{"", jwkset.UseSig}})
	if err != nil {
		return nil, err
	}
	s.lookup = set.Keyfunc
	if s.missing = s.fetch(ctx); s.missing != nil {
		var wrong wrongAnswer
		if ctx.Err() != nil || errors.As(s.missing, &wrong) {
			return nil, fmt.Errorf("fetch key set %s: %w", u.Redacted(), s.missing)
		}
		s.log.Error("key set not fetched: no token is accepted until it is", "error", s.missing, "again_in", jwksRetry.String())
	}
	go s.run()
	return s, nil
}

// A wrongAnswer is one that does not become right by waiting.
type wrongAnswer struct{ error }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// key is the key of a token. The algorithm has to be one of the key's kind, and the one that the set names for it, if it does.
func (s *keySet) key(t *jwt.Token) (any, error) {
	id, _ := t.Header["kid"].(string)
	if id == "" {
		return nil, errors.New("header kid: missing or not text")
	}
	if !s.has(id) {
		if s.refresh(); !s.has(id) {
			return nil, fmt.Errorf("header kid: %s is not in the key set", quote(id))
		}
	}
	key, err := s.lookup(t)
	if err != nil {
		return nil, errors.New("header alg: not that of the key, or the key is not for signatures")
	}
	if algorithms, err := algorithmsOf(key); err != nil || !slices.Contains(algorithms, t.Method.Alg()) {
		return nil, errors.New("header alg: not of the key's kind")
	}
	return key, nil
}

// ready is nil once the set has been fetched.
func (s *keySet) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing != nil {
		return fmt.Errorf("the key set of the tokens has not been fetched yet: %w", s.missing)
	}
	return nil
}

func (s *keySet) has(id string) bool {
	_, err := s.keys.KeyRead(context.Background(), id)
	return err == nil
}

// refresh has the set fetched, unless that was done a moment ago, and waits for it a little: everybody who comes with the same new key
// waits for the same fetch.
func (s *keySet) refresh() {
	s.mu.Lock()
	if time.Since(s.began) >= jwksUnknown {
		s.begin()
	}
	done := s.running
	s.mu.Unlock()
	if done == nil {
		return
	}
	enough := time.NewTimer(jwksWait)
	defer enough.Stop()
	select {
	case <-done:
	case <-enough.C:
	}
}

// begin starts a fetch, unless one is running. The caller holds mu.
func (s *keySet) begin() {
	if s.running != nil {
		return
	}
	done := make(chan struct{})
	s.running, s.began = done, time.Now()
	go func() {
		err := s.fetch(s.ctx)
		s.mu.Lock()
		first := s.missing
		if first != nil {
			s.missing = err
		}
		s.running = nil
		s.mu.Unlock()
		close(done)
		switch {
		case first != nil && err == nil:
			s.log.Info("key set fetched")
		case first == nil && err != nil && s.ctx.Err() == nil:
			s.log.Warn("key set not fetched: the keys that were fetched before stay", "error", err)
		}
	}()
}

// run has the set fetched every so often until ctx ends.
func (s *keySet) run() {
	tick := time.NewTimer(s.pause())
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			s.mu.Lock()
			s.begin()
			s.mu.Unlock()
			tick.Reset(s.pause())
		}
	}
}

// pause is how long the next fetch has time.
func (s *keySet) pause() time.Duration {
	if s.ready() != nil {
		return jwksRetry
	}
	return jwksInterval
}

// fetch replaces the keys.
func (s *keySet) fetch(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests:
		return fmt.Errorf("status %d", code)
	case code != http.StatusOK:
		return wrongAnswer{fmt.Errorf("status %d", code)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, jwksBytes+1))
	if err != nil {
		return err
	}
	if len(body) > jwksBytes {
		return wrongAnswer{fmt.Errorf("more than %d bytes", jwksBytes)}
	}
	keys, err := parseKeySet(body)
	if err != nil {
		return wrongAnswer{err}
	}
	return s.keys.KeyReplaceAll(ctx, keys)
}

// parseKeySet reads the keys of a set that can verify tokens. Others may be beside them, such as keys for encryption and kinds that come
// later; secret keys are never among those it returns. A set without any is an error.
func parseKeySet(body []byte) ([]jwkset.JWK, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New(`not a key set: it has to be a JSON object with a list "keys"`)
	}
	var keys []jwkset.JWK
	for _, raw := range set.Keys {
		key, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil || key.Marshal().KID == "" {
			continue
		}
		if _, err := algorithmsOf(key.Key()); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("none of its %d keys can verify tokens: it needs an RSA, EC or Ed25519 key with a kid", len(set.Keys))
	}
	return keys, nil
}
