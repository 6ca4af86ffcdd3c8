package subjects

import "slices"

// Filter is what a subscriber asks for, as text. Only a Resource and a type may
// be [Wildcard]; an id "*" is the literal text.
type Filter struct {
	Resource string   // "*" = all
	Types    []string // empty, or holding "*" = all
	IDs      []string // empty = all; otherwise events about no particular record match too
}

// Compile checks the filter and makes it a [Set]. Its errors are those of
// [Name.Subject]; the order of types and ids and their duplicates do not matter.
func (f Filter) Compile() (*Set, error) {
	resource := Wildcard
	if f.Resource != Wildcard {
		var err error
		if resource, err = tokenOf(FieldResource, f.Resource); err != nil {
			return nil, err
		}
	}
	types, err := compileTypes(f.Types)
	if err != nil {
		return nil, err
	}
	ids, err := compileIDs(f.IDs)
	if err != nil {
		return nil, err
	}
	if err := checkLen(resource, types.longest(), ids.longest()); err != nil {
		return nil, err
	}
	s := &Set{filter: f.normal(), resource: resource, types: types, ids: ids}
	s.patterns, s.exact = patterns(resource, types.patterns(), ids.patterns())
	s.prefix = prefix
	if resource != Wildcard {
		s.prefix = s.patterns[0][:len(prefix)+len(resource)+1] // in the memory that is there
	}
	return s, nil
}

// normal returns the filter with sorted lists of its own, without what changes
// nothing: duplicates, types beside "*", and the empty id beside other ids.
func (f Filter) normal() Filter {
	n := Filter{Resource: f.Resource}
	if !slices.Contains(f.Types, Wildcard) {
		n.Types = sorted(f.Types)
	}
	n.IDs = sorted(f.IDs)
	if len(n.IDs) > 1 && n.IDs[0] == "" {
		n.IDs = n.IDs[1:]
	}
	return n
}

func compileTypes(texts []string) (tokens, error) {
	list := make([]string, 0, len(texts))
	all := len(texts) == 0
	for _, text := range texts {
		if text == Wildcard {
			all = true
			continue
		}
		token, err := tokenOf(FieldType, text)
		if err != nil {
			return tokens{}, err
		}
		list = append(list, token)
	}
	if all {
		return tokens{all: true}, nil
	}
	return newTokens(list), nil
}

func compileIDs(texts []string) (tokens, error) {
	if len(texts) == 0 {
		return tokens{all: true}, nil
	}
	list := make([]string, 0, len(texts)+1)
	list = append(list, None)
	for _, text := range texts {
		token, err := tokenOf(FieldID, text)
		if err != nil {
			return tokens{}, err
		}
		list = append(list, token)
	}
	return newTokens(list), nil
}

// sorted returns a sorted copy without duplicates, nil if it is empty.
func sorted(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
