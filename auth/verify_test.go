package auth

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/livebridge/livebridge/internal/fuzztest"
)

// handmade signs any header and claims with HS256, those too that a library would not write.
func handmade(header, body string, key []byte) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const header = `{"alg":"HS256","typ":"JWT"}`

func TestAlgorithms(t *testing.T) {
	type method struct {
		alg string
		key crypto.Signer
	}
	methods := []method{
		{"RS256", rsaKey()}, {"RS384", rsaKey()}, {"RS512", rsaKey()}, {"PS256", rsaKey()}, {"PS384", rsaKey()}, {"PS512", rsaKey()},
		{"ES256", p256()}, {"ES384", p384()}, {"ES512", p521()}, {"EdDSA", ed()},
	}
	for _, m := range methods {
		v := verifier(t, Config{Key: publicPEM(m.key)})
		g := wantGrant(t, v, mint(m.alg, m.key, nil, good(nil)), m.alg)
		if g.Subject != "ada" || !g.MaySubscribe(asks("products")) || g.MaySubscribe(asks("orders")) {
			t.Errorf("%s: granted %+v", m.alg, g)
		}
		for _, other := range methods {
			if !reflect.DeepEqual(other.key, m.key) {
				wantRefused(t, v, mint(other.alg, other.key, nil, good(nil)), "the key of "+m.alg+" takes "+other.alg, "signing method "+other.alg+" is invalid")
			}
		}
		wantRefused(t, v, mint("HS256", publicPEM(m.key), nil, good(nil)), m.alg+": HS256 with the public key", "signing method HS256 is invalid")
		wantRefused(t, v, mint("HS256", must(x509.MarshalPKIXPublicKey(m.key.Public())), nil, good(nil)), m.alg+": HS256 with its bytes", "HS256 is invalid")
	}
	hs := verifier(t, Config{Secret: secret})
	wantGrant(t, hs, mint("HS256", secret, nil, good(nil)), "HS256")
	wantRefused(t, hs, mint("HS384", secret, nil, good(nil)), "HS384", "HS384 is invalid")
	wantRefused(t, hs, mint("RS256", rsaKey(), nil, good(nil)), "RS256", "RS256 is invalid")
	wantRefused(t, hs, mint("HS256", []byte("another secret of the same length"), nil, good(nil)), "another secret", "signature is invalid")
	rs := verifier(t, Config{Key: publicPEM(rsaKey())})
	wantRefused(t, rs, mint("RS256", otherRSA(), nil, good(nil)), "another RSA key", "verification error")
}

