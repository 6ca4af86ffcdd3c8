package auth

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	if len(tokens) != len(p) || slices.Contains(tokens, ">") {
		return p, fmt.Errorf("pattern %s: write resource.type.id, with * for any one of them, or > at the end for all the rest", quote(text))
	}
	for i, t := range tokens {
		if t != any3 {
			name, err := subjects.Unescape(t)
			if err == nil && name == "" && i < 2 {
				err = errors.New(`only an id may be "_", which is no particular record; the text "_" is "%5F"`)
			}
			if err != nil {
				return p, fmt.Errorf("pattern %s: %w", quote(text), err)
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

// Rules are what is allowed, less what is denied. The zero value allows nothing. They never change and may be used concurrently.
type Rules struct {
	allow, deny patterns
}

// NewRules reads rules from patterns. The error names the first that is wrong and says what would be right.
func NewRules(allow, deny []string) (r Rules, err error) {
	if r.allow, err = parsePatterns(allow); err != nil {
		return Rules{}, err
	}
	if r.deny, err = parsePatterns(deny); err != nil {
		return Rules{}, err
	}
	return r, nil
}

// Matches says whether an event's subject is allowed and not denied. It allocates nothing.
func (r Rules) Matches(subject string) bool {
	p, ok := tokensOf(subject)
	return ok && r.allow.cover(p) && !r.deny.cover(p)
}

// all says whether nothing is ever held back: everything is allowed and nothing denied.
func (r Rules) all() bool {
	return len(r.deny) == 0 && r.allow.cover(pattern{any3, any3, any3})
}

// patterns are what any of them matches.
type patterns []pattern

func parsePatterns(texts []string) (patterns, error) {
	list := make(patterns, 0, len(texts))
	for _, text := range texts {
		p, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// cover says whether everything that q matches is matched. One pattern has to cover q alone: there is no end of names, so no number of
// narrower patterns adds up to a wildcard.
func (list patterns) cover(q pattern) bool {
	for _, p := range list {
		if p.covers(q) {
			return true
		}
	}
	return false
}

// coverAll is cover for every type with every id. What is covered for all ids, or for all types, is put aside first: what then is left has
// to be listed name by name, so that the work is bounded by the length of the list and not by types times ids.
func (list patterns) coverAll(resource string, types, ids []string) bool {
	var kinds, records []string
	for _, t := range types {
		if !list.cover(pattern{resource, t, any3}) {
			kinds = append(kinds, t)
		}
	}
	for _, id := range ids {
		if !list.cover(pattern{resource, any3, id}) {
			records = append(records, id)
		}
	}
	for _, t := range kinds {
		for _, id := range records {
			if !list.cover(pattern{resource, t, id}) {
				return false
			}
		}
	}
	return true
}

// tokensOf splits an event's subject; a pattern is not one.
func tokensOf(subject string) (p pattern, ok bool) {
	rest, ok := strings.CutPrefix(subject, subjects.Root+".")
	if !ok {
		return p, false
	}
	p[0], rest, _ = strings.Cut(rest, ".")
	p[1], p[2], _ = strings.Cut(rest, ".")
	for _, t := range p {
		if t == "" || t == any3 || t == ">" {
			return p, false
		}
	}
	return p, !strings.Contains(p[2], ".")
}

// quote is text from a token for an error: on one line, and no more than its beginning.
func quote(text string) string {
	const most = 48
	if len(text) > most {
		return strconv.QuoteToASCII(text[:most]) + "…"
	}
	return strconv.QuoteToASCII(text)
}
