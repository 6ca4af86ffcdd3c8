package publish

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// payload returns the body of a message.
func payload(v any) ([]byte, *EventError) {
	body, wrong := encode("payload", v)
	if wrong == nil && len(body) == 0 {
		body = []byte("{}")
	}
	return body, wrong
}

// meta returns the value of the header Live-Meta: compact JSON, "" for none.
func meta(v any) (string, *EventError) {
	text, err := encode("meta", v)
	if err != nil || len(text) == 0 {
		return "", err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return "", &EventError{Field: "meta", Problem: err.Error(), Err: err}
	}
	switch {
	case line.String() == "null":
		return "", nil
	case line.Bytes()[0] != '{':
		return "", wrong("meta", `is not a JSON object: use one, such as {"reason":"import"}`)
	}
	// A string in JSON may hold one control byte as it is: DEL.
	return strings.ReplaceAll(line.String(), "\x7f", `\u007f`), nil
}

// encode returns v as JSON; nothing for nil and for an empty slice of bytes.
func encode(field string, v any) ([]byte, *EventError) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, checkJSON(field, v)
	case json.RawMessage:
		return v, checkJSON(field, v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, &EventError{Field: field, Problem: "cannot be written as JSON: " + err.Error(), Err: err}
	}
	return text, nil
}

func checkJSON(field string, text []byte) *EventError {
	switch {
	case len(text) == 0:
		return nil
	case !json.Valid(text):
		return wrong(field, "is not valid JSON: bytes are taken as JSON, any other value is marshalled")
	case !utf8.Valid(text):
		return wrong(field, "is not valid UTF-8: JSON is UTF-8 text")
	}
	return nil
}

// checkText refuses what cannot be the value of a header or would not arrive as
// it was sent.
func checkText(field, text string) *EventError {
	switch {
	case len(text) > maxText:
		return wrong(field, "is %d bytes long: use at most %d", len(text), maxText)
	case !utf8.ValidString(text):
		return wrong(field, "is not valid UTF-8: use UTF-8 text")
	case strings.TrimSpace(text) != text:
		return wrong(field, "%q begins or ends with space: trim it", text)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return wrong(field, "%q has a character that cannot be printed: use letters, digits, punctuation, symbols and ASCII spaces", text)
	}
	return nil
}
