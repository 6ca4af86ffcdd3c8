package main

import (
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-isatty"
)

// newLogger makes the logger of a command. format is auto, text or json.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	var least slog.Level
	_ = least.UnmarshalText([]byte(level)) // kong lets nothing else through
	opts := &slog.HandlerOptions{Level: least}
	if asJSON(w, format) {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func asJSON(w io.Writer, format string) bool {
	return format == "json" || format == "auto" && !isTerminal(w)
}

func isTerminal(w any) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && isatty.IsTerminal(f.Fd())
}

// coloured says whether to write colours to w: https://no-color.org.
func (p *program) coloured(w any) bool {
	return isTerminal(w) && p.env["NO_COLOR"] == "" && p.env["TERM"] != "dumb"
}

// printable makes text from elsewhere safe for a terminal: whatever is not printed is written as in a Go string.
func printable(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unprintable(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
