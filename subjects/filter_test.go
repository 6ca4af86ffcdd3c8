package subjects_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/livebridge/livebridge/subjects"
	"pgregory.net/rapid"
)

func ExampleFilter_Compile() {
	set, err := subjects.Filter{Resource: "products", Types: []string{"updated"}, IDs: []string{"42", "a.b"}}.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, pattern := range set.Patterns() {
		fmt.Println(pattern)
	}
	fmt.Println(set.Match("live.products.updated.42"))
	fmt.Println(set.Match("live.products.updated.43"))
	fmt.Println(set.Match("live.products.updated._")) // no particular record: it may be 42
	// Output:
	// live.products.updated.42
	// live.products.updated._
	// live.products.updated.a%2Eb
	// true
	// false
	// true
}

// numbered returns n distinct texts.
func numbered(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = prefix + strconv.Itoa(i)
	}
	return list
}

func compile(t testing.TB, f subjects.Filter) *subjects.Set {
	t.Helper()
	set, err := f.Compile()
	if err != nil {
		t.Fatalf("compile %+v: %v", f, err)
	}
	return set
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		what     string
		filter   subjects.Filter
		patterns []string
	}{
		{"everything", subjects.Filter{Resource: "*"}, []string{subjects.All}},
		{"one resource", subjects.Filter{Resource: "r"}, []string{"live.r.*.*"}},
		{"two types", subjects.Filter{Resource: "r", Types: []string{"b", "a", "b"}}, []string{"live.r.a.*", "live.r.b.*"}},
		{"a type beside all", subjects.Filter{Resource: "r", Types: []string{"a", "*"}}, []string{"live.r.*.*"}},
		{"one id", subjects.Filter{Resource: "r", IDs: []string{"1", "1"}}, []string{"live.r.*.1", "live.r.*._"}},
		{"type and id", subjects.Filter{Resource: "r", Types: []string{"a"}, IDs: []string{"1"}}, []string{"live.r.a.1", "live.r.a._"}},
		{"type and id anywhere", subjects.Filter{Resource: "*", Types: []string{"a"}, IDs: []string{"1"}}, []string{"live.*.a.1", "live.*.a._"}},
		{"no particular record", subjects.Filter{Resource: "r", IDs: []string{""}}, []string{"live.r.*._"}},
		{"the id _", subjects.Filter{Resource: "r", IDs: []string{"_"}}, []string{"live.r.*.%5F", "live.r.*._"}},
		{"the id *", subjects.Filter{Resource: "r", IDs: []string{"*"}}, []string{"live.r.*.%2A", "live.r.*._"}},
		{"wildcards as texts", subjects.Filter{Resource: ">", Types: []string{">"}, IDs: []string{">"}}, []string{"live.%3E.%3E.%3E", "live.%3E.%3E._"}},
	} {
		set := compile(t, c.filter)
		if got := set.Patterns(); !slices.Equal(got, c.patterns) {
			t.Errorf("%s: patterns %q, want %q", c.what, got, c.patterns)
		}
		if !set.Exact() {
			t.Errorf("%s: not exact", c.what)
		}
	}
}

