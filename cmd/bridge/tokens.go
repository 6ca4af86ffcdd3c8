package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"runtime"

	"github.com/livebridge/livebridge/auth"
	"github.com/livebridge/livebridge/bridge"
)

// tokenFlags say which tokens the bridge accepts. Without a secret, a key or a key set it asks for none.
type tokenFlags struct {
	JWTSecretFiles   []string `name:"jwt-secret-file" group:"Tokens:" placeholder:"FILE" help:"Ask for tokens signed with HS256 and the secret in this file, 32 bytes or more, which nobody else may read. With several files any of their secrets counts. They are read again when they change."`
	JWTKeyFiles      []string `name:"jwt-key-file" group:"Tokens:" placeholder:"FILE" help:"Ask for tokens signed with the private key of this public key or certificate (PEM): RSA, EC or Ed25519. With several files any of their keys counts. They are read again when they change."`
	JWKSURL          string   `name:"jwks-url" group:"Tokens:" placeholder:"URL" help:"Ask for tokens signed with a key of this key set: https, or http on this machine. It is fetched again by itself."`
	JWTIssuer        string   `name:"jwt-issuer" group:"Tokens:" placeholder:"TEXT" help:"What the claim iss has to be."`
	JWTAudience      string   `name:"jwt-audience" group:"Tokens:" placeholder:"TEXT" help:"What the claim aud has to be, or to contain."`
	RevocationBucket string   `group:"Tokens:" default:"LIVE_REVOKED" placeholder:"LIVE_REVOKED" help:"The NATS key-value bucket of tokens that do not count any more. It is created if it is missing. off = there is none."`
}

// asked says whether the bridge asks for tokens.
func (f *tokenFlags) asked() bool {
	return len(f.JWTSecretFiles) > 0 || len(f.JWTKeyFiles) > 0 || f.JWKSURL != ""
}

// check refuses flags that contradict each other.
func (f *tokenFlags) check(set sources) error {
	var given []string
	for _, k := range []struct {
		flag string
		set  bool
	}{{"jwt-secret-file", len(f.JWTSecretFiles) > 0}, {"jwt-key-file", len(f.JWTKeyFiles) > 0}, {"jwks-url", f.JWKSURL != ""}} {
		if k.set {
			given = append(given, name(set, k.flag))
		}
	}
	if len(given) > 1 {
		return usage("tokens are verified in one way: leave out one of them", "%s and %s contradict each other", given[0], given[1])
	}
	for _, k := range [][2]string{{"jwt-issuer", f.JWTIssuer}, {"jwt-audience", f.JWTAudience}} {
		if k[1] != "" && !f.asked() {
			return notAsked(set, k[0])
		}
	}
	if _, given := set["revocation-bucket"]; given && !f.asked() {
		return notAsked(set, "revocation-bucket")
	}
	return nil
}

func notAsked(set sources, flag string) error {
	return usage("say how tokens are verified: --jwt-secret-file, --jwt-key-file or --jwks-url", "%s is given, but no tokens are asked for", name(set, flag))
}

// verifier is what the bridge verifies tokens with; nil = it asks for none. ctx ends what it does in the background.
func (f *tokenFlags) verifier(ctx context.Context, log *slog.Logger, set sources) (bridge.TokenVerifier, error) {
	cfg := auth.Config{JWKS: f.JWKSURL, Issuer: f.JWTIssuer, Audience: f.JWTAudience, Logger: log}
	switch {
	case f.JWKSURL != "":
		v, err := auth.New(ctx, cfg)
		if err != nil {
			return nil, failure("the address is that of a JWKS document", "%s: %w", name(set, "jwks-url"), err)
		}
		return v, nil
	case !f.asked():
		return nil, nil
	}
	k := &keyFiles{log: log}
	for _, path := range f.JWTSecretFiles {
		k.files = append(k.files, secretFile(ctx, cfg, name(set, "jwt-secret-file"), path))
	}
	for _, path := range f.JWTKeyFiles {
		k.files = append(k.files, publicKeyFile(ctx, cfg, name(set, "jwt-key-file"), path))
	}
	if err := k.open(); err != nil {
		return nil, err
	}
	go k.watch(ctx)
	return k, nil
}

func secretFile(ctx context.Context, cfg auth.Config, flag, path string) *keyFile {
	return &keyFile{path: path,
		read: func() ([]byte, error) { return readSecret(flag, path) },
		verifier: func(text []byte) (*auth.Verifier, error) {
			cfg := cfg
			cfg.Secret = text
			return usable(ctx, cfg, flag, path, "make one: openssl rand -base64 48 > jwt.secret && chmod 600 jwt.secret")
		},
	}
}

func publicKeyFile(ctx context.Context, cfg auth.Config, flag, path string) *keyFile {
	return &keyFile{path: path,
		read: func() ([]byte, error) { return readFile(flag, path) },
		verifier: func(text []byte) (*auth.Verifier, error) {
			cfg := cfg
			cfg.Key = text
			return usable(ctx, cfg, flag, path, "give the public key, as PEM: openssl pkey -in private.pem -pubout > public.pem")
		},
	}
}

func usable(ctx context.Context, cfg auth.Config, flag, path, hint string) (*auth.Verifier, error) {
	v, err := auth.New(ctx, cfg)
	if err != nil {
		return nil, failure(hint, "%s %s: %w", flag, path, err)
	}
	return v, nil
}

// mostKey is more than any secret or public key has.
const mostKey = 64 << 10

// readSecret reads a file that only its owner may read. A line break at its end does not count.
func readSecret(flag, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, failure("name a file that this user can read", "%s: %w", flag, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, failure("name a file that this user can read", "%s: %w", flag, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // which has no such bits
		return nil, usage("chmod 600 "+path+", and make a new secret if others may have read this one",
			"%s: others than its owner may read or change %s (mode %04o)", flag, path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, mostKey))
	if err != nil {
		return nil, failure("name a file that this user can read", "%s: %w", flag, err)
	}
	return bytes.TrimRight(text, "\r\n"), nil
}

func readFile(flag, path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, failure("name a file that this user can read", "%s: %w", flag, err)
	}
	return text, nil
}
