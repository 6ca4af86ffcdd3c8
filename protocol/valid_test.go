package protocol

import (
	"encoding/json"
	"strings"
	"testing"
)

var validCases = []string{
	``, ` `, `1`, ` 1 `, `-`, `-0`, `-01`, `01`, `1.`, `.1`, `1.5`, `1e`, `1e5`, `1E+5`, `1e-`, `1.0e-10`, `+1`, `1 1`, `0x1`, `NaN`, `12345678901234567890123`,
	`true`, `tru`, `truex`, `false`, `null`, `nul`, `True`,
	`"`, `""`, `"a`, `"a"`, `"a"b`, `"\n"`, `"\q"`, `"\u12"`, `"\u12G4"`, `"\u00e9"`, `"\ud800"`, `"\"`, `"\\"`, `"\\\""`, "\"\t\"", "\"\x00\"", "\"\x1f\"", "\"\x7f\x80\xff\"",
	`"0123456"`, `"01234567"`, `"0123456\"`, `"01234567\"`, `"01234567\\89abcdef"`, "\"01234567\x1f\"", "\"0123456\n9abcdef\"", `"éééééééééé"`, `"0123456789abcdef`,
	`{}`, `{ }`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a" : 1 , "b":[ ] }`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a":1]`, `{"a",1}`, `{"a":{"b":{}}}`,
	`[]`, `[ ]`, `[`, `]`, `[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `[[[]]]`, `[[[]]`, `[1}`, "[\r\n\t1 ]", "\v1", "\u00a01", "[1]\x00", "\xef\xbb\xbf1",
	strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat(`[{"a":`, 5_001), strings.Repeat("[", 1<<20),
}

func TestValid(t *testing.T) {
	for _, text := range validCases {
		if got, want := valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q: %t, want %t", text, got, want)
		}
	}
}

// FuzzValid proves that it agrees with encoding/json, and does not allocate.
func FuzzValid(f *testing.F) {
	for _, text := range validCases {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := valid(text), json.Valid(text); got != want {
			t.Fatalf("%q: %t, want %t", text, got, want)
		}
	})
}

func BenchmarkValid(b *testing.B) {
	payload := []byte(`{"id":42,"name":"a product","price":12.5,"tags":["new","sale"],"text":"` + strings.Repeat("some words of text, ", 9) + `"}`)
	for name, valid := range map[string]func([]byte) bool{"ours": valid, "encoding-json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if !valid(payload) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
