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
	JWTSecretFile string `name:"jwt-secret-file" group:"Tokens:" placeholder:"FILE" help:"Ask for tokens signed with HS256 and the secret in this file, 32 bytes or more, which nobody else may read."`
	JWTKeyFile    string `name:"jwt-key-file" group:"Tokens:" placeholder:"FILE" help:"Ask for tokens signed with the private key of this public key or certificate (PEM): RSA, EC or Ed25519."`
	JWKSURL       string `name:"jwks-url" group:"Tokens:" placeholder:"URL" help:"Ask for tokens signed with a key of this key set: https, or http on this machine. It has to be there at the start, and is fetched again by itself."`
	JWTIssuer     string `name:"jwt-issuer" group:"Tokens:" placeholder:"TEXT" help:"What the claim iss has to be."`
	JWTAudience   string `name:"jwt-audience" group:"Tokens:" placeholder:"TEXT" help:"What the claim aud has to be, or to contain."`
}

// asked says whether the bridge asks for tokens.
func (f *tokenFlags) asked() bool {
	return f.JWTSecretFile != "" || f.JWTKeyFile != "" || f.JWKSURL != ""
}

// check refuses flags that contradict each other.
func (f *tokenFlags) check(set sources) error {
	var given []string
	for _, k := range [][2]string{{"jwt-secret-file", f.JWTSecretFile}, {"jwt-key-file", f.JWTKeyFile}, {"jwks-url", f.JWKSURL}} {
		if k[1] != "" {
			given = append(given, name(set, k[0]))
		}
	}
	if len(given) > 1 {
		return usage("tokens are verified in one way: leave out one of them", "%s and %s contradict each other", given[0], given[1])
	}
	for _, k := range [][2]string{{"jwt-issuer", f.JWTIssuer}, {"jwt-audience", f.JWTAudience}} {
		if k[1] != "" && !f.asked() {
			return usage("say how tokens are verified: --jwt-secret-file, --jwt-key-file or --jwks-url", "%s is given, but no tokens are asked for", name(set, k[0]))
		}
	}
	return nil
}

// verifier is what the bridge verifies tokens with; nil = it asks for none. ctx ends what it does in the background.
func (f *tokenFlags) verifier(ctx context.Context, log *slog.Logger, set sources) (bridge.TokenVerifier, error) {
	if !f.asked() {
		return nil, nil
	}
	cfg := auth.Config{JWKS: f.JWKSURL, Issuer: f.JWTIssuer, Audience: f.JWTAudience, Logger: log}
	flag, hint := name(set, "jwks-url"), "the address is that of a JWKS document, and has to answer when the bridge starts"
	var err error
	switch {
	case f.JWTSecretFile != "":
		flag, hint = name(set, "jwt-secret-file")+" "+f.JWTSecretFile, "make one: openssl rand -base64 48 > jwt.secret && chmod 600 jwt.secret"
		cfg.Secret, err = readSecret(name(set, "jwt-secret-file"), f.JWTSecretFile)
	case f.JWTKeyFile != "":
		flag, hint = name(set, "jwt-key-file")+" "+f.JWTKeyFile, "give the public key, as PEM: openssl pkey -in private.pem -pubout > public.pem"
		cfg.Key, err = readFile(name(set, "jwt-key-file"), f.JWTKeyFile)
	}
	if err != nil {
		return nil, err
	}
	v, err := auth.New(ctx, cfg)
	if err != nil {
		return nil, failure(hint, "%s: %w", flag, err)
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
