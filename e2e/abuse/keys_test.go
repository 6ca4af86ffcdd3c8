package abuse

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keys sign tokens, good and bad ones, by hand: a library would refuse to make most of them.
type keys struct {
	b      *target
	secret []byte
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
	alg    string // what the bridge takes
	kid    string
	set    *keySet // with --jwks-url
}

type fields map[string]any

const (
	issuer   = "https://login.example"
	audience = "livebridge"
	grant    = `{"subscribe":{"allow":["products.>","orders.*.1"],"deny":["products.*.7","products.deleted.>"]},"publish":["products.updated.*"],"history":"1h"}`
)

// claims are those of alice, changed; a claim that is changed to nil is left out.
func claims(changes fields) fields {
	c := fields{"sub": "alice", "iss": issuer, "aud": audience, "exp": time.Now().Add(10 * time.Minute).Unix(), "live": json.RawMessage(grant)}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (k *keys) header(changes fields) fields {
	h := fields{"alg": k.alg, "typ": "JWT"}
	if k.kid != "" {
		h["kid"] = k.kid
	}
	maps.Copy(h, changes)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	return h
}

func segment(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// token is a token as the bridge takes it, with these changes to its claims.
func (k *keys) token(changes fields) string { return k.mint(k.header(nil), claims(changes)) }

// mint signs with the key that the header's alg is for.
func (k *keys) mint(header, claims fields) string { return k.sign(header, segment(claims)) }

func (k *keys) sign(header fields, body string) string {
	text := segment(header) + "." + body
	alg, _ := header["alg"].(string)
	return k.known(text + "." + base64.RawURLEncoding.EncodeToString(k.signature(alg, text)))
}

// known makes sure that the bridge never shows the token.
func (k *keys) known(token string) string {
	k.b.secret(token)
	k.b.secret(token[strings.LastIndex(token, ".")+1:])
	return token
}

func (k *keys) signature(alg, text string) []byte {
	sum := sha256.Sum256([]byte(text))
	switch alg {
	case "HS256":
		m := hmac.New(sha256.New, k.secret)
		m.Write([]byte(text))
		return m.Sum(nil)
	case "HS512":
		m := hmac.New(sha512.New, k.secret)
		m.Write([]byte(text))
		return m.Sum(nil)
	case "RS256":
		s, err := rsa.SignPKCS1v15(rand.Reader, k.rsa, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return s
	case "ES256":
		r, s, err := ecdsa.Sign(rand.Reader, k.ec, sum[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	default:
		return nil
	}
}

// bystander is the token of the bystander, who may see its own events only.
func (k *keys) bystander() string {
	return k.token(fields{"sub": "bystander", "exp": time.Now().Add(time.Hour).Unix(), "live": fields{"subscribe": []string{"bystander.>"}}})
}

// newKeys makes every kind of key. alg is what the bridge takes.
func newKeys(t *testing.T, alg string) *keys {
	t.Helper()
	k := &keys{alg: alg, secret: make([]byte, 48)}
	_, _ = rand.Read(k.secret)
	k.secret = []byte(base64.StdEncoding.EncodeToString(k.secret))
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	return k
}

// file writes a file that only its owner may read.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// public is the RSA key as PEM.
func (k *keys) public() []byte {
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwk is the RSA key as a member of a key set.
func jwk(kid string, key *rsa.PublicKey) fields {
	n := func(i *big.Int) string { return base64.RawURLEncoding.EncodeToString(i.Bytes()) }
	return fields{"kty": "RSA", "use": "sig", "kid": kid, "n": n(key.N), "e": n(big.NewInt(int64(key.E)))}
}

// ecJWK is the EC key as a member of a key set.
func ecJWK(kid string, key *ecdsa.PublicKey) fields {
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	n := base64.RawURLEncoding.EncodeToString
	return fields{"kty": "EC", "crv": "P-256", "kid": kid, "x": n(point[1:33]), "y": n(point[33:])}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// der is the content of a PEM file.
func der(text []byte) []byte {
	block, _ := pem.Decode(text)
	return block.Bytes
}

func base64of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
