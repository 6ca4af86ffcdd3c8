package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ErrToken is wrapped by every error of [Verifier.Verify]. Its text is for the log; whoever sent the token is told no more than that it is
// not valid.
var ErrToken = errors.New("token refused")

const (
	maxToken = 8 << 10         // bytes; a longer one is not looked at
	leeway   = 5 * time.Second // of exp and nbf, for clocks that differ
)

// Config says which tokens are accepted. Exactly one of Secret, Key and JWKS is to be set.
type Config struct {
	Secret []byte // of HS256; 32 bytes or more
	Key    []byte // a public key in PEM: RS256/384/512 and PS256/384/512, ES256/384/512, or EdDSA, by its kind
	JWKS   string // the URL of a key set; https, or http on this machine

	Issuer   string // the token's iss has to be this; "" = any
	Audience string // the token's aud has to contain this; "" = any

	Logger *slog.Logger // is told when a key set cannot be fetched; nil = slog.Default()
}

// A Verifier turns tokens into grants. It may be used concurrently.
type Verifier struct {
	keys   jwt.Keyfunc
	parser *jwt.Parser
	ready  func() error
}

// New makes a verifier. A key set is fetched before New returns, and it is an error if the answer is none. If there is no answer, or one of
// a server in trouble, no token is accepted until there is, which is tried every two seconds, and [Verifier.Ready] says so. ctx ends what the verifier does in the background, which is to fetch the key set
// again.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	keys, algorithms, ready, err := cfg.keys(ctx)
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
	checked := func(t *jwt.Token) (any, error) {
		if err := checkHeader(t.Header); err != nil {
			return nil, err
		}
		return keys(t)
	}
	return &Verifier{keys: checked, parser: jwt.NewParser(opts...), ready: ready}, nil
}

// Ready is nil, or why no token can be verified yet. With a secret or a key it always is nil.
func (v *Verifier) Ready() error { return v.ready() }

// keys are the keys and the algorithms that go with their kind: an algorithm is never taken from a token.
func (c Config) keys(ctx context.Context) (keys jwt.Keyfunc, algorithms []string, ready func() error, err error) {
	ready = func() error { return nil }
	given := 0
	for _, set := range []bool{len(c.Secret) > 0, len(c.Key) > 0, c.JWKS != ""} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, nil, nil, errors.New("give exactly one of a secret, a public key and a key set's URL")
	case c.JWKS != "":
		set, err := openKeySet(ctx, c.JWKS, c.Logger)
		if err != nil {
			return nil, nil, nil, err
		}
		return set.key, asymmetric, set.ready, nil
	case len(c.Key) > 0:
		key, err := publicKey(c.Key)
		if err != nil {
			return nil, nil, nil, err
		}
		algorithms, err := algorithmsOf(key)
		return func(*jwt.Token) (any, error) { return key, nil }, algorithms, ready, err
	case bytes.Contains(c.Secret, []byte("-----BEGIN ")):
		return nil, nil, nil, errors.New("the secret is a key in PEM, which others may know: give it as the public key")
	case len(c.Secret) < minSecret:
		return nil, nil, nil, fmt.Errorf("the secret has %d bytes: HS256 needs %d or more, such as 32 random ones in base64", len(c.Secret), minSecret)
	default:
		secret := bytes.Clone(c.Secret)
		return func(*jwt.Token) (any, error) { return secret, nil }, []string{"HS256"}, ready, nil
	}
}

// asymmetric are the algorithms that the keys of a set may have.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Verify returns what a token grants. The error wraps [ErrToken]; its text is one short line that may quote a few words of what the
// token says, and nothing of its signature. With a key set it may wait up to a second for a key that is not known yet.
func (v *Verifier) Verify(token string) (*Grant, error) {
	if len(token) > maxToken {
		return nil, refused(fmt.Errorf("it has %d bytes, more than %d", len(token), maxToken))
	}
	if strings.ContainsAny(token, "\r\n") { // encoding/base64 skips them
		return nil, refused(errors.New("it has line breaks in it"))
	}
	var c claims
	if _, err := v.parser.ParseWithClaims(token, &c, v.keys); err != nil {
		return nil, refused(err)
	}
	g, err := c.grant()
	if err != nil {
		return nil, refused(err)
	}
	return g, nil
}

func refused(err error) error { return fmt.Errorf("%w: %w", ErrToken, short{err}) }

// short is an error whose text is cut: some of encoding/json's quote as much as they were given.
type short struct{ error }

func (s short) Error() string {
	const most = 240
	text := s.error.Error()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func (s short) Unwrap() error { return s.error }

// checkHeader comes before any key is looked for. RFC 7515, section 4.1.11: who does not understand what is critical has to refuse, and
// nothing is understood here. RFC 8725, section 3.11: a token of another kind, such as a logout token, is none of ours.
func checkHeader(header map[string]any) error {
	if _, critical := header["crit"]; critical {
		return errors.New("header crit: there is no extension that is understood")
	}
	typ, given := header["typ"]
	text, _ := typ.(string)
	if kind := strings.TrimPrefix(strings.ToLower(text), "application/"); given && !slices.Contains([]string{"jwt", "at+jwt"}, kind) {
		return fmt.Errorf("header typ: %s is neither JWT nor at+jwt", quote(text))
	}
	return nil
}
