package protocol

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An Error is what a client is told: a code for its program and a message for its
// author. Causes that only the operator may see do not belong in it.
type Error struct {
	Code    Code
	Message string // what was wrong and what would be right
	Sub     string // the subscription it is about; "" = none
	Ref     string // the publish it is about; "" = none
}

// Error is the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf returns an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// within names the place of the error in front of its message.
func (e *Error) within(format string, args ...any) *Error {
	e.Message = fmt.Sprintf(format, args...) + ": " + e.Message
	return e
}

// show quotes the beginning of a client's text for a message.
func show(text string) string {
	const most = 40
	if len(text) <= most {
		return fmt.Sprintf("%q", text)
	}
	cut := strings.ToValidUTF8(text[:most], "")
	return fmt.Sprintf("%q… (%d characters)", cut, utf8.RuneCountInString(text))
}