func TestPatternsAreBounded(t *testing.T) {
	for _, c := range []struct {
		types, ids int
		patterns   int
		first      string
		exact      bool
	}{
		{types: 0, ids: 63, patterns: 64, first: "live.r.*._", exact: true},
		{types: 0, ids: 64, patterns: 1, first: "live.r.*.*", exact: false},
		{types: 1, ids: 63, patterns: 64, first: "live.r.t0._", exact: true},
		{types: 1, ids: 1000, patterns: 1, first: "live.r.t0.*", exact: false},
		{types: 2, ids: 31, patterns: 64, first: "live.r.t0._", exact: true},
		{types: 2, ids: 32, patterns: 2, first: "live.r.t0.*", exact: false},
		{types: 64, ids: 0, patterns: 64, first: "live.r.t0.*", exact: true},
		{types: 64, ids: 1, patterns: 64, first: "live.r.t0.*", exact: false},
		{types: 65, ids: 0, patterns: 1, first: "live.r.*.*", exact: false},
		{types: 65, ids: 1, patterns: 1, first: "live.r.*.*", exact: false},
	} {
		set := compile(t, subjects.Filter{Resource: "r", Types: numbered("t", c.types), IDs: numbered("i", c.ids)})
		got := set.Patterns()
		if len(got) != c.patterns || !slices.Contains(got, c.first) || set.Exact() != c.exact {
			t.Errorf("%d types, %d ids: %d patterns such as %q, exact %v; want %d with %q, exact %v",
				c.types, c.ids, len(got), got[0], set.Exact(), c.patterns, c.first, c.exact)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	long := strings.Repeat("x", 1001)
	for _, c := range []struct {
		filter subjects.Filter
		field  string
	}{
		{subjects.Filter{}, "resource"},
		{subjects.Filter{Resource: "\xff"}, "resource"},
		{subjects.Filter{Resource: long}, "resource"},
		{subjects.Filter{Resource: "r", Types: []string{""}}, "type"},
		{subjects.Filter{Resource: "r", Types: []string{"*", ""}}, "type"},
		{subjects.Filter{Resource: "r", Types: []string{"a", "\xff"}}, "type"},
		{subjects.Filter{Resource: "r", IDs: []string{"1", "\xff"}}, "id"},
		{subjects.Filter{Resource: "*", IDs: []string{"1", long}}, "id"},
		{subjects.Filter{Resource: "r", Types: []string{"a"}, IDs: []string{"1", long[:992]}}, "id"},
	} {
		set, err := c.filter.Compile()
		if err == nil || set != nil {
			t.Errorf("compile %+v: %v, %v, want an error", c.filter, set, err)
			continue
		}
		wantField(t, err, c.field)
	}
}

func TestMatch(t *testing.T) {
	set := compile(t, subjects.Filter{Resource: "r", Types: []string{"a", "b"}, IDs: []string{"1", "x.y"}})
	for subject, want := range map[string]bool{
		"live.r.a.1":     true,
		"live.r.b.x%2Ey": true,
		"live.r.a._":     true,
		"live.r.a.%5F":   false,
		"live.r.a.2":     false,
		"live.r.c.1":     false,
		"live.q.a.1":     false,
		"live.r.a":       false,
		"live.r.a.1.1":   false,
		"live.r.a.":      false,
		"live..a.1":      false,
		"live.r..1":      false,
		"liver.a.1":      false,
		"dead.r.a.1":     false,
		"live.*.*.*":     false,
		"live.r.a.>":     false,
		"":               false,
	} {
		if got := set.Match(subject); got != want {
			t.Errorf("Match(%q) = %v, want %v", subject, got, want)
		}
	}
	if new(subjects.Set).Match("live.r.a.1") {
		t.Error("the zero Set matches")
	}
}

func TestFilterIsNormal(t *testing.T) {
	given := subjects.Filter{Resource: "r", Types: []string{"b", "a", "b"}, IDs: []string{"2", "", "1", "2"}}
	set := compile(t, given)
	want := subjects.Filter{Resource: "r", Types: []string{"a", "b"}, IDs: []string{"1", "2"}}
	if got := set.Filter(); !reflect.DeepEqual(got, want) {
		t.Errorf("Filter() = %+v, want %+v", got, want)
	}
	if given.Types[0] != "b" || given.IDs[0] != "2" {
		t.Errorf("Compile changed its filter: %+v", given)
	}
	set.Filter().Types[0] = "changed"
	set.Patterns()[0] = "changed"
	if got := set.Filter(); got.Types[0] != "a" || slices.Contains(set.Patterns(), "changed") {
		t.Errorf("a caller changed the set: %+v %q", got, set.Patterns())
	}
	if !set.Equal(set) || !set.Equal(compile(t, want)) {
		t.Error("a set does not equal one of the same filter")
	}
	for _, other := range []subjects.Filter{
		{Resource: "r"}, {Resource: "s", Types: want.Types, IDs: want.IDs}, {Resource: "r", Types: want.Types, IDs: []string{"1"}}, {Resource: "r", Types: []string{"a"}, IDs: want.IDs},
	} {
		if o := compile(t, other); set.Equal(o) || o.Equal(set) {
			t.Errorf("a set equals that of %+v", other)
		}
	}
	all := compile(t, subjects.Filter{Resource: "*", Types: []string{"a", "*"}, IDs: []string{}})
	if got := all.Filter(); !reflect.DeepEqual(got, subjects.Filter{Resource: "*"}) {
		t.Errorf("Filter() = %+v, want all", got)
	}
}

// natsMatch is the reference: a subject against a pattern by the rules of NATS.
func natsMatch(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	if len(p) != len(s) {
		return false
	}
	for i := range p {
		if s[i] == "" || p[i] != "*" && p[i] != s[i] {
			return false
		}
	}
	return true
}

// asked is the reference for Match, on texts.
func asked(f subjects.Filter, n subjects.Name) bool {
	return (f.Resource == "*" || f.Resource == n.Resource) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, "*") || slices.Contains(f.Types, n.Type)) &&
		(len(f.IDs) == 0 || n.ID == "" || slices.Contains(f.IDs, n.ID))
}

