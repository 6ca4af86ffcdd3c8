package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

const space = " \t\r\n" // what JSON calls whitespace

// checkJSON says why data is not one JSON value, or nil. Nesting deeper than
// 10,000 is refused, so the functions below need no bound of their own.
func checkJSON(data []byte) error {
	if valid(data) {
		return nil
	}
	var value json.RawMessage
	err := json.Unmarshal(data, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w at byte %d", err, syntax.Offset)
	}
	return err
}

// members stores the members of a valid JSON object where slot says, and passes
// over those for which slot returns nil. A name that comes twice is an error.
func members(object []byte, slot func(name string) *[]byte) *Error {
	var unknown map[string]bool
	for i := bytes.IndexByte(object, '{') + 1; ; {
		i = skip(object, i, space+",")
		if object[i] == '}' {
			return nil
		}
		end := valueEnd(object, i)
		name, err := text(object[i:end])
		if err != nil {
			return Errorf(BadRequest, "the name of a field %v", err)
		}
		i = skip(object, end, space+":")
		end = valueEnd(object, i)
		value := object[i:end]
		i = end

		known := slot(name)
		if unknown[name] || known != nil && *known != nil {
			return Errorf(BadRequest, "field %s comes twice in one object: send it once", show(name))
		}
		if known != nil {
			*known = value
			continue
		}
		if unknown == nil {
			unknown = make(map[string]bool)
		}
		unknown[name] = true
	}
}

// elements yields the elements of a valid JSON array.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := bytes.IndexByte(array, '[') + 1; ; {
			i = skip(array, i, space+",")
			if array[i] == ']' {
				return
			}
			end := valueEnd(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = end
		}
	}
}

func count(array []byte) (n int) {
	for range elements(array) {
		n++
	}
	return n
}

func skip(b []byte, i int, set string) int {
	for strings.IndexByte(set, b[i]) >= 0 {
		i++
	}
	return i
}

// valueEnd is the index after the value that begins at b[i], in valid JSON.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = stringEnd(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) && strings.IndexByte(space+",]}", b[i]) < 0 {
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// kind names the type of a valid JSON value, for messages.
func kind(value []byte) string {
	switch value[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// text is the text of a JSON string. It must be well-formed Unicode: replacing
// what is not would let two different names meet.
func text(value []byte) (string, error) {
	if value[0] != '"' {
		return "", fmt.Errorf("must be a string, not %s", kind(value))
	}
	if !utf8.Valid(value) {
		return "", errors.New("is not valid UTF-8: send well-formed Unicode")
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	if loneSurrogate(inner) {
		return "", errors.New("has half of a surrogate pair: send well-formed Unicode")
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// loneSurrogate reports a \uD800–\uDFFF escape that is not half of a pair.
func loneSurrogate(inner []byte) bool {
	high := -1 // index that the second half of a pair must have
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			continue
		}
		i++
		if inner[i] != 'u' {
			continue
		}
		unit, _ := strconv.ParseUint(string(inner[i+1:i+5]), 16, 16)
		switch {
		case high == i && unit&0xFC00 == 0xDC00:
			high = -1
		case high >= 0 || unit&0xFC00 == 0xDC00:
			return true
		case unit&0xFC00 == 0xD800:
			high = i + 6
		}
		i += 4
	}
	return high >= 0
}

// idText is the text of an id: a string as it is, an integer digit by digit, any
// other number as JavaScript's String(n) writes it (ECMA-262, Number::toString).
func idText(value []byte) (string, error) {
	if kind(value) != "a number" {
		s, err := text(value)
		if err != nil && value[0] != '"' {
			err = fmt.Errorf("must be a string or a number, not %s", kind(value))
		}
		return s, err
	}
	if bytes.ContainsAny(value, ".eE") {
		return floatText(string(value))
	}
	if string(value) == "-0" {
		return "0", nil
	}
	return string(value), nil
}

func floatText(number string) (string, error) {
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return "", fmt.Errorf("is the number %s, which no double can hold: send it as a string", show(number))
	}
	abs := max(f, -f)
	if abs == 0 {
		return "0", nil
	}
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64), nil
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	return strings.Replace(s, "e-0", "e-", 1), nil
}
