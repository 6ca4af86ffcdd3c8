package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/livebridge/livebridge/subjects"
)

func TestParsePattern(t *testing.T) {
	for pattern, want := range map[string][]string{
		">":                     {"live.*.*.*"},
		"*":                     {"live.*.*.*"},
		"*.*.*":                 {"live.*.*.*"},
		"live.>":                {"live.live.*.*"}, // a resource may be called live
		"products":              {"live.products.*.*"},
		"products.>":            {"live.products.*.*"},
		"products.updated":      {"live.products.updated.*"},
		"products.updated.*":    {"live.products.updated.*"},
		"products.updated.>":    {"live.products.updated.*"},
		"products.updated.42":   {"live.products.updated.42", "live.products.updated._"},
		"live.products.*.42":    {"live.products.*.42", "live.products.*._"},
		"*.deleted.*":           {"live.*.deleted.*"},
		"products.updated._":    {"live.products.updated._"},
		"products.updated.%5F":  {"live.products.updated.%5F", "live.products.updated._"},
		"products.updated.%2A":  {"live.products.updated.%2A", "live.products.updated._"},
		"a%2Eb.x.%3E":           {"live.a%2Eb.x.%3E", "live.a%2Eb.x._"},
		"live.live.created.1.>": nil,
		"":                      nil,
		".":                     nil,
		"products..1":           nil,
		"products.updated.42.>": nil,
		"a.b.c.d":               nil,
		">.updated":             nil,
		"pro*":                  nil,
		"products.upd>":         nil,
		"a/b":                   nil,
		"a%2fb":                 nil,
		"_":                     nil,
		"products._":            nil,
		"%2A":                   nil,
		"products.%2A":          nil,
		"products.updated.a b":  nil,
	} {
		set, err := parsePattern(pattern)
		if want == nil {
			if err == nil {
				t.Errorf("%q is taken as %q", pattern, set.Patterns())
			}
			continue
		}
		if err != nil || !slices.Equal(set.Patterns(), want) {
			t.Errorf("%q: %v, %v; want %q", pattern, set, err, want)
		}
	}
}

// FuzzParsePattern proves that the subject of an event, taken as a pattern, picks that event.
func FuzzParsePattern(f *testing.F) {
	f.Add("live.products.updated.42")
	f.Add("live.a%2Eb.x._")
	f.Add("*.deleted.*")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := parsePattern(text)
		name, notEvent := subjects.Parse(text)
		if notEvent != nil || strings.Contains(name.Resource+name.Type, "*") {
			return
		}
		if err != nil || !set.Match(text) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
