package subjects

import (
	"fmt"
	"strconv"
)

// The values of [Error.Field].
const (
	FieldResource = "resource"
	FieldType     = "type"
	FieldID       = "id"
	FieldToken    = "token"
	FieldSubject  = "subject"
)

// Error is the only type of error that this package returns, always as *Error.
// Its text is fit for whoever sent the name: it says what is wrong and what
// would be right, and quotes no more than the beginning of a long value.
type Error struct {
	Field   string // what is wrong: one of the Field constants
	Problem string // the rest of the sentence that Field begins
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Field + " " + e.Problem }

func errorf(field, format string, args ...any) *Error {
	return &Error{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// quote returns the text for an error message, cut after 48 bytes.
func quote(text string) string {
	const most = 48
	if len(text) <= most {
		return strconv.Quote(text)
	}
	return strconv.Quote(text[:most]) + "…"
}
