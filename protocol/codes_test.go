package protocol

import (
	"errors"
	"net/http"
	"testing"
)

func TestCodes(t *testing.T) {
	seen := 0
	for code := range Codes() {
		seen++
		if s := code.Status(); s < 400 || http.StatusText(s) == "" || code.Help() == "" {
			t.Errorf("%s: status %d, help %q", code, s, code.Help())
		}
	}
	if seen != 14 {
		t.Errorf("%d codes, want 14", seen)
	}
	if s := Code("nope").Status(); s != 500 || Code("nope").Help() != "" {
		t.Errorf("an unknown code has status %d", s)
	}
	for range Codes() {
		break // must not go on
	}
}

func TestCloseCodes(t *testing.T) {
	var final []CloseCode
	last := CloseCode(0)
	for code := range CloseCodes() {
		if code <= last || code.String() == "" || len(code.String()) > 123 {
			t.Errorf("%d %q after %d", code, code, last)
		}
		if last = code; code.Final() {
			final = append(final, code)
		}
	}
	want := []CloseCode{CloseBinary, CloseInvalidUTF8, CloseTooLarge, CloseOrder, CloseUnauthorized, CloseForbidden}
	if len(final) != len(want) {
		t.Errorf("final are %d, want %d", final, want)
	}
	for i := range min(len(final), len(want)) {
		if final[i] != want[i] {
			t.Errorf("final are %d, want %d", final, want)
		}
	}
	if c := CloseCode(1000); c.String() != "" || c.Final() {
		t.Errorf("1000 is %q, final %v", c, c.Final())
	}
	for range CloseCodes() {
		break // must not go on
	}
}

func TestErrorIsAnError(t *testing.T) {
	var err error = Errorf(TooMany, "%d ids: the limit is %d", 3, 2)
	var e *Error
	if !errors.As(err, &e) || e.Code != TooMany || err.Error() != "too_many: 3 ids: the limit is 2" {
		t.Errorf("got %v", err)
	}
}
