package auth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/livebridge/livebridge/subjects"
)

// A pattern is a NATS subject pattern over the three tokens of an event: resource, type, id. A trailing > is kept as wildcards.
type pattern [3]string

const any3 = subjects.Wildcard

// parsePattern reads a pattern. Its tokens are escaped as in subjects.
func parsePattern(text string) (p pattern, err error) {
	tokens := strings.Split(text, ".")
	last := len(tokens) - 1
	if tokens[last] == ">" {
		for tokens[last] = any3; len(tokens) < len(p); {
			tokens = append(tokens, any3)
		}
	}
	if len(tokens) != len(p) {
		return p, fmt.Errorf("pattern %q: write resource.type.id, with * for any one of them, or > at the end for all the rest", text)
	}
	for i, t := range tokens {
		if t != any3 {
			if _, err := subjects.Unescape(t); err != nil {
				return p, fmt.Errorf("pattern %q: %w", text, err)
			}
		}
		p[i] = t
	}
	return p, nil
}

// covers says whether everything that q matches is matched by p.
func (p pattern) covers(q pattern) bool {
	for i, t := range p {
		if t != any3 && t != q[i] {
			return false
		}
	}
	return true
}

// Rules are what is allowed, less what is denied. The zero value allows nothing.
type Rules struct {
	allow, deny []pattern
}

// NewRules reads rules from patterns.
func NewRules(allow, deny []string) (r Rules, err error) {
	read := func(list []string) (out []pattern) {
		for _, text := range list {
			p, e := parsePattern(text)
			err = errors.Join(err, e)
			out = append(out, p)
		}
		return out
	}
	r.allow, r.deny = read(allow), read(deny)
	return r, err
}

func covered(by []pattern, q pattern) bool {
	for _, p := range by {
		if p.covers(q) {
			return true
		}
	}
	return false
}

// includes says whether all of q is allowed, and not all of it denied.
func (r Rules) includes(q pattern) bool { return covered(r.allow, q) && !covered(r.deny, q) }

// Matches says whether an event's subject is allowed and not denied. It allocates nothing.
func (r Rules) Matches(subject string) bool {
	p, ok := tokensOf(subject)
	return ok && r.includes(p)
}

// tokensOf splits an event's subject.
func tokensOf(subject string) (p pattern, ok bool) {
	rest, ok := strings.CutPrefix(subject, subjects.Root+".")
	if !ok {
		return p, false
	}
	var resource, kind, id string
	resource, rest, _ = strings.Cut(rest, ".")
	kind, id, ok = strings.Cut(rest, ".")
	return pattern{resource, kind, id}, ok && !strings.Contains(id, ".")
}

// all says whether nothing is ever held back: one pattern allows everything and none denies anything.
func (r Rules) all() bool {
	return len(r.deny) == 0 && covered(r.allow, pattern{any3, any3, any3})
}
