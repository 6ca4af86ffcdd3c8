package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("0123456789abcdef0123456789abcdef")

// The keys of these tests are made once: an RSA key takes a while.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256     = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384     = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521     = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	ed       = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func publicPEM(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key.Public()))})
}

// m is a claim or a header.
type m = map[string]any

// good are claims that are accepted, changed by the given ones; a nil removes a claim.
func good(changes m) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix(), "live": m{"subscribe": []string{"products.>"}}}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// mint signs a token. Headers are added to alg and typ; a nil removes one.
func mint(alg string, key any, headers m, c jwt.Claims) string {
	t := jwt.NewWithClaims(jwt.GetSigningMethod(alg), c)
	maps.Copy(t.Header, headers)
	maps.DeleteFunc(t.Header, func(_ string, v any) bool { return v == nil })
	return must(t.SignedString(key))
}

func verifier(t testing.TB, cfg Config) *Verifier {
	t.Helper()
	v, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatalf("new verifier: %v", err)
	}
	return v
}

func wantGrant(t testing.TB, v *Verifier, token, what string) *Grant {
	t.Helper()
	g, err := v.Verify(token)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if g.Expires.IsZero() {
		t.Fatalf("%s: a grant without an end", what)
	}
	return g
}

// wantRefused checks what holds for every refusal, and that the text says why.
func wantRefused(t testing.TB, v *Verifier, token, what, why string) {
	t.Helper()
	g, err := v.Verify(token)
	if err == nil || g != nil || !errors.Is(err, ErrToken) {
		t.Errorf("%s: %+v, %v, want it refused", what, g, err)
		return
	}
	text := err.Error()
	if !strings.Contains(text, why) {
		t.Errorf("%s: %q does not say %q", what, text, why)
	}
	if len(text) > 300 || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%s: not one short line: %q", what, text)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(text, part) {
			t.Errorf("%s: %q holds a part of the token", what, text)
		}
	}
}
