package auth

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/livebridge/livebridge/subjects"
	"pgregory.net/rapid"
)

// asks reads "resource", "resource type,type" or "resource type,type id,id"; a lone - is an empty list, "" in quotes the empty id.
func asks(text string) subjects.Filter {
	list := func(s string) []string {
		if s == "-" {
			return nil
		}
		return strings.Split(strings.ReplaceAll(s, `""`, ""), ",")
	}
	parts := append(strings.Fields(text), "-", "-")
	return subjects.Filter{Resource: parts[0], Types: list(parts[1]), IDs: list(parts[2])}
}

func TestMaySubscribe(t *testing.T) {
	for _, c := range []struct {
		rights rights
		may    []string
		mayNot []string
	}{
		{allow(), nil, []string{"*", "a", "a b", "a b 1", `a b ""`}},
		{allow().deny("a.b.c"), nil, []string{"*", "a b c", "a"}},
		{allow(">"), []string{"*", "a", "a b", "a b 1", "* b", "* - 1", "a *", "a - *"}, nil},
		{allow("products.>"),
			[]string{"products", "products updated", "products updated,deleted", "products - 1,2", "products * 1", `products - ""`},
			[]string{"*", "orders", "product", "products2", "* updated", "* - 1", ">", "PRODUCTS"}},
		{allow("products.>", "orders.>"), []string{"products", "orders"}, []string{"*", "users"}}, // all that there may be, but not all
		{allow("orders.updated.>"),
			[]string{"orders updated", "orders updated 1", "orders updated,updated"},
			[]string{"orders", "orders *", "orders updated,*", "orders updated,deleted", "orders - 1", "* updated"}},
		{allow("orders.updated.>", "orders.deleted.>"), []string{"orders updated,deleted", "orders deleted 1"}, []string{"orders", "orders updated,created"}},
		{allow("orders.updated.*", "orders.*.7"), // one type and one id, not their sum
			[]string{"orders updated", "orders - 7", "orders updated,deleted 7", "orders updated 7,8"},
			[]string{"orders", "orders - 7,8", "orders deleted 8", "orders updated,deleted 7,8"}},
		{allow("orders.a.1", "orders.a.2", "orders.b.1"), []string{"orders a 1,2", "orders a,b 1", "orders a 2,1,2"}, []string{"orders a,b 1,2", "orders a", "orders - 1"}},
		{allow("*.*.7"), []string{"* - 7", "a - 7", "a b 7", "* b 7"}, []string{"*", "a", "a b", "a - 7,8", "a b 77"}},
		{allow("*.deleted.*"), []string{"* deleted", "a deleted 1"}, []string{"*", "a", "a deleted,updated"}},

		// An id may be a star, a type or a resource may not.
		{allow("a.b.%2A"), []string{"a b *"}, []string{"a b", "a b 1", "a b %2A"}},
		{allow("a.b.%252A"), []string{"a b %2A"}, []string{"a b *", "a b"}},
		{allow("a.b.%3E"), []string{"a b >"}, []string{"a b", "a"}},
		{allow("%2A.*.*"), nil, []string{"*"}},
		{allow("a.%2A.*"), nil, []string{"a *", "a"}},

		// No particular record: only looked at where nothing else is asked for.
		{allow("a.*.1"), []string{"a - 1", `a - 1,""`}, []string{`a - ""`, "a"}},
		{allow("a.*._"), []string{`a - ""`, `a b ""`}, []string{"a - 1", `a - "",1`, "a", "a - _"}},
		{allow("a.*.%5F"), []string{"a - _"}, []string{`a - ""`}},

		// What is denied is held back, and refused where it is all that is asked for.
		{allow("orders.>").deny("orders.*.7"),
			[]string{"orders", "orders updated", "orders - 7,8", "orders updated 8", "orders - 8"},
			[]string{"orders - 7", "orders updated 7", "orders updated,deleted 7,7", "*"}},
		{allow("orders.>").deny("orders.*.7", "orders.*.8"), []string{"orders - 7,8,9"}, []string{"orders - 7,8", "orders a 8,7"}},
		{allow("orders.>").deny("orders.deleted.*"), []string{"orders", "orders updated,deleted", "orders - 7"}, []string{"orders deleted", "orders deleted 1,2"}},
		{allow("orders.>").deny("orders.a.*", "orders.*.7"), []string{"orders a,b 7,8"}, []string{"orders a,b 7", "orders a 7,8", "orders a"}},
		{allow("orders.>").deny("orders.a.1", "orders.b.2"), []string{"orders a,b 1,2", "orders a,b 1"}, []string{"orders a 1"}},
		{allow("orders.>").deny(">"), nil, []string{"orders", "orders - 1"}},
		{allow("orders.>").deny("orders.>"), nil, []string{"orders", "orders a 1", `orders - ""`}},
		{allow("orders.>").deny("*.*.*"), nil, []string{"orders"}},
		{allow(">").deny("secrets.>"), []string{"*", "orders", "* - 1"}, []string{"secrets", "secrets a 1"}},
		{allow(">").deny("*.deleted.*"), []string{"*", "a", "* updated,deleted"}, []string{"* deleted", "a deleted"}},
		{allow("orders.>").deny("users.>"), []string{"orders"}, []string{"users"}},
		{allow("a.>").deny("a.*._"), []string{"a", "a - 1", `a - "",1`}, []string{`a - ""`}},
	} {
		g := c.rights.grant(t)
		for _, text := range c.may {
			if !g.MaySubscribe(asks(text)) {
				t.Errorf("%+v: %q is refused", c.rights, text)
			}
		}
		for _, text := range c.mayNot {
			if g.MaySubscribe(asks(text)) {
				t.Errorf("%+v: %q is allowed", c.rights, text)
			}
		}
	}
}

