package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"github.com/livebridge/livebridge/auth"
)

// run prints a token that a bridge with the same secret accepts.
func (c *mintCmd) run(ctx context.Context, p *program) error {
	if c.Expires == 0 {
		return usage("say how long it is valid: --expires 1h", "--expires is 0: the token would never be accepted")
	}
	if len(c.Subscribe)+len(c.Publish) == 0 {
		return usage("say what it is for: --subscribe 'products.>' or --publish 'products.>'", "the token would give no right")
	}
	for _, list := range []struct {
		flag     string
		patterns []string
	}{{"--subscribe", c.Subscribe}, {"--deny", c.Deny}, {"--publish", c.Publish}} {
		if _, err := auth.NewRules(list.patterns, nil); err != nil {
			return usage("such as products.>, *.deleted.* or orders.updated.42", "%s: %v", list.flag, err)
		}
	}
	secret, err := readSecret("--secret-file", c.SecretFile)
	if err != nil {
		return err
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c.claims(time.Now())).SignedString(secret)
	if err != nil {
		return failure("", "sign: %w", err)
	}
	// What the bridge would not accept is not printed.
	v, err := auth.New(ctx, auth.Config{Secret: secret, Issuer: c.Issuer, Audience: c.Audience})
	if err != nil {
		return failure("make one: openssl rand -base64 48 > jwt.secret && chmod 600 jwt.secret", "--secret-file %s: %w", c.SecretFile, err)
	}
	if _, err := v.Verify(token); err != nil {
		return usage("bridge token --help shows what is right", "a bridge would not accept it: %v", err)
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}

func (c *mintCmd) claims(now time.Time) jwt.MapClaims {
	subscribe := map[string]any{"allow": append([]string{}, c.Subscribe...)}
	if len(c.Deny) > 0 {
		subscribe["deny"] = c.Deny
	}
	live := map[string]any{"subscribe": subscribe}
	if len(c.Publish) > 0 {
		live["publish"] = c.Publish
	}
	if c.History != "" {
		live["history"] = c.History
	}
	claims := jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(time.Duration(c.Expires) + time.Second - 1).Unix(), "live": live}
	for name, text := range map[string]string{"sub": c.Sub, "iss": c.Issuer, "aud": c.Audience} {
		if text != "" {
			claims[name] = text
		}
	}
	return claims
}

// mostToken is more than a bridge takes.
const mostToken = 64 << 10

// run shows a token's header and claims, never its signature.
func (c *inspectCmd) run(ctx context.Context, p *program) error {
	if c.SecretFile != "" && c.KeyFile != "" {
		return usage("leave out one of them", "--secret-file and --key-file contradict each other")
	}
	text, err := io.ReadAll(io.LimitReader(p.stdin, mostToken))
	if err != nil {
		return failure("", "read the token from stdin: %w", err)
	}
	token := strings.TrimPrefix(strings.TrimSpace(string(text)), "Bearer ")
	shown, err := describe(token)
	if err != nil {
		return usage("bridge token inspect < token.txt", "stdin is no token: %v", err)
	}
	if _, err := io.WriteString(p.stdout, shown); err != nil {
		return err
	}
	cfg := auth.Config{Issuer: c.Issuer, Audience: c.Audience}
	switch {
	case c.SecretFile != "":
		cfg.Secret, err = readSecret("--secret-file", c.SecretFile)
	case c.KeyFile != "":
		cfg.Key, err = readFile("--key-file", c.KeyFile)
	default:
		_, err = fmt.Fprintln(p.stdout, "not verified: give --secret-file or --key-file")
		return err
	}
	if err != nil {
		return err
	}
	return accept(ctx, cfg, token, p.stdout)
}

// accept says whether a bridge would accept the token.
func accept(ctx context.Context, cfg auth.Config, token string, w io.Writer) error {
	v, err := auth.New(ctx, cfg)
	if err != nil {
		return failure("", "verify: %w", err)
	}
	g, err := v.Verify(token)
	if err != nil {
		return failure("the bridge's log says the same when it is used", "not accepted: %w", err)
	}
	left := time.Until(g.Expires).Truncate(time.Second)
	if left <= 0 {
		return failure("make another", "not accepted: it has expired")
	}
	_, err = fmt.Fprintf(w, "accepted, for another %s\n", left)
	return err
}

// readable undoes what encoding/json writes for the sake of HTML.
var readable = strings.NewReplacer(`\u003e`, ">", `\u003c`, "<", `\u0026`, "&")

// visible replaces characters that would control the terminal.
func visible(r rune) rune {
	if r != '\n' && unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}

// describe is the header and the claims, as they stand in the token.
func describe(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("a token has three parts with dots between them, and here are %d", len(parts))
	}
	var b bytes.Buffer
	for i, what := range []string{"header", "claims"} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return "", fmt.Errorf("its %s is not base64url", what)
		}
		b.WriteString(what + " ")
		if err := json.Indent(&b, text, "", "  "); err != nil {
			return "", fmt.Errorf("its %s is not JSON", what)
		}
		b.WriteByte('\n')
	}
	return readable.Replace(strings.Map(visible, b.String())), nil
}
