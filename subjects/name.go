package subjects

import (
	"strings"
	"unicode/utf8"
)

// Name is what an event is about, as text: something of Type happened to the
// record ID of Resource. An empty ID means no particular record.
type Name struct {
	Resource, Type, ID string
}

// Subject returns the NATS subject of the name. A name with an empty resource
// or type, with text that is not valid UTF-8, or with a subject longer than
// [MaxLen] is an [*Error] that names the field.
func (n Name) Subject() (string, error) {
	resource, err := tokenOf(FieldResource, n.Resource)
	if err != nil {
		return "", err
	}
	kind, err := tokenOf(FieldType, n.Type)
	if err != nil {
		return "", err
	}
	id, err := tokenOf(FieldID, n.ID)
	if err != nil {
		return "", err
	}
	if err := checkLen(resource, kind, id); err != nil {
		return "", err
	}
	return join(resource, kind, id), nil
}

// Parse returns the name of a subject: the exact inverse of [Name.Subject].
// Whatever Subject does not produce is an [*Error], so where Parse succeeds,
// Subject gives the same string again.
func Parse(subject string) (Name, error) {
	if len(subject) > MaxLen {
		return Name{}, errorf(FieldSubject, "is %d bytes long: use at most %d", len(subject), MaxLen)
	}
	resource, kind, id, ok := split(subject)
	if !ok {
		return Name{}, errorf(FieldSubject, "%s does not have the four tokens live.<resource>.<type>.<id>", quote(subject))
	}
	var n Name
	var err error
	if n.Resource, err = unescape(FieldResource, resource); err != nil {
		return Name{}, err
	}
	if n.Type, err = unescape(FieldType, kind); err != nil {
		return Name{}, err
	}
	if n.ID, err = unescape(FieldID, id); err != nil {
		return Name{}, err
	}
	if n.Resource == "" {
		return Name{}, errorf(FieldResource, `is "_", the empty text: only an id may be empty; the text "_" is "%%5F"`)
	}
	if n.Type == "" {
		return Name{}, errorf(FieldType, `is "_", the empty text: only an id may be empty; the text "_" is "%%5F"`)
	}
	return n, nil
}

// tokenOf checks a text and escapes it.
func tokenOf(field, text string) (string, error) {
	switch {
	case text == "" && field == FieldResource:
		return "", errorf(field, `is empty: name the resource, or use "*" in a subscription for all`)
	case text == "" && field == FieldType:
		return "", errorf(field, `is empty: name the type, such as "updated"; a subscription to all types lists none`)
	case len(text) > MaxLen: // checkLen would refuse it, after the work of escaping it
		return "", errorf(field, "is %d bytes long: a subject has at most %d bytes", len(text), MaxLen)
	case !utf8.ValidString(text):
		return "", errorf(field, "%s is not valid UTF-8: use UTF-8 text", quote(text))
	}
	return Escape(text), nil
}

// checkLen refuses tokens whose subject would be longer than MaxLen and blames
// the longest of them.
func checkLen(resource, kind, id string) error {
	total := len(Root) + 3 + len(resource) + len(kind) + len(id)
	if total <= MaxLen {
		return nil
	}
	field, token := FieldID, id
	if len(kind) > len(token) {
		field, token = FieldType, kind
	}
	if len(resource) > len(token) {
		field, token = FieldResource, resource
	}
	return errorf(field, "%s is too long: it takes %d bytes of a subject of %d, which may have %d",
		quote(token), len(token), total, MaxLen)
}

func join(resource, kind, id string) string {
	return Root + "." + resource + "." + kind + "." + id
}

// split returns the tokens after Root, or false if there are not exactly three
// of them or one is empty. It allocates nothing.
func split(subject string) (resource, kind, id string, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefix)
	if !ok {
		return "", "", "", false
	}
	if resource, rest, ok = first(rest); !ok {
		return "", "", "", false
	}
	kind, id, ok = last(rest)
	return resource, kind, id, ok
}

const prefix = Root + "."

// first cuts off the first token, which must not be empty.
func first(tokens string) (token, rest string, ok bool) {
	end := strings.IndexByte(tokens, '.')
	if end <= 0 {
		return "", "", false
	}
	return tokens[:end], tokens[end+1:], true
}

// last returns the last two tokens, which must not be empty.
func last(tokens string) (kind, id string, ok bool) {
	kind, id, ok = first(tokens)
	return kind, id, ok && id != "" && strings.IndexByte(id, '.') < 0
}