// A filter and its normal form are the same question.
func TestMaySubscribeLeavesTheFilterAlone(t *testing.T) {
	f := subjects.Filter{Resource: "a", Types: []string{"c", "b", "c"}, IDs: []string{"2", "", "1"}}
	allow("a.>").deny("a.*.1").grant(t).MaySubscribe(f)
	if !slices.Equal(f.Types, []string{"c", "b", "c"}) || !slices.Equal(f.IDs, []string{"2", "", "1"}) {
		t.Errorf("the filter became %+v", f)
	}
}

// Thousands of types times a thousand ids against a thousand patterns would be billions of comparisons.
func TestMaySubscribeIsBounded(t *testing.T) {
	number := func(prefix string, n int) (list []string) {
		for i := range n {
			list = append(list, prefix+strconv.Itoa(i))
		}
		return list
	}
	f := subjects.Filter{Resource: "a", Types: number("t", 3000), IDs: number("", 1000)}
	patterns := number("a.*.", 1000)
	if !allow(patterns...).grant(t).MaySubscribe(f) {
		t.Error("refused")
	}
	if allow(patterns[1:]...).grant(t).MaySubscribe(f) {
		t.Error("allowed without a right to the first id")
	}
}

func TestDeliver(t *testing.T) {
	if allow("a.>", ">").grant(t).Deliver() != nil {
		t.Error("a grant for everything looks at every event")
	}
	for _, c := range []struct {
		rights rights
		asks   string
		sees   string
		misses string
	}{
		{allow("orders.>").deny("orders.*.7"), "orders", "orders.a.1 orders.a._", "orders.a.7"},
		{allow("orders.>").deny("orders.*.7"), "orders - 7,8", "orders.a.8 orders.a._", "orders.a.7"},
		{allow("orders.>").deny("orders.*._"), "orders - 7,8", "orders.a.8 orders.a.7", "orders.a._"},
		{allow("orders.*.7"), "orders - 7", "orders.a.7", "orders.a._"}, // matched by the filter, outside what is allowed
		{allow("orders.*.7", "orders.bulk._"), "orders - 7", "orders.a.7 orders.bulk._", "orders.a._"},
		{allow("orders.*._"), `orders - ""`, "orders.a._", ""},
		{allow(">").deny("secrets.>"), "*", "orders.a.1 orders.a._", "secrets.a.1 secrets.a._"},
		{allow(">").deny("*.deleted.*"), "* - 1", "a.b.1 a.b._", "a.deleted.1 a.deleted._"},
	} {
		g, f := c.rights.grant(t), asks(c.asks)
		if !g.MaySubscribe(f) {
			t.Errorf("%+v: %q is refused", c.rights, c.asks)
		}
		set, deliver := must(f.Compile()), g.Deliver()
		for s := range strings.FieldsSeq(c.sees) {
			if !set.Match("live."+s) || !deliver("live."+s) {
				t.Errorf("%+v: %q does not see %s", c.rights, c.asks, s)
			}
		}
		for s := range strings.FieldsSeq(c.misses) {
			if deliver("live." + s) {
				t.Errorf("%+v: %q sees %s", c.rights, c.asks, s)
			}
		}
	}
}

