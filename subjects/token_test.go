package subjects_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/livebridge/livebridge/subjects"
	"pgregory.net/rapid"
)

func ExampleEscape() {
	fmt.Println(subjects.Escape("order-42"))
	fmt.Println(subjects.Escape("a.b@c"))
	fmt.Println(subjects.Escape("*"))
	fmt.Println(subjects.Escape("é"))
	fmt.Println(subjects.Escape(""), subjects.Escape("_"))
	// Output:
	// order-42
	// a%2Eb%40c
	// %2A
	// %C3%A9
	// _ %5F
}

// tokenTable lists texts with their tokens.
var tokenTable = []struct{ text, token string }{
	{"", "_"},
	{"_", "%5F"},
	{"__", "__"},
	{"a_b", "a_b"},
	{"products", "products"},
	{"AZaz09-_", "AZaz09-_"},
	{"a.b@c", "a%2Eb%40c"},
	{"*", "%2A"},
	{">", "%3E"},
	{"%", "%25"},
	{"%5F", "%255F"},
	{" \t\r\n\x00\x7f", "%20%09%0D%0A%00%7F"},
	{"blog/posts.v2", "blog%2Fposts%2Ev2"},
	{"日", "%E6%97%A5"},
	{"\u00a0\u2028", "%C2%A0%E2%80%A8"},
}

func TestTokens(t *testing.T) {
	for _, c := range tokenTable {
		if got := subjects.Escape(c.text); got != c.token {
			t.Errorf("Escape(%q) = %q, want %q", c.text, got, c.token)
		}
		if got, err := subjects.Unescape(c.token); err != nil || got != c.text {
			t.Errorf("Unescape(%q) = %q, %v, want %q", c.token, got, err, c.text)
		}
	}
}

func TestUnescapeRefuses(t *testing.T) {
	for _, c := range []struct{ token, says string }{
		{"", `token is empty: write the empty text as "_"`},
		{"a%2eb", `token "a%2eb" holds "%2e": write % and two upper-case hex digits`},
		{"%41", `token "%41" escapes "A", which stands for itself: write it as it is`},
		{"a%5Fb", `token "a%5Fb" escapes "_", which stands for itself: write it as it is`},
		{"%5F%5F", `token "%5F%5F" escapes "_", which stands for itself: write it as it is`},
		{"a@b", `token "a@b" holds "@" as it is: write "%40"`},
		{"a.b", `token "a.b" holds "." as it is: write "%2E"`},
		{"*", `token "*" holds "*" as it is: write "%2A"`},
		{"\xff", `token "\xff" holds "\xff" as it is: write "%FF"`},
		{"é", `token "é" holds "\xc3" as it is: write "%C3"`},
		{"%", `token "%" ends inside an escape: write % and two upper-case hex digits`},
		{"%2", `token "%2" ends inside an escape: write % and two upper-case hex digits`},
		{"%G0", `token "%G0" holds "%G0": write % and two upper-case hex digits`},
		{"%FF", `token "%FF" is not UTF-8: escape the bytes of UTF-8 text`},
		{"%ED%A0%80", `token "%ED%A0%80" is not UTF-8: escape the bytes of UTF-8 text`}, // a surrogate
		{"%C0%AE", `token "%C0%AE" is not UTF-8: escape the bytes of UTF-8 text`},       // an overlong "."
	} {
		text, err := subjects.Unescape(c.token)
		if err == nil || text != "" {
			t.Errorf("Unescape(%q) = %q, %v, want an error", c.token, text, err)
			continue
		}
		if err.Error() != c.says {
			t.Errorf("Unescape(%q) says\n\t%s\nwant\n\t%s", c.token, err, c.says)
		}
		wantField(t, err, subjects.FieldToken)
	}
}

func TestEscapeIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[_%5Fa.*]{0,6}`))
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		if (subjects.Escape(a) == subjects.Escape(b)) != (a == b) {
			t.Fatalf("%q and %q: tokens %q and %q", a, b, subjects.Escape(a), subjects.Escape(b))
		}
	})
}

// FuzzEscape proves that any text becomes one harmless token and comes back.
// As Unescape gives back every text, no two texts share a token.
func FuzzEscape(f *testing.F) {
	for _, c := range tokenTable {
		f.Add(c.text)
	}
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, text string) {
		token := subjects.Escape(text)
		if token == "" || strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_%") != "" {
			t.Fatalf("Escape(%q) = %q", text, token)
		}
		if i := strings.IndexAny(token, ".*> \t\r\n\x00"); i >= 0 {
			t.Fatalf("Escape(%q) = %q holds %q", text, token, token[i])
		}
		back, err := subjects.Unescape(token)
		if valid := utf8.ValidString(text); (err == nil) != valid || valid && back != text {
			t.Fatalf("Unescape(Escape(%q)) = %q, %v", text, back, err)
		}
	})
}

// FuzzUnescape proves that only what Escape writes is accepted.
func FuzzUnescape(f *testing.F) {
	for _, c := range tokenTable {
		f.Add(c.token)
		f.Add(c.text)
	}
	for _, token := range []string{"%2e", "%41", "a%5Fb", "%FF", "%", "%2"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		text, err := subjects.Unescape(token)
		if err != nil {
			wantField(t, err, subjects.FieldToken)
			if text != "" {
				t.Fatalf("Unescape(%q) = %q beside the error %v", token, text, err)
			}
			return
		}
		if !utf8.ValidString(text) || subjects.Escape(text) != token {
			t.Fatalf("Unescape(%q) = %q, whose token is %q", token, text, subjects.Escape(text))
		}
	})
}

func wantField(t testing.TB, err error, field string) {
	t.Helper()
	var e *subjects.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is a %T, want *subjects.Error", err, err)
	}
	if e.Field != field {
		t.Errorf("error %q names the field %q, want %q", err, e.Field, field)
	}
}
