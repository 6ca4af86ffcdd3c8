package auth

import (
	"strings"
	"testing"

	"github.com/livebridge/livebridge/subjects"
)

// rights are patterns that a table can read aloud: allow("orders.>").deny("orders.*.7").
type rights struct{ allowed, denied []string }

func allow(patterns ...string) rights { return rights{allowed: patterns} }

func (r rights) deny(patterns ...string) rights {
	r.denied = append(r.denied, patterns...)
	return r
}

func (r rights) rules(t testing.TB) Rules {
	t.Helper()
	rules, err := NewRules(r.allowed, r.denied)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// grant subscribes and publishes by the same rights.
func (r rights) grant(t testing.TB) *Grant {
	t.Helper()
	return &Grant{Subscribe: r.rules(t), Publish: r.rules(t)}
}

func TestParsePattern(t *testing.T) {
	for text, want := range map[string]pattern{
		">":                    {"*", "*", "*"},
		"*.*.*":                {"*", "*", "*"},
		"products.>":           {"products", "*", "*"},
		"products.updated.>":   {"products", "updated", "*"},
		"products.*.*":         {"products", "*", "*"},
		"*.>":                  {"*", "*", "*"},
		"*.*.7":                {"*", "*", "7"},
		"*.deleted.>":          {"*", "deleted", "*"},
		"orders.updated._":     {"orders", "updated", "_"},
		"orders.updated.%5F":   {"orders", "updated", "%5F"},
		"orders.updated.%2A":   {"orders", "updated", "%2A"},
		"orders.updated.%252A": {"orders", "updated", "%252A"},
		"%3E.%3E.%3E":          {"%3E", "%3E", "%3E"},
		"b%C3%BCcher.*.*":      {"b%C3%BCcher", "*", "*"},
	} {
		got, err := parsePattern(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for text, why := range map[string]string{
		"":                        "write resource.type.id",
		"products":                "write resource.type.id",
		"products.*":              "write resource.type.id",
		"products.*.*.*":          "write resource.type.id",
		"live.products.*.*":       "write resource.type.id",
		"a.b.c.>":                 "write resource.type.id",
		">.>":                     "write resource.type.id",
		">.updated.7":             "write resource.type.id",
		"a.>.c":                   "write resource.type.id",
		".updated.7":              "empty",
		"a..7":                    "empty",
		"a.b.":                    "empty",
		"a.b.*7":                  `write "%2A"`,
		"a.b.>7":                  `write "%3E"`,
		"a.b c.7":                 `write "%20"`,
		"a.b.%2a":                 "upper-case hex",
		"a.b.%2":                  "ends inside an escape",
		"a.b.%41":                 "stands for itself",
		"a.b.%FF":                 "not UTF-8",
		"a.b.\x00":                "write",
		"a.b.c\n":                 "write",
		"bücher.*.*":              "write",
		"_.*.*":                   "only an id",
		"a._.*":                   "only an id",
		"a.b.＊":                   "write", // a full-width star
		strings.Repeat("x", 9999): "write resource.type.id",
	} {
		_, err := parsePattern(text)
		if err == nil || !strings.Contains(err.Error(), why) || len(err.Error()) > 250 {
			t.Errorf("%.60q: %v, want it to say %q", text, err, why)
		}
	}
	for _, lists := range [][2][]string{{{"a.>", "nonsense"}, nil}, {nil, {"a.>", "nonsense"}}} {
		if r, err := NewRules(lists[0], lists[1]); err == nil || r.allow != nil || r.deny != nil {
			t.Errorf("%q: %v, %v, want no rules and an error", lists, r, err)
		}
	}
}

func TestRulesMatch(t *testing.T) {
	for _, c := range []struct {
		what   string
		rights rights
		yes    string // ids, types and resources that are short of "live."
		no     string
	}{
		{"nothing is allowed where nothing is said", allow(), "", "a.b.c a.b._"},
		{"a denial alone allows nothing", allow().deny("a.b.c"), "", "a.b.c a.b.d"},
		{"everything", allow(">"), "a.b.c a.b._ %2A.%3E.%2E", ""},
		{"one resource", allow("orders.>"), "orders.updated.7 orders.x._", "order.updated.7 orders2.updated.7 ORDERS.updated.7"},
		{"one type anywhere", allow("*.deleted.*"), "a.deleted.1 b.deleted._", "a.delete.1 deleted.a.1"},
		{"one id anywhere", allow("*.*.7"), "a.b.7", "a.b.77 a.7.b a.b._"},
		{"exactly one event", allow("a.b.c"), "a.b.c", "a.b.d a.b._"},
		{"several", allow("a.b.c", "d.>"), "a.b.c d.x.y", "a.b.d"},
		{"a denial nested in what is allowed", allow("orders.>").deny("orders.*.7"), "orders.updated.8 orders.updated._", "orders.updated.7"},
		{"an allowance nested in a denial gains nothing", allow("orders.*.7", ">").deny("orders.>"), "a.b.7", "orders.updated.7"},
		{"denied as it is allowed", allow("orders.>").deny("orders.*.*"), "", "orders.updated.7 orders.x._"},
		{"everything denied", allow(">").deny(">"), "", "a.b.c"},
		{"wildcards that cross", allow("orders.*.*").deny("*.deleted.*"), "orders.updated.7", "orders.deleted.7 a.updated.7"},
		{"wildcards that cross twice", allow("*.b.*").deny("a.*.*", "*.*.7"), "c.b.1", "a.b.1 c.b.7"},
		{"denials that overlap", allow(">").deny("a.*.7", "a.b.*"), "a.c.8 b.b.7", "a.c.7 a.b.7 a.b.8"},
		{"no particular record is an id of its own", allow("a.b._"), "a.b._", "a.b.%5F a.b.1"},
		{"no particular record may be denied", allow("a.>").deny("a.*._"), "a.b.1 a.b.%5F", "a.b._"},
		{"an escaped star is a text", allow("a.b.%2A"), "a.b.%2A", "a.b.1 a.b._ a.b.%252A"},
		{"escaped twice is another text", allow("a.b.%252A"), "a.b.%252A", "a.b.%2A a.b.1"},
		{"an escaped > is a text", allow("%3E.*.*").deny("%3E.%3E.%3E"), "%3E.a.b", "%3E.%3E.%3E a.b.c"},
		{"an escaped dot adds no token", allow("a.b.*"), "a.b.c%2Ed", "a%2Eb.c.d"},
		{"unicode is compared byte by byte", allow("caf%C3%A9.>"), "caf%C3%A9.a.b", "cafe%CC%81.a.b cafe.a.b"},
		{"no lookalikes", allow("admin.>"), "admin.a.b", "%D0%B0dmin.a.b ADMIN.a.b"},
	} {
		rules := c.rights.rules(t)
		for s := range strings.FieldsSeq(c.yes) {
			if !rules.Matches("live." + s) {
				t.Errorf("%s: %s is held back", c.what, s)
			}
		}
		for s := range strings.FieldsSeq(c.no) {
			if rules.Matches("live." + s) {
				t.Errorf("%s: %s is let through", c.what, s)
			}
		}
	}
}

func TestRulesMatchOnlyEvents(t *testing.T) {
	everything := allow(">").rules(t)
	for _, subject := range []string{
		"", "live", "live.", "live.a", "live.a.b", "live.a.b.", "live.a..c", "live..b.c", "live...", "live.a.b.c.d", "live.a.b.c.",
		"dead.a.b.c", "Live.a.b.c", "livea.b.c", "a.b.c", ".live.a.b.c", "live.*.*.*", "live.a.*.c", "live.a.b.>", "live.>", "$JS.API.a.b",
	} {
		if everything.Matches(subject) {
			t.Errorf("%q is taken for an event", subject)
		}
	}
	if new(Rules).Matches("live.a.b.c") {
		t.Error("the zero Rules allow something")
	}
}

func TestMatchesAllocatesNothing(t *testing.T) {
	rules := allow("products.*.*", "orders.updated.>", "*.*.7").deny("orders.*.7", "*.deleted.*").rules(t)
	if n := testing.AllocsPerRun(100, func() { rules.Matches("live.orders.updated.a%2Eb") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatches(b *testing.B) {
	rules := allow("products.*.*", "orders.updated.>", "*.*.7").deny("orders.*.7", "*.deleted.*").rules(b)
	for _, c := range []struct{ name, subject string }{
		{"allowed", "live.orders.updated.42"}, {"denied", "live.orders.updated.7"}, {"outside", "live.users.updated.42"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rules.Matches(c.subject)
			}
		})
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, seed := range []string{">", "a.>", "a.b.>", "*.*.*", "a.b._", "a.%2A.%252A", "a.b.c.d", "_.a.b", "a..b", "%FF.a.b", ">.>.>", "%0\"" + strings.Repeat("\xc7", 48) + ".\xde."} {
		f.Add(seed, "live.a.b.c")
	}
	f.Fuzz(func(t *testing.T, text, subject string) {
		p, err := parsePattern(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 600 { // 48 bytes twice, escaped
				t.Errorf("not one short line: %q", err)
			}
			return
		}
		if again, err := parsePattern(strings.Join(p[:], ".")); err != nil || again != p {
			t.Errorf("%q: %v became %v, %v", text, p, again, err)
		}
		n, err := subjects.Parse(subject)
		if err != nil {
			return
		}
		rules := must(NewRules([]string{text}, nil))
		want := true
		for i, part := range []string{n.Resource, n.Type, n.ID} {
			want = want && (p[i] == "*" || p[i] == subjects.Escape(part))
		}
		if rules.Matches(subject) != want {
			t.Errorf("%q matches %q: %v, want %v", text, subject, !want, want)
		}
	})
}
