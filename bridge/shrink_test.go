package bridge

import (
	"slices"
	"testing"
)

func TestShrinker(t *testing.T) {
	for name, test := range map[string]struct {
		conns []int // each time that it is asked
		due   []int // at which of them it is due
	}{
		"nobody":             {[]int{0, 0, 0}, nil},
		"a few":              {[]int{999, 999, 999}, nil},
		"a crowd":            {[]int{1000, 1000, 1000}, []int{1}},
		"a crowd, in a row":  {[]int{400, 800, 1200, 1204, 1205}, []int{3}},
		"two crowds":         {[]int{5000, 5000, 5001, 9000, 9000, 9000}, []int{1, 4}},
		"they go":            {[]int{5000, 5000, 0, 0, 0}, []int{1}},
		"they come and go":   {[]int{600, 0, 600, 600}, []int{3}},
		"some by some comes": {[]int{500, 900, 995, 1000, 1001, 1500}, []int{3}},
	} {
		var s shrinker
		var due []int
		for i, n := range test.conns {
			if s.due(n) {
				due = append(due, i)
			}
		}
		if !slices.Equal(due, test.due) {
			t.Errorf("%s: due at %v, want %v", name, due, test.due)
		}
	}
}
