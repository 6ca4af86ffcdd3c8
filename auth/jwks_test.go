package auth

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// issuer serves a key set that a test can change.
type issuer struct {
	*httptest.Server
	handler atomic.Pointer[http.HandlerFunc]
	fetches atomic.Int32
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		(*i.handler.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) answer(h http.HandlerFunc) { i.handler.Store(&h) }

func (i *issuer) text(body string) {
	i.answer(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
}

func (i *issuer) keys(keys ...m) { i.text(keySetOf(keys...)) }

func keySetOf(keys ...m) string { return string(must(json.Marshal(m{"keys": keys}))) }

// jwk is the public key as an entry of a set, with what is added to it.
func jwk(kid string, key crypto.Signer, more m) m {
	j := must(jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}}))
	var entry m
	if err := json.Unmarshal(must(json.Marshal(j.Marshal())), &entry); err != nil {
		panic(err)
	}
	for k, v := range more {
		entry[k] = v
	}
	return entry
}

func kid(id any) m { return m{"kid": id} }

func TestKeySet(t *testing.T) {
	i := newIssuer(t)
	oct := m{"kty": "oct", "kid": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"} // the secret of these tests
	i.keys(
		jwk("rsa", rsaKey(), nil), jwk("p256", p256(), m{"use": "sig"}), jwk("p384", p384(), nil), jwk("p521", p521(), nil), jwk("ed", ed(), nil),
		jwk("pinned", otherRSA(), m{"alg": "RS512"}), jwk("enc", otherRSA(), m{"use": "enc"}), jwk("", otherRSA(), nil),
		oct, m{"kty": "new", "kid": "new"}, m{"kty": "RSA", "kid": "broken", "n": "!"}, m{"kty": 7}, m{"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
	)
	v := verifier(t, Config{JWKS: i.URL})
	for _, c := range []struct {
		alg, kid string
		key      crypto.Signer
	}{
		{"RS256", "rsa", rsaKey()}, {"RS512", "rsa", rsaKey()}, {"PS384", "rsa", rsaKey()}, {"RS512", "pinned", otherRSA()},
		{"ES256", "p256", p256()}, {"ES384", "p384", p384()}, {"ES512", "p521", p521()}, {"EdDSA", "ed", ed()},
	} {
		wantGrant(t, v, mint(c.alg, c.key, kid(c.kid), good(nil)), c.alg+" with "+c.kid)
	}
	for _, c := range []struct {
		what, token, why string
	}{
		{"HS256 with the secret of the set", mint("HS256", secret, kid("oct"), good(nil)), "HS256 is invalid"},
		{"HS256 with an RSA key", mint("HS256", publicPEM(rsaKey()), kid("rsa"), good(nil)), "HS256 is invalid"},
		{"HS256 with its modulus", mint("HS256", rsaKey().N.Bytes(), kid("rsa"), good(nil)), "HS256 is invalid"},
		{"none", mint("none", jwt.UnsafeAllowNoneSignatureType, kid("rsa"), good(nil)), "none is invalid"},
		{"RS256 with a secret key's id", mint("RS256", rsaKey(), kid("oct"), good(nil)), "not in the key set"},
		{"RS256 with an EC key", mint("RS256", rsaKey(), kid("p256"), good(nil)), "header alg"},
		{"ES256 with an RSA key", mint("ES256", p256(), kid("rsa"), good(nil)), "header alg"},
		{"ES256 with a P-384 key", mint("ES256", p256(), kid("p384"), good(nil)), "header alg"},
		{"EdDSA with an EC key", mint("EdDSA", ed(), kid("p256"), good(nil)), "header alg"},
		{"RS256 where the set says RS512", mint("RS256", otherRSA(), kid("pinned"), good(nil)), "header alg"},
		{"a key for encryption", mint("RS256", otherRSA(), kid("enc"), good(nil)), "not for signatures"},
		{"another key's id", mint("RS256", otherRSA(), kid("rsa"), good(nil)), "verification error"},
		{"a short key", mint("RS256", rsaKey(), kid("short"), good(nil)), "not in the key set"},
		{"a broken key", mint("RS256", rsaKey(), kid("broken"), good(nil)), "not in the key set"},
		{"crit comes first", mint("RS256", otherRSA(), m{"kid": "rsa", "crit": []string{"x"}}, good(nil)), "header crit"},
	} {
		wantRefused(t, v, c.token, c.what, c.why)
	}
	for _, id := range []any{nil, "", 7, true, []string{"rsa"}, m{"rsa": 1}, "RSA", "rsa ", "rsa\x00", "../../etc/passwd", "/proc/self/environ", i.URL, "' OR 1=1 --", "*", strings.Repeat("x", 5000)} {
		wantRefused(t, v, mint("RS256", rsaKey(), kid(id), good(nil)), fmt.Sprintf("kid %.20v", id), "header kid")
	}
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want the one at the start", n)
	}
}

// Time stands still in these bubbles while a fetch is under way, and moves on at once where a test sleeps.
func TestRotationIsFoundQuickly(t *testing.T) {
	i := newIssuer(t)
	i.keys(jwk("old", rsaKey(), nil))
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, Config{JWKS: i.URL})
		rotated := mint("RS256", otherRSA(), kid("new"), good(nil))
		i.keys(jwk("new", otherRSA(), nil))
		time.Sleep(jwksUnknown - time.Nanosecond)
		wantRefused(t, v, rotated, "within 10 s of the last fetch", "not in the key set")
		wantGrant(t, v, mint("RS256", rsaKey(), kid("old"), good(nil)), "the old key, until the set is fetched again")
		time.Sleep(time.Nanosecond)
		var all sync.WaitGroup
		for range 100 { // everybody comes back at once: all of them wait for the same fetch
			all.Go(func() {
				if _, err := v.Verify(rotated); err != nil {
					t.Errorf("rotated: %v", err)
				}
			})
		}
		all.Wait()
		wantRefused(t, v, mint("RS256", rsaKey(), kid("old"), good(nil)), "a key that was taken back", "not in the key set")
		if n := i.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestTheSetIsFetchedRegularly(t *testing.T) {
	i := newIssuer(t)
	i.keys(jwk("old", rsaKey(), nil))
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, Config{JWKS: i.URL})
		i.keys(jwk("new", otherRSA(), nil))
		time.Sleep(jwksInterval + time.Second)
		for i.fetches.Load() < 2 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second) // the answer has been read: time had stood still for it
		wantRefused(t, v, mint("RS256", rsaKey(), kid("old"), good(nil)), "a key that was taken back, though nobody asked", "not in the key set")
	})
}

