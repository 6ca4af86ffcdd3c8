package subjects

import (
	"strings"
	"unicode/utf8"
)

// None is the token of the empty text: as an id, "no particular record".
const None = "_"

const (
	noneText = "%5F" // the token of the text "_"
	upperHex = "0123456789ABCDEF"
)

// Escape returns the token of a text. The empty text is "_", the text "_" is
// "%5F". Distinct texts have distinct tokens, and no token holds white space,
// ".", "*" or ">". Escape takes any bytes; what is not valid UTF-8 has a token
// that [Unescape] refuses.
func Escape(text string) string {
	switch text {
	case "":
		return None
	case None:
		return noneText
	}
	special := 0
	for i := range len(text) {
		if !plain(text[i]) {
			special++
		}
	}
	if special == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 2*special)
	for i := range len(text) {
		if c := text[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// Unescape returns the text of a token: the exact inverse of [Escape]. A token
// that Escape does not produce from valid UTF-8 is an [*Error] with the field
// [FieldToken].
func Unescape(token string) (string, error) {
	return unescape(FieldToken, token)
}

// unescape is Unescape with errors that name the given field.
func unescape(field, token string) (string, error) {
	switch token {
	case "":
		return "", errorf(field, `is empty: write the empty text as "_"`)
	case None:
		return "", nil
	case noneText:
		return None, nil
	}
	text, err := decode(field, token)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(text) {
		return "", errorf(field, "%s is not UTF-8: escape the bytes of UTF-8 text", quote(token))
	}
	return text, nil
}

// decode resolves %XX and refuses every byte that Escape would have written
// otherwise.
func decode(field, token string) (string, error) {
	if i := firstSpecial(token); i == len(token) {
		return token, nil
	}
	text := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			text = append(text, c)
			continue
		}
		if c != '%' {
			return "", errorf(field, "%s holds %q as it is: write %q", quote(token), token[i:i+1], Escape(token[i:i+1]))
		}
		if len(token)-i < 3 {
			return "", errorf(field, "%s ends inside an escape: write %% and two upper-case hex digits", quote(token))
		}
		high, low := hexDigit(token[i+1]), hexDigit(token[i+2])
		if high < 0 || low < 0 {
			return "", errorf(field, "%s holds %q: write %% and two upper-case hex digits", quote(token), token[i:i+3])
		}
		b := byte(high<<4 | low)
		if plain(b) {
			return "", errorf(field, "%s escapes %q, which stands for itself: write it as it is", quote(token), string(rune(b)))
		}
		text = append(text, b)
		i += 2
	}
	return string(text), nil
}

// firstSpecial returns the index of the first byte that is not plain, or the
// length of the token.
func firstSpecial(token string) int {
	for i := range len(token) {
		if !plain(token[i]) {
			return i
		}
	}
	return len(token)
}

// plain reports whether a byte stands for itself in a token.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// hexDigit returns the value of an upper-case hex digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