func TestMatchAgreesWithNATS(t *testing.T) {
	word := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "_", "*", ">", "a.b", "%5F", "é"}), rapid.StringN(1, 3, 8))
	id := rapid.OneOf(rapid.Just(""), word)
	rapid.Check(t, func(t *rapid.T) {
		f := subjects.Filter{
			Resource: word.Draw(t, "resource"),
			Types:    rapid.SliceOfN(word, 0, rapid.SampledFrom([]int{2, 12, 90}).Draw(t, "max types")).Draw(t, "types"),
			IDs:      rapid.SliceOfN(id, 0, rapid.SampledFrom([]int{2, 12, 90}).Draw(t, "max ids")).Draw(t, "ids"),
		}
		set, err := f.Compile()
		if err != nil {
			t.Fatal(err)
		}
		patterns := set.Patterns()
		checkPatterns(t, patterns)
		again, err := set.Filter().Compile()
		if err != nil || !slices.Equal(again.Patterns(), patterns) || again.Exact() != set.Exact() ||
			!reflect.DeepEqual(again.Filter(), set.Filter()) {
			t.Fatalf("%+v and its normal form %+v differ: %v", f, set.Filter(), err)
		}
		resource := rapid.OneOf(rapid.Just(f.Resource), word)
		kind, ids := word, id
		if len(f.Types) > 0 {
			kind = rapid.OneOf(rapid.SampledFrom(f.Types), word)
		}
		if len(f.IDs) > 0 {
			ids = rapid.OneOf(rapid.SampledFrom(f.IDs), id)
		}
		for range 8 {
			n := subjects.Name{Resource: resource.Draw(t, "r"), Type: kind.Draw(t, "t"), ID: ids.Draw(t, "i")}
			checkMatch(t, f, set, patterns, n)
		}
	})
}

// checkPatterns checks the number of the patterns and that none covers another.
func checkPatterns(t *rapid.T, patterns []string) {
	if len(patterns) == 0 || len(patterns) > subjects.MaxPatterns {
		t.Fatalf("%d patterns", len(patterns))
	}
	for i, p := range patterns {
		if !natsMatch(subjects.All, p) {
			t.Fatalf("pattern %q is not under %s", p, subjects.All)
		}
		for j, q := range patterns {
			if i != j && natsMatch(p, q) {
				t.Fatalf("pattern %q contains %q", p, q)
			}
		}
	}
}

func checkMatch(t *rapid.T, f subjects.Filter, set *subjects.Set, patterns []string, n subjects.Name) {
	subject, err := n.Subject()
	if err != nil {
		t.Fatal(err)
	}
	covered := slices.ContainsFunc(patterns, func(p string) bool { return natsMatch(p, subject) })
	match := set.Match(subject)
	if match != asked(f, n) {
		t.Fatalf("%+v: Match(%q) = %v", f, subject, match)
	}
	if match && !covered || set.Exact() && covered != match {
		t.Fatalf("%+v: %q: match %v, covered by %q %v, exact %v", f, subject, match, patterns, covered, set.Exact())
	}
}

// FuzzMatch proves that on any string an exact set and its patterns agree.
func FuzzMatch(f *testing.F) {
	f.Add("r", "t", "1", "live.r.t.1")
	f.Add("*", "*", "", "live.r.t.a@b")
	f.Add("*", "t", "*", "live.r.t.%2A")
	f.Add("r", "t", "1", "live.r.t.1.2")
	f.Fuzz(func(t *testing.T, resource, kind, id, subject string) {
		set, err := subjects.Filter{Resource: resource, Types: []string{kind}, IDs: []string{id}}.Compile()
		if err != nil {
			return
		}
		covered := slices.ContainsFunc(set.Patterns(), func(p string) bool { return natsMatch(p, subject) })
		if !set.Exact() || covered != set.Match(subject) {
			t.Fatalf("Match(%q) = %v, exact %v, covered by %q %v", subject, set.Match(subject), set.Exact(), set.Patterns(), covered)
		}
	})
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, ids := range []int{0, 3, 1000} {
		set := compile(t, subjects.Filter{Resource: "products", Types: numbered("t", 20), IDs: numbered("i", ids)})
		if n := testing.AllocsPerRun(100, func() { set.Match("live.products.t7.i2") }); n != 0 {
			t.Errorf("%d ids: %v allocations", ids, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct {
		what   string
		filter subjects.Filter
	}{
		{"all", subjects.Filter{Resource: "*"}},
		{"other", subjects.Filter{Resource: "orders"}},
		{"types=2", subjects.Filter{Resource: "products", Types: []string{"created", "updated"}}},
		{"ids=3", subjects.Filter{Resource: "products", IDs: []string{"41", "42", "43"}}},
		{"ids=1000", subjects.Filter{Resource: "products", IDs: numbered("", 1000)}},
	} {
		set := compile(b, c.filter)
		b.Run(c.what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Match("live.products.updated.42")
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	f := subjects.Filter{Resource: "products", Types: []string{"created", "updated"}, IDs: numbered("", 1000)}
	b.ReportAllocs()
	for b.Loop() {
		compile(b, f)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := subjects.Parse("live.products.updated.a%2Eb"); err != nil {
			b.Fatal(err)
		}
	}
}