func TestUnknownKeysDoNotFlood(t *testing.T) {
	i := newIssuer(t)
	i.keys(jwk("known", p256(), nil))
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, Config{JWKS: i.URL})
		start := time.Now()
		for second := range 31 {
			for n := range 30 {
				wantRefused(t, v, mint("ES256", p256(), kid(fmt.Sprint(second, "/", n)), good(nil)), "unknown", "not in the key set")
			}
			wantGrant(t, v, mint("ES256", p256(), kid("known"), good(nil)), "known, amid the flood")
			time.Sleep(time.Second)
		}
		if n := i.fetches.Load(); n != 4 {
			t.Errorf("%d fetches in 30 seconds, want the first and one every 10 seconds", n)
		}
		if took := time.Since(start); took != 31*time.Second {
			t.Errorf("the flood took %v longer than it had to", took-31*time.Second)
		}
	})
}

func TestAnOutageKeepsTheKeys(t *testing.T) {
	i := newIssuer(t)
	elsewhere := newIssuer(t)
	elsewhere.keys(jwk("evil", otherRSA(), nil))
	outages := map[string]http.HandlerFunc{
		"status 500": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, keySetOf(jwk("evil", otherRSA(), nil)), 500)
		},
		"status 204":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"may not redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"not a key set":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>we are back soon</html>") },
		"none of its 0 keys": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
		"none of its 2 keys": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, keySetOf(jwk("", otherRSA(), nil), jwk("", p256(), nil)))
		},
		"none of its 1 keys": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[{"kty":"oct","kid":"x","k":"YQ"}]}`)
		},
		"more than 1048576 bytes": func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"keys":[`+strings.Repeat(" ", 4096)) },
		"unexpected EOF": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			fmt.Fprint(w, `{"keys":[`)
		},
		"server response headers e": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 2*jwksBytes)) },
	}
	for why, outage := range outages {
		i.keys(jwk("known", p256(), nil))
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			v := verifier(t, Config{JWKS: i.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			i.answer(outage)
			time.Sleep(jwksUnknown)
			wantRefused(t, v, mint("RS256", otherRSA(), kid("evil"), good(nil)), why, "not in the key set")
			wantGrant(t, v, mint("ES256", p256(), kid("known"), good(nil)), "known, in an outage: "+why)
			synctest.Wait()
			if text := log.String(); !strings.Contains(text, why) || !strings.Contains(text, "level=WARN") || strings.Count(text, "\n") != 1 || len(text) > 500 {
				t.Errorf("logged %q, want one warning with %q", text, why)
			}
		})
		v, err := New(t.Context(), Config{JWKS: i.URL, Logger: slog.New(slog.DiscardHandler)})
		if passes := strings.Contains("status 500, unexpected EOF, server response headers e", why); passes && err == nil {
			err = v.Ready() // it waits
		} else if passes || v != nil {
			t.Errorf("at the start, %s: %v, %v", why, v, err)
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("at the start: %v, want %q", err, why)
		}
	}
	if n := elsewhere.fetches.Load(); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
	i.Close()
	if v := verifier(t, Config{JWKS: i.URL, Logger: slog.New(slog.DiscardHandler)}); v.Ready() == nil || !strings.Contains(v.Ready().Error(), "refused") {
		t.Errorf("nobody there: %v", v.Ready())
	}
}

