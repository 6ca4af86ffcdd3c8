package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
)

// ErrToken is the error of a token that is not accepted. Its text is for the log; whoever sent the token is told no more than that it is
// not valid.
var ErrToken = errors.New("token refused")

const (
	maxToken  = 8 << 10         // bytes; a larger one is not looked at
	leeway    = 5 * time.Second // for the clocks of issuers
	minSecret = 32              // bytes of an HMAC secret, by RFC 7518, section 3.2
)

// Config says which tokens are accepted. Exactly one of Secret, Key and JWKS is to be set.
type Config struct {
	Secret []byte // of HS256
	Key    []byte // a public key in PEM: RS256/384/512 and PS256/384/512, ES256/384/512, or EdDSA, by its kind
	JWKS   string // the URL of a key set; https, or http on this machine

	Issuer   string // the token's iss has to be this; "" = any
	Audience string // the token's aud has to contain this; "" = any

	Logger *slog.Logger
}

// A Verifier turns tokens into grants. It may be used concurrently.
type Verifier struct {
	keys   jwt.Keyfunc
	parser *jwt.Parser
}

// New makes a verifier. ctx ends what it does in the background, which is to refresh a key set.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	keys, algorithms, err := cfg.keys(ctx)
	if err != nil {
		return nil, err
	}
	opts := []jwt.ParserOption{jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding()}
	if cfg.Issuer != "" {
		opts = append(opts, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		opts = append(opts, jwt.WithAudience(cfg.Audience))
	}
	return &Verifier{keys: keys, parser: jwt.NewParser(opts...)}, nil
}

// keys are the keys and the algorithms that go with their kind: an algorithm is never taken from a token.
func (c Config) keys(ctx context.Context) (jwt.Keyfunc, []string, error) {
	set := 0
	for _, given := range []bool{len(c.Secret) > 0, len(c.Key) > 0, c.JWKS != ""} {
		if given {
			set++
		}
	}
	switch {
	case set != 1:
		return nil, nil, errors.New("give one of a secret, a public key and a key set's URL")
	case c.JWKS != "":
		keys, err := c.keySet(ctx)
		return keys, asymmetric, err
	case len(c.Key) > 0:
		key, algorithms, err := publicKey(c.Key)
		return func(*jwt.Token) (any, error) { return key, nil }, algorithms, err
	case len(c.Secret) < minSecret:
		return nil, nil, fmt.Errorf("the secret has %d bytes: HS256 needs %d or more, such as 32 random ones in base64", len(c.Secret), minSecret)
	default:
		return func(*jwt.Token) (any, error) { return c.Secret, nil }, []string{"HS256"}, nil
	}
}

var (
	rsaAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	asymmetric    = append(slices.Clone(rsaAlgorithms), "ES256", "ES384", "ES512", "EdDSA")
)

// publicKey reads a PEM key and says which algorithms belong to it.
func publicKey(text []byte) (crypto.PublicKey, []string, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, errors.New("the key is not PEM: give a public key that begins with -----BEGIN PUBLIC KEY-----")
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return nil, nil, errors.New("this is a private key: the bridge only needs, and should only have, the public one")
	}
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("public key: %w", err)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, nil, fmt.Errorf("an RSA key of %d bits is too short: 2048 or more", k.N.BitLen())
		}
		return k, rsaAlgorithms, nil
	case *ecdsa.PublicKey:
		return k, []string{fmt.Sprintf("ES%d", map[int]int{256: 256, 384: 384, 521: 512}[k.Curve.Params().BitSize])}, nil
	case ed25519.PublicKey:
		return k, []string{"EdDSA"}, nil
	default:
		return nil, nil, fmt.Errorf("a key of kind %T cannot sign tokens", key)
	}
}

// Verify returns what a token grants. The error wraps [ErrToken]; its text holds nothing of the token but what is quoted.
func (v *Verifier) Verify(token string) (*Grant, error) {
	g, err := v.verify(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return g, nil
}

func (v *Verifier) verify(token string) (*Grant, error) {
	if len(token) > maxToken {
		return nil, fmt.Errorf("%d bytes are more than %d", len(token), maxToken)
	}
	var c claims
	parsed, err := v.parser.ParseWithClaims(token, &c, v.keys)
	if err != nil {
		return nil, err
	}
	// RFC 7515, section 4.1.11: who does not understand what is critical has to refuse. RFC 8725, section 3.11: a token of another kind,
	// such as a logout token, is none of ours.
	if _, critical := parsed.Header["crit"]; critical {
		return nil, errors.New("the header has crit")
	}
	if kind, ok := parsed.Header["typ"]; ok && !ours(kind) {
		return nil, fmt.Errorf("the header's typ is %q", kind)
	}
	if strings.ContainsFunc(c.Subject, unicode.IsControl) || len(c.Subject) > 256 {
		return nil, errors.New("sub is not printable text of at most 256 bytes")
	}
	g := &Grant{Subject: c.Subject, ID: c.ID, Expires: c.ExpiresAt.Time}
	return g, g.parseClaim(c.Live)
}

func ours(kind any) bool {
	text, _ := kind.(string)
	return slices.Contains([]string{"jwt", "at+jwt", "application/at+jwt"}, strings.ToLower(text))
}

type claims struct {
	jwt.RegisteredClaims
	Live json.RawMessage `json:"live"`
}