func TestUnsignedTokens(t *testing.T) {
	for _, v := range []*Verifier{verifier(t, Config{Secret: secret}), verifier(t, Config{Key: publicPEM(rsaKey())})} {
		wantRefused(t, v, mint("none", jwt.UnsafeAllowNoneSignatureType, nil, good(nil)), "none", "none is invalid")
		body := `{"exp":9999999999,"live":{"subscribe":[">"]}}`
		for _, alg := range []string{`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `""`, `" "`, `null`, `7`, `["HS256"]`, `"hs256"`, `"HS256 "`, `"HS257"`} {
			for _, key := range [][]byte{nil, secret} {
				wantRefused(t, v, handmade(`{"alg":`+alg+`}`, body, key), "alg "+alg, "")
			}
		}
		wantRefused(t, v, handmade(`{}`, body, secret), "no alg", "unspecified")
	}
	v := verifier(t, Config{Secret: secret})
	token := mint("HS256", secret, nil, good(nil))
	unsigned := token[:strings.LastIndex(token, ".")+1]
	wantRefused(t, v, unsigned, "no signature", "signature is invalid")
	wantRefused(t, v, unsigned+strings.Repeat("A", 43), "a signature of zeros", "signature is invalid")
	ec := mint("ES256", p256(), nil, good(nil))
	wantRefused(t, verifier(t, Config{Key: publicPEM(p256())}), ec[:strings.LastIndex(ec, ".")+1]+strings.Repeat("A", 86), "an EC signature of zeros", "verification error")
}

func TestShapes(t *testing.T) {
	v := verifier(t, Config{Secret: secret})
	token := mint("HS256", secret, nil, good(nil))
	long := mint("HS256", secret, nil, good(m{"filler": strings.Repeat("x", maxToken)}))
	for what, bad := range map[string]string{
		"empty": "", "a dot": ".", "two dots": "..", "dots": strings.Repeat(".", maxToken), "three dots": "...", "words": "let me in",
		"a fourth part": token + ".x", "a dot after it": token + ".", "a space before it": " " + token, "a newline after it": token + "\n",
		"a newline inside it": token[:9] + "\n" + token[9:], "CR LF inside it": strings.Replace(token, ".", "\r\n.", 1),
		"with Bearer": "Bearer " + token, "padded": token + "=", "a NUL": token + "\x00", "over 8 KiB": long, "a megabyte": strings.Repeat("x", 1<<20),
		"other base64":         handmade(header, `{"exp":9999999999,"live":{}}`, secret) + "+/",
		"not JSON":             handmade(header, `exp`, secret),
		"trailing JSON":        handmade(header, `{"exp":9999999999,"live":{}}{}`, secret),
		"a list":               handmade(header, `[]`, secret),
		"null":                 handmade(header, `null`, secret),
		"a header of null":     handmade(`null`, `{"exp":9999999999,"live":{}}`, secret),
		"a header of text":     handmade(`"HS256"`, `{"exp":9999999999,"live":{}}`, secret),
		"deep JSON":            handmade(header, `{"exp":9999999999,"live":{},"x":`+strings.Repeat("[", 5000), secret),
		"a number bomb":        handmade(header, `{"exp":`+strings.Repeat("9", 5000)+`,"live":{}}`, secret),
		"one in the header":    handmade(`{"alg":"HS256","x":1`+strings.Repeat("0", 5000)+`}`, `{"exp":9999999999,"live":{}}`, secret),
		"a header that is cut": "eyJhbGciOiJIUzI1NiI" + token,
	} {
		wantRefused(t, v, bad, what, "")
	}
	wantRefused(t, v, long, "over 8 KiB", "more than 8192")
	for _, c := range "BCDEFGH" { // the last two bits of 43 characters are not part of the signature, and have to be zero
		if bent := token[:len(token)-1] + string(c); bent != token {
			wantRefused(t, v, bent, "bent signature", "")
		}
	}
	wantGrant(t, v, token, "unbent")
	most := mint("HS256", secret, nil, good(m{"filler": strings.Repeat("x", 5500)}))
	wantGrant(t, v, most, fmt.Sprintf("%d bytes", len(most)))
}

func TestHeaders(t *testing.T) {
	v := verifier(t, Config{Secret: secret})
	for _, typ := range []any{nil, "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"} {
		wantGrant(t, v, mint("HS256", secret, m{"typ": typ}, good(nil)), fmt.Sprint("typ ", typ))
	}
	for _, typ := range []any{"", "logout+jwt", "dpop+jwt", "JWE", "jwt\n", 7, []string{"JWT"}, m{}, strings.Repeat("x", 4000)} {
		wantRefused(t, v, mint("HS256", secret, m{"typ": typ}, good(nil)), fmt.Sprint("typ ", typ), "header typ")
	}
	wantRefused(t, v, handmade(`{"alg":"HS256","typ":null}`, `{"exp":9999999999,"live":{}}`, secret), "typ null", "header typ")
	for _, crit := range []any{[]string{"exp"}, []string{"b64"}, []string{}, "exp", 7} {
		wantRefused(t, v, mint("HS256", secret, m{"crit": crit, "b64": false}, good(nil)), fmt.Sprint("crit ", crit), "header crit")
	}
	wantRefused(t, v, handmade(`{"alg":"HS256","crit":null}`, `{"exp":9999999999,"live":{}}`, secret), "crit null", "header crit")
	// It is the first thing that is looked at: the signature of this one is wrong as well.
	wantRefused(t, v, handmade(`{"alg":"HS256","crit":["x"]}`, `{"exp":9999999999,"live":{}}`, nil), "crit, forged", "header crit")
	// Headers that point to a key are not followed.
	wantRefused(t, v, mint("HS256", []byte("a secret of the attacker's choice"), m{"jwk": m{"kty": "oct", "k": "YQ"}, "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}, good(nil)), "own key", "signature is invalid")
}

func TestIssuerAndAudience(t *testing.T) {
	v := verifier(t, Config{Secret: secret, Issuer: "https://login.example.com", Audience: "livebridge"})
	mintFor := func(iss, aud any) string { return mint("HS256", secret, nil, good(m{"iss": iss, "aud": aud})) }
	const iss = "https://login.example.com"
	wantGrant(t, v, mintFor(iss, "livebridge"), "as text")
	wantGrant(t, v, mintFor(iss, []string{"livebridge"}), "as a list")
	wantGrant(t, v, mintFor(iss, []string{"other", "livebridge"}), "in a list")
	for _, bad := range []any{nil, "", "https://login.example.com/", "https://LOGIN.example.com", "login", 7, []string{iss}, m{}} {
		wantRefused(t, v, mintFor(bad, "livebridge"), fmt.Sprint("iss ", bad), "iss")
	}
	for _, bad := range []any{nil, "", []string{}, "other", "livebridge2", "Livebridge", 7, []any{7}, []any{"livebridge", 7}, m{"livebridge": true}} {
		wantRefused(t, v, mintFor(iss, bad), fmt.Sprint("aud ", bad), "aud")
	}
	either := verifier(t, Config{Secret: secret})
	wantGrant(t, either, mintFor(nil, nil), "neither is asked for")
	wantGrant(t, either, mintFor("whoever", []string{"whatever"}), "neither is asked for")
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, Config{Secret: secret})
		now := time.Now().Unix() // a whole second here
		for _, c := range []struct {
			claim  string
			value  any
			refuse string
		}{
			{"exp", now + 1, ""},
			{"exp", float64(now) + 1.5, ""},
			{"exp", now, ""},     // within the leeway
			{"exp", now - 4, ""}, // within the leeway
			{"exp", now - 5, "expired"},
			{"exp", now - 3600, "expired"},
			{"exp", int64(maxDate), ""},
			{"exp", int64(maxDate + 1), "claim exp"},
			{"exp", nil, "exp claim is required"},
			{"exp", 0, "expired"},
			{"exp", -1, "claim exp"},
			{"exp", "9999999999", "claim exp"},
			{"exp", true, "claim exp"},
			{"exp", []int64{now + 60}, "claim exp"},
			{"exp", 1e300, "claim exp"},
			{"exp", -1e300, "claim exp"},
			{"exp", 1 << 62, "claim exp"},
			{"nbf", now, ""},
			{"nbf", now + 5, ""}, // within the leeway
			{"nbf", now + 6, "not valid yet"},
			{"nbf", now + 3600, "not valid yet"},
			{"nbf", 0, ""},
			{"nbf", -1, "claim nbf"},
			{"nbf", "0", "claim nbf"},
			{"nbf", 1e300, "claim nbf"},
			{"iat", now + 3600, ""},
			{"iat", 0, ""},
			{"iat", float64(now) - 0.5, ""},
			{"iat", "yesterday", "claim iat"},
			{"iat", -1, "claim iat"},
			{"iat", 1e300, "claim iat"},
		} {
			token, what := mint("HS256", secret, nil, good(m{c.claim: c.value})), fmt.Sprint(c.claim, " ", c.value)
			if c.refuse != "" {
				wantRefused(t, v, token, what, c.refuse)
				continue
			}
			g := wantGrant(t, v, token, what)
			if end, ok := c.value.(int64); c.claim == "exp" && ok && g.Expires.Unix() != end {
				t.Errorf("%s: expires %v", what, g.Expires)
			}
		}
		for _, exp := range []string{"null", "1e400", "1e", "0x7fffffff", `"1e300"`, "NaN", "01"} {
			wantRefused(t, v, handmade(header, `{"exp":`+exp+`,"live":{}}`, secret), "exp "+exp, "")
		}
		token := mint("HS256", secret, nil, good(m{"exp": now + 10}))
		time.Sleep(10*time.Second + leeway - time.Nanosecond)
		wantGrant(t, v, token, "to the last nanosecond")
		time.Sleep(time.Nanosecond)
		wantRefused(t, v, token, "and no longer", "expired")
	})
}

func TestTokenClaims(t *testing.T) {
	v := verifier(t, Config{Secret: secret})
	for _, sub := range []any{nil, "", "ada", "auth0|7", "Ada Lovelace", "日本", "می\u200cخواهم", strings.Repeat("x", maxName)} {
		g := wantGrant(t, v, mint("HS256", secret, nil, good(m{"sub": sub, "jti": sub})), fmt.Sprint("sub ", sub))
		if want, _ := sub.(string); g.Subject != want || g.ID != want {
			t.Errorf("sub %v: %q, %q", sub, g.Subject, g.ID)
		}
	}
	for _, name := range []string{"sub", "jti"} {
		for _, bad := range []any{"a\x00b", "a\nb", "\r\n", "\x1b[31m", "\u0085", "\x7f", "a\u2028b", "a\u202eb", "a\ufffdb", 7, true, []string{"ada"}, m{}, strings.Repeat("x", maxName+1)} {
			wantRefused(t, v, mint("HS256", secret, nil, good(m{name: bad})), fmt.Sprintf("%s %.20v", name, bad), "claim "+name)
		}
	}
	for _, sub := range []string{`"a\ud800"`, "\"a\xff\""} {
		wantRefused(t, v, handmade(header, `{"exp":9999999999,"live":{},"sub":`+sub+`}`, secret), "sub that is no text", "claim sub")
	}
	wantRefused(t, v, mint("HS256", secret, nil, good(m{"live": nil})), "no live", "claim live: missing")
	wantRefused(t, v, mint("HS256", secret, nil, good(m{"live": m{"subscribe": []string{"a.>"}, "admin": true}})), "unknown right", "claim live: \"admin\"")
	for what, body := range map[string]string{
		"live twice": `{"exp":9999999999,"live":{},"live":{"subscribe":[">"]}}`,
		"exp twice":  `{"exp":1,"exp":9999999999,"live":{}}`,
		"sub twice":  `{"exp":9999999999,"sub":"ada","s\u0075b":"bob","live":{}}`,
	} {
		wantRefused(t, v, handmade(header, body, secret), what, "twice")
	}
	wantRefused(t, v, handmade(header, `{"EXP":9999999999,"live":{}}`, secret), "EXP", "exp claim is required")
	wantRefused(t, v, handmade(header, `{"exp":9999999999,"LIVE":{"subscribe":[">"]}}`, secret), "LIVE", "missing")
	wantRefused(t, v, handmade(header, `{"exp":9999999999,"live":null}`, secret), "live null", "not a JSON object")
}

func TestErrorsCanBeTold(t *testing.T) {
	v := verifier(t, Config{Secret: secret})
	_, err := v.Verify(mint("HS256", secret, nil, good(m{"exp": 5})))
	if !errors.Is(err, ErrToken) || !errors.Is(err, jwt.ErrTokenExpired) {
		t.Errorf("%v is not ErrToken and jwt.ErrTokenExpired", err)
	}
}

func TestNewRefuses(t *testing.T) {
	small := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	exchange := must(ecdh.X25519().GenerateKey(rand.Reader))
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for _, c := range []struct {
		what string
		cfg  Config
		why  string
	}{
		{"nothing", Config{}, "exactly one"},
		{"two", Config{Secret: secret, Key: publicPEM(p256())}, "exactly one"},
		{"two others", Config{Key: publicPEM(p256()), JWKS: "https://example.com/"}, "exactly one"},
		{"a short secret", Config{Secret: secret[1:]}, "31 bytes"},
		{"a public key as secret", Config{Secret: publicPEM(rsaKey())}, "give it as the public key"},
		{"not PEM", Config{Key: secret}, "not PEM"},
		{"a private key", Config{Key: block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p256())))}, "private key"},
		{"an EC private key", Config{Key: block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p256())))}, "private key"},
		{"garbage", Config{Key: block("PUBLIC KEY", []byte("garbage"))}, "read the public key"},
		{"a garbled certificate", Config{Key: block("CERTIFICATE", []byte("garbage"))}, "read the public key"},
		{"a short RSA key", Config{Key: block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(small))}, "1024 bits"},
		{"P-224", Config{Key: publicPEM(p224)}, "P-224"},
		{"a key for encryption", Config{Key: block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(exchange.PublicKey())))}, "does not sign tokens"},
	} {
		v, err := New(t.Context(), c.cfg)
		if err == nil || v != nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want an error that says %q", c.what, err, c.why)
		}
	}
}

func TestKeyForms(t *testing.T) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, rsaKey().Public(), rsaKey()))
	for what, key := range map[string][]byte{
		"certificate":        pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"PKCS #1":            pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)}),
		"with text above it": append([]byte("the key of login.example.com\n"), publicPEM(rsaKey())...),
	} {
		wantGrant(t, verifier(t, Config{Key: key}), mint("RS256", rsaKey(), nil, good(nil)), what)
	}
}

func TestTheSecretIsCopied(t *testing.T) {
	given := []byte(string(secret))
	v := verifier(t, Config{Secret: given})
	clear(given)
	wantGrant(t, v, mint("HS256", secret, nil, good(nil)), "after the caller cleared it")
}

// FuzzVerify signs whatever claims come: nothing may panic, and what is granted has to be what another reader finds in the claims.
func FuzzVerify(f *testing.F) {
	for _, seed := range []string{
		`{"exp":9999999999,"live":{"subscribe":{"allow":["a.>"],"deny":["a.*.7"]},"publish":["b.*.*"],"history":"7d"}}`,
		`{"exp":1e300,"live":{}}`, `{"exp":"9999999999","live":{}}`, `{"exp":9999999999,"live":null}`, `null`, `[]`, `{`, `{"live":{},"live":{}}`,
		`{"iss":"i","sub":"a\u0000","aud":["x",7],"exp":9999999999,"nbf":-1,"jti":"j","live":{"history":"-1h"}}`,
		`{"sub":"\u00e4\ud83d\ude00","jti":"j","exp":99999999999.5,"nbf":1e9,"live":{"subscribe":null,"publish":{"allow":["a%2Eb.c._"]},"history":"1h30m"}}`,
	} {
		f.Add(header, seed)
	}
	f.Add(`{"alg":"none"}`, `{"exp":9999999999,"live":{}}`)
	f.Add(`{"alg":"HS256","crit":["x"]}`, `{"exp":9999999999,"live":{}}`)
	v := must(New(f.Context(), Config{Secret: secret}))
	f.Fuzz(func(t *testing.T, head, body string) {
		token := handmade(head, body, secret)
		var g *Grant
		var err error
		fuzztest.Bounded(t, len(token), func() { g, err = v.Verify(token) })
		if err != nil {
			if g != nil || !errors.Is(err, ErrToken) || len(err.Error()) > 300 || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%+v, %q", g, err)
			}
			return
		}
		if g.Expires.Before(time.Now().Add(-time.Minute)) || g.Expires.Unix() > maxDate || strings.ContainsAny(g.Subject+g.ID, "\x00\n") {
			t.Fatalf("granted %+v", g)
		}
		if !strings.Contains(head, "HS256") && !strings.Contains(head, `\u`) || strings.Contains(head, `"crit"`) {
			t.Fatalf("granted with the header %s", head)
		}
		compareGrant(t, g, body)
	})
}

// compareGrant reads accepted claims again, member by member with encoding/json.
func compareGrant(t *testing.T, g *Grant, body string) {
	t.Helper()
	all := object(t, body)
	live := object(t, string(all["live"]))
	if sub, jti := value[string](t, all["sub"]), value[string](t, all["jti"]); g.Subject != sub || g.ID != jti {
		t.Fatalf("sub %q, jti %q granted as %+v", sub, jti, g)
	}
	if exp := value[float64](t, all["exp"]); g.Expires.Unix() != int64(math.Floor(exp)) {
		t.Fatalf("exp %v granted until %v", exp, g.Expires)
	}
	if _, capped := live["history"]; capped != (g.History >= 0) {
		t.Fatalf("history %s granted as %v", live["history"], g.History)
	}
	for name, got := range map[string]Rules{"subscribe": g.Subscribe, "publish": g.Publish} {
		var allow, deny []string
		if raw := strings.TrimSpace(string(live[name])); strings.HasPrefix(raw, "{") {
			rules := object(t, raw)
			allow, deny = value[[]string](t, rules["allow"]), value[[]string](t, rules["deny"])
		} else {
			allow = value[[]string](t, live[name])
		}
		if want := must(NewRules(allow, deny)); !slices.Equal(got.allow, want.allow) || !slices.Equal(got.deny, want.deny) {
			t.Fatalf("%s %s granted as %v", name, live[name], got)
		}
	}
}

func object(t *testing.T, text string) map[string]json.RawMessage {
	t.Helper()
	return value[map[string]json.RawMessage](t, json.RawMessage(text))
}

// value is the zero value for what is missing.
func value[T any](t *testing.T, raw json.RawMessage) (v T) {
	t.Helper()
	if raw != nil {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("granted, but %s: %v", raw, err)
		}
	}
	return v
}

func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		alg   string
		cfg   Config
		token string
	}{
		{"HS256", Config{Secret: secret}, mint("HS256", secret, nil, good(nil))},
		{"RS256", Config{Key: publicPEM(rsaKey())}, mint("RS256", rsaKey(), nil, good(nil))},
		{"ES256", Config{Key: publicPEM(p256())}, mint("ES256", p256(), nil, good(nil))},
		{"EdDSA", Config{Key: publicPEM(ed())}, mint("EdDSA", ed(), nil, good(nil))},
	} {
		b.Run(c.alg, func(b *testing.B) {
			v := verifier(b, c.cfg)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(c.token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