func TestMayPublish(t *testing.T) {
	g := allow("products.>", "*.bulk._", "a.b.%2A").deny("products.deleted.*").grant(t)
	for _, c := range []struct {
		name subjects.Name
		want bool
	}{
		{subjects.Name{Resource: "products", Type: "updated", ID: "7"}, true},
		{subjects.Name{Resource: "products", Type: "updated"}, true},
		{subjects.Name{Resource: "products", Type: "up.dated", ID: "a.b"}, true},
		{subjects.Name{Resource: "products", Type: "deleted", ID: "7"}, false},
		{subjects.Name{Resource: "orders", Type: "bulk"}, true},
		{subjects.Name{Resource: "orders", Type: "bulk", ID: "_"}, false},
		{subjects.Name{Resource: "orders", Type: "updated", ID: "7"}, false},
		{subjects.Name{Resource: "a", Type: "b", ID: "*"}, true},
		{subjects.Name{Resource: "a", Type: "b", ID: "%2A"}, false},
		{subjects.Name{Resource: "*", Type: "updated", ID: "7"}, false},
		{subjects.Name{Resource: ">", Type: "updated", ID: "7"}, false},
		{subjects.Name{Resource: "products.updated", Type: "updated", ID: "7"}, false},
		{subjects.Name{Resource: "products\n", Type: "updated", ID: "7"}, false},
		{subjects.Name{Resource: "$JS", Type: "API", ID: "x"}, false},
		{subjects.Name{Resource: "", Type: "updated", ID: "7"}, false},
		{subjects.Name{Resource: "products", Type: "", ID: "7"}, false},
		{subjects.Name{Resource: "products", Type: "updated", ID: "\xff"}, false},
		{subjects.Name{Resource: "products", Type: "updated", ID: strings.Repeat("x", 1000)}, false},
	} {
		if got := g.MayPublish(c.name); got != c.want {
			t.Errorf("%.80q: %v, want %v", c.name, got, c.want)
		}
	}
	if everything := allow(">").grant(t); everything.MayPublish(subjects.Name{Type: "a"}) {
		t.Error("a name without a resource may be published")
	}
}

func TestNotBefore(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for history, want := range map[time.Duration]time.Time{-1: {}, 0: now, 24 * time.Hour: now.AddDate(0, 0, -1)} {
		if got := (&Grant{History: history}).NotBefore(now); !got.Equal(want) {
			t.Errorf("history %v: %v, want %v", history, got, want)
		}
	}
}

