package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxName = 256          // bytes of sub and jti; OpenID Connect allows 255 for sub
	maxDate = 253402300799 // seconds: the end of the year 9999, the last that RFC 3339 can write
)

// claims are what a token says, as far as it matters here. Names are taken as they are written and may come once, times have to be numbers:
// encoding/json and the library are laxer, and two readers of one token must not differ. iat is told and not checked, by RFC 7519, section
// 4.1.6: an issuer whose clock is ahead is no forger.
type claims struct {
	jwt.RegisteredClaims
	issued time.Time // where the library does not look
	live   json.RawMessage
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *claims) UnmarshalJSON(b []byte) error {
	m, err := members(b)
	if err != nil {
		return err
	}
	var exp, nbf, iat *float64
	for _, claim := range []struct {
		name string
		into any
	}{{"iss", &c.Issuer}, {"sub", &c.Subject}, {"aud", &c.Audience}, {"exp", &exp}, {"nbf", &nbf}, {"iat", &iat}, {"jti", &c.ID}} {
		if value, ok := m[claim.name]; ok && json.Unmarshal(value, claim.into) != nil {
			return fmt.Errorf("claim %s: not of the type that RFC 7519 gives it", claim.name)
		}
	}
	if c.ExpiresAt, err = date(exp); err != nil {
		return fmt.Errorf("claim exp: %w", err)
	}
	if c.NotBefore, err = date(nbf); err != nil {
		return fmt.Errorf("claim nbf: %w", err)
	}
	issued, err := date(iat)
	if err != nil {
		return fmt.Errorf("claim iat: %w", err)
	}
	if issued != nil {
		c.issued = issued.Time
	}
	c.live = m["live"]
	return nil
}

// date is a time from seconds since 1970; nil stays nil.
func date(seconds *float64) (*jwt.NumericDate, error) {
	if seconds == nil {
		return nil, nil
	}
	if s := *seconds; s >= 0 && s <= maxDate {
		return &jwt.NumericDate{Time: time.Unix(int64(math.Floor(s)), 0)}, nil
	}
	return nil, errors.New("not seconds between 1970 and the year 9999")
}

// grant is what verified claims grant.
func (c *claims) grant() (*Grant, error) {
	for name, text := range map[string]string{"sub": c.Subject, "jti": c.ID} {
		if len(text) > maxName || strings.ContainsFunc(text, unprintable) {
			return nil, fmt.Errorf("claim %s: longer than %d bytes, or with characters in it that cannot be printed", name, maxName)
		}
	}
	g := &Grant{Subject: c.Subject, ID: c.ID, Issued: c.issued, Expires: c.ExpiresAt.Time, History: -1}
	if err := g.parseClaim(c.live); err != nil {
		return nil, fmt.Errorf("claim live: %w", err)
	}
	return g, nil
}

// unprintable says whether a character may not be in a name: it would break or turn around a line of the log, or it stands for what was no
// valid UTF-8, and two names would become one. Joiners may be: there are languages that need them.
func unprintable(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// parseClaim reads the claim live. It is refused as a whole where anything in it is not understood.
func (g *Grant) parseClaim(claim json.RawMessage) error {
	if len(claim) == 0 {
		return errors.New("missing: a token without it has no rights")
	}
	m, err := members(claim)
	if err != nil {
		return err
	}
	for name, value := range m {
		switch name {
		case "subscribe":
			g.Subscribe, err = parseRules(value)
		case "publish":
			g.Publish, err = parseRules(value)
		case "history":
			g.History, err = parseHistory(value)
		default:
			err = errors.New("not known: there are subscribe, publish and history")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", quote(name), err)
		}
	}
	return nil
}

// parseRules reads {"allow":[…],"deny":[…]}, or an array, which means allow. A list that is missing or null is empty.
func parseRules(value json.RawMessage) (Rules, error) {
	if value = bytes.TrimSpace(value); value[0] != '{' {
		allow, err := parseList(value)
		if err != nil {
			return Rules{}, err
		}
		return NewRules(allow, nil)
	}
	m, err := members(value)
	if err != nil {
		return Rules{}, err
	}
	lists := map[string][]string{"allow": nil, "deny": nil}
	for name, list := range m {
		if _, known := lists[name]; !known {
			return Rules{}, fmt.Errorf("%s: not known: there are allow and deny", quote(name))
		}
		if lists[name], err = parseList(list); err != nil {
			return Rules{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return NewRules(lists["allow"], lists["deny"])
}

func parseList(value json.RawMessage) (list []string, err error) {
	if json.Unmarshal(value, &list) != nil {
		return nil, errors.New("not a list of patterns")
	}
	return list, nil
}

func parseHistory(value json.RawMessage) (time.Duration, error) {
	var text *string
	if json.Unmarshal(value, &text) == nil && text != nil {
		if number, ok := strings.CutSuffix(*text, "d"); ok {
			if days, err := strconv.ParseUint(number, 10, 16); err == nil {
				return time.Duration(days) * 24 * time.Hour, nil
			}
		}
		if d, err := time.ParseDuration(*text); err == nil && d >= 0 {
			return d, nil
		}
	}
	return 0, errors.New("not a duration: write one such as 15m, 24h or 7d, or leave it out for all that is stored")
}

// members splits a JSON object. A name that comes twice is refused: which of them counts would depend on who reads it.
func members(object []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	m := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		name, _ := t.(string) // JSON has no other names
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("%s: there twice", quote(name))
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("not valid JSON")
		}
		m[name] = value
	}
	return m, nil
}