// A verifier that starts while the key set is away accepts nothing, and comes to itself when it is there.
func TestAStartInAnOutage(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		i.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		var log bytes.Buffer
		v := verifier(t, Config{JWKS: i.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		token := mint("ES256", p256(), kid("known"), good(nil))
		for range 5 {
			if v.Ready() == nil || !strings.Contains(v.Ready().Error(), "status 503") {
				t.Fatalf("ready: %v", v.Ready())
			}
			wantRefused(t, v, token, "in an outage", "not in the key set")
			time.Sleep(jwksRetry)
		}
		i.keys(jwk("known", p256(), nil))
		for began := time.Now(); v.Ready() != nil; time.Sleep(time.Millisecond) {
			if time.Since(began) > 2*jwksRetry {
				t.Fatal("the key set is not found again")
			}
		}
		wantGrant(t, v, token, "when it is there again")
		synctest.Wait()
		if text := log.String(); strings.Count(text, "level=ERROR") != 1 || strings.Count(text, "\n") != 2 || !strings.Contains(text, "key set fetched") {
			t.Errorf("logged %s", text)
		}
		fetches := i.fetches.Load()
		time.Sleep(jwksInterval - time.Second)
		if n := i.fetches.Load() - fetches; n > 1 { // the try after the last may have been due already
			t.Errorf("%d fetches after it was there", n)
		}
	})
}

// endless writes until the client has had enough.
func endless(w http.ResponseWriter, head string) {
	_, err := fmt.Fprint(w, head)
	for err == nil {
		_, err = fmt.Fprint(w, strings.Repeat(" ", 1<<16))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestASlowServerHoldsNobodyUp(t *testing.T) {
	i := newIssuer(t)
	i.keys(jwk("known", p256(), nil))
	synctest.Test(t, func(t *testing.T) {
		set := must(openKeySet(t.Context(), i.URL, slog.New(slog.DiscardHandler)))
		fetches := 0
		set.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			fetches++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ask := func(id string) (time.Duration, error) {
			start := time.Now()
			_, err := set.key(&jwt.Token{Header: m{"kid": id, "alg": "ES256"}, Method: jwt.SigningMethodES256})
			return time.Since(start), err
		}
		time.Sleep(jwksUnknown)
		began := time.Now()
		if took, err := ask("unknown"); err == nil || took != jwksWait {
			t.Errorf("an unknown key was answered after %v with %v, want %v and an error", took, err, jwksWait)
		}
		if took, err := ask("known"); err != nil || took != 0 {
			t.Errorf("a known key was answered after %v with %v", took, err)
		}
		for time.Since(began) < jwksTimeout {
			ask("unknown")
		}
		synctest.Wait() // the client has given the fetch up
		if took, err := ask("unknown"); err == nil || took != 0 || fetches != 1 {
			t.Errorf("after the fetch: %v, %v, %d fetches, want an answer at once and no other fetch", took, err, fetches)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	i.answer(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := New(ctx, Config{JWKS: i.URL}); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a start that is given up: %v", err)
	}
}

func TestWhereAKeySetMayLie(t *testing.T) {
	for _, c := range []struct{ url, why string }{
		{"http://login.example.com/jwks.json", "give an https URL"},
		{"http://10.0.0.1/jwks.json", "give an https URL"},
		{"http://169.254.169.254/latest", "give an https URL"},
		{"http://127.0.0.1.example.com/", "give an https URL"},
		{"http://localhost.example.com/", "give an https URL"},
		{"http://127.0.0.1@example.com/", "give an https URL"},
		{"http://user:hunter2@example.com/", "give an https URL"},
		{"http://0x7f000001/", "give an https URL"},
		{"http://[::2]/", "give an https URL"},
		{"ftp://127.0.0.1/", "give an https URL"},
		{"file:///etc/passwd", "not a URL"},
		{"file://localhost/etc/passwd", "give an https URL"},
		{"/jwks.json", "not a URL"},
		{"login.example.com", "not a URL"},
		{"https://", "not a URL"},
		{"https://:443/", "not a URL"},
		{"http://[::1", "not a URL"},
		{"https://a b/", "not a URL"},
	} {
		v, err := New(t.Context(), Config{JWKS: c.url})
		if err == nil || v != nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want it to say %q", c.url, err, c.why)
		}
	}
	i := newIssuer(t)
	i.keys(jwk("known", p256(), nil))
	v := verifier(t, Config{JWKS: strings.Replace(i.URL, "127.0.0.1", "localhost", 1)})
	wantGrant(t, v, mint("ES256", p256(), kid("known"), good(nil)), "by localhost")
}