// The promise of this package, for any grant, filter and event: who may subscribe gets every event of the filter that is not denied, and
// nobody gets what is not allowed.
func TestGrantKeepsItsPromise(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "b", "c", "*", ">", "_", "a.b", "%2A", "é"})
	id := rapid.OneOf(word, rapid.Just(""))
	token := func(texts *rapid.Generator[string]) *rapid.Generator[string] {
		return rapid.OneOf(rapid.Just("*"), rapid.Map(texts, subjects.Escape))
	}
	anyPattern := rapid.Custom(func(t *rapid.T) string {
		p := token(word).Draw(t, "resource") + "." + token(word).Draw(t, "type") + "." + token(id).Draw(t, "id")
		if strings.HasSuffix(p, ".*") && rapid.Bool().Draw(t, "as >") {
			p = strings.TrimSuffix(p, "*") + ">"
		}
		return p
	})
	allowed, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := rights{rapid.SliceOfN(anyPattern, 0, 6).Draw(t, "allow"), rapid.SliceOfN(anyPattern, 0, 3).Draw(t, "deny")}
		rules, err := NewRules(r.allowed, r.denied)
		if err != nil {
			t.Fatal(err)
		}
		g := &Grant{Subscribe: rules, Publish: rules}
		f := subjects.Filter{
			Resource: word.Draw(t, "asked resource"),
			Types:    rapid.SliceOfN(word, 0, 3).Draw(t, "asked types"),
			IDs:      rapid.SliceOfN(id, 0, 3).Draw(t, "asked ids"),
		}
		set, err := f.Compile()
		if err != nil {
			t.Fatal(err)
		}
		may := g.MaySubscribe(f)
		if may != g.MaySubscribe(set.Filter()) {
			t.Fatalf("%+v and its normal form are answered differently", f)
		}
		if want := mayByExample(r, f); may != want {
			t.Fatalf("%+v by %+v: %v, want %v", f, r, may, want)
		}
		deliver := g.Deliver()
		if deliver == nil {
			deliver = func(string) bool { return true }
		}
		for range 8 {
			n := subjects.Name{Resource: word.Draw(t, "resource"), Type: word.Draw(t, "type"), ID: id.Draw(t, "id")}
			subject, err := n.Subject()
			if err != nil {
				t.Fatal(err)
			}
			in, out := natsMatches(r.allowed, subject), natsMatches(r.denied, subject)
			if deliver(subject) != (in && !out) || g.MayPublish(n) != (in && !out) {
				t.Fatalf("%s: delivered %v, published %v; allowed %v, denied %v", subject, deliver(subject), g.MayPublish(n), in, out)
			}
			besides := n.ID == "" && len(f.IDs) > 0 && slices.ContainsFunc(f.IDs, func(id string) bool { return id != "" })
			if may && set.Match(subject) && !besides && !in {
				t.Fatalf("%s is asked for and not allowed, yet %+v was", subject, f)
			}
		}
		if may {
			allowed++
		} else {
			refused++
		}
	})
	if allowed == 0 || refused == 0 {
		t.Errorf("%d filters were allowed and %d refused: the test shows nothing", allowed, refused)
	}
}

// mayByExample is the reference for MaySubscribe: a wildcard is allowed where a name that no pattern knows is.
func mayByExample(r rights, f subjects.Filter) bool {
	names := func(texts []string, wild bool) []string {
		if len(texts) == 0 || wild && slices.Contains(texts, "*") {
			return []string{"unheard-of"}
		}
		return texts
	}
	ids := names(f.IDs, false)
	if named := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" }); len(named) > 0 {
		ids = named
	}
	some := false
	for _, kind := range names(f.Types, true) {
		for _, id := range ids {
			subject := must(subjects.Name{Resource: names([]string{f.Resource}, true)[0], Type: kind, ID: id}.Subject())
			if !natsMatches(r.allowed, subject) {
				return false
			}
			some = some || !natsMatches(r.denied, subject)
		}
	}
	return some
}

// natsMatches is the reference: by the rules of NATS, on strings.
func natsMatches(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		p, s := strings.Split(subjects.Root+"."+pattern, "."), strings.Split(subject, ".")
		for i := range p {
			if p[i] == ">" {
				return i < len(s)
			}
			if i >= len(s) || p[i] != "*" && p[i] != s[i] {
				return false
			}
		}
		return len(p) == len(s)
	})
}
