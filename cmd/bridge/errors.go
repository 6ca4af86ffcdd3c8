package main

import (
	"errors"
	"fmt"
	"io"
)

// A problem ends the program: one line that says what is wrong, one of what to do, and the exit status.
type problem struct {
	text, hint string
	status     int
	cause      error // nil where text says it all
}

func (p *problem) Error() string { return p.text }

func (p *problem) Unwrap() error { return p.cause }

// usage is a problem of how the program was called.
func usage(hint, format string, args ...any) error {
	return &problem{text: fmt.Sprintf(format, args...), hint: hint, status: exitUsage}
}

// failure is a problem at run time; its text may wrap a cause with %w.
func failure(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &problem{text: err.Error(), hint: hint, status: exitFailure, cause: errors.Unwrap(err)}
}

// report tells the person who called the program, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	status := exitFailure
	_, _ = fmt.Fprintf(w, "bridge: %s\n", printable(err.Error()))
	var p *problem
	if errors.As(err, &p) {
		status = p.status
		if p.hint != "" {
			_, _ = fmt.Fprintf(w, "hint: %s\n", printable(p.hint))
		}
	}
	return status
}
