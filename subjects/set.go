package subjects

import (
	"slices"
	"strings"
)

// Set is a set of subjects, made by [Filter.Compile]. It never changes and may
// be used concurrently. The zero Set is empty.
type Set struct {
	filter   Filter
	resource string // a token, or Wildcard
	prefix   string // what every subject in the set begins with
	types    tokens
	ids      tokens
	patterns []string
	exact    bool
}

// Match reports whether a subject is in the set. It allocates nothing. A string
// that is not four non-empty tokens under [Root] is in no set; beyond that the
// tokens are taken as they are, as NATS does, and only [Parse] tells whether
// they are well written.
func (s *Set) Match(subject string) bool {
	rest, ok := strings.CutPrefix(subject, s.prefix)
	if ok && s.resource == Wildcard {
		_, rest, ok = first(rest)
	}
	if !ok {
		return false
	}
	kind, id, ok := last(rest)
	return ok && s.types.match(kind) && s.ids.match(id)
}

// Patterns returns NATS subjects that together cover the set, in a slice of the
// caller's own. There are at most [MaxPatterns]; where the set would need more,
// they are wider than the set, see [Set.Exact]. They are sorted, and none of
// them contains another: JetStream refuses a consumer with overlapping filters
// (error 10138).
func (s *Set) Patterns() []string { return slices.Clone(s.patterns) }

// Exact reports whether the patterns match nothing but the set. Otherwise what
// they bring has to pass [Set.Match].
func (s *Set) Exact() bool { return s.exact }

// Equal reports whether two sets have the same filter.
func (s *Set) Equal(other *Set) bool {
	return s == other || s.filter.Resource == other.filter.Resource &&
		slices.Equal(s.filter.Types, other.filter.Types) && slices.Equal(s.filter.IDs, other.filter.IDs)
}

// Filter returns the filter of the set in its normal form: lists sorted and
// without duplicates, nil where they mean all. Equal sets have equal filters.
// The lists are the caller's own.
func (s *Set) Filter() Filter {
	f := s.filter
	f.Types, f.IDs = slices.Clone(f.Types), slices.Clone(f.IDs)
	return f
}

// patterns returns the product of the tokens, or the narrowest wildcards that
// keep it within MaxPatterns, and whether it is the product. The lists have no
// duplicates, and one that holds Wildcard holds nothing else.
func patterns(resource string, types, ids []string) (list []string, exact bool) {
	exact = true
	if len(types)*len(ids) > MaxPatterns {
		exact = false
		ids = []string{Wildcard}
	}
	if len(types) > MaxPatterns {
		types = []string{Wildcard}
	}
	list = make([]string, 0, len(types)*len(ids))
	for _, kind := range types {
		for _, id := range ids {
			list = append(list, join(resource, kind, id))
		}
	}
	slices.Sort(list)
	return list, exact
}

// tokens is a set of tokens: all, or those listed.
type tokens struct {
	all   bool
	list  []string            // sorted, without duplicates
	index map[string]struct{} // the list, where it is too long to be searched
}

// linear is the length up to which searching a list beats hashing.
const linear = 8

func newTokens(list []string) tokens {
	t := tokens{list: sorted(list)}
	if len(t.list) > linear {
		t.index = make(map[string]struct{}, len(t.list))
		for _, token := range t.list {
			t.index[token] = struct{}{}
		}
	}
	return t
}

func (t *tokens) match(token string) bool {
	if t.all {
		return true
	}
	if t.index != nil {
		_, ok := t.index[token]
		return ok
	}
	return slices.Contains(t.list, token)
}

// patterns returns the tokens of a NATS pattern.
func (t *tokens) patterns() []string {
	if t.all {
		return []string{Wildcard}
	}
	return t.list
}

// longest returns the longest token that the set names.
func (t *tokens) longest() string {
	longest := Wildcard
	for _, token := range t.list {
		if len(token) > len(longest) {
			longest = token
		}
	}
	return longest
}
