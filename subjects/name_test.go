package subjects_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/livebridge/livebridge/subjects"
)

func ExampleName_Subject() {
	subject, err := subjects.Name{Resource: "blog/posts", Type: "updated", ID: "a.b@c"}.Subject()
	fmt.Println(subject, err)
	subject, err = subjects.Name{Resource: "products", Type: "imported"}.Subject()
	fmt.Println(subject, err)
	_, err = subjects.Name{Type: "updated"}.Subject()
	fmt.Println(err)
	// Output:
	// live.blog%2Fposts.updated.a%2Eb%40c <nil>
	// live.products.imported._ <nil>
	// resource is empty: name the resource, or use "*" in a subscription for all
}

func ExampleParse() {
	name, err := subjects.Parse("live.products.updated.a%2Eb")
	fmt.Printf("%+v %v\n", name, err)
	_, err = subjects.Parse("live.products.updated.a@b")
	fmt.Println(err)
	// Output:
	// {Resource:products Type:updated ID:a.b} <nil>
	// id "a@b" holds "@" as it is: write "%40"
}

func TestSubject(t *testing.T) {
	for _, c := range []struct {
		name    subjects.Name
		subject string
	}{
		{subjects.Name{"products", "updated", "42"}, "live.products.updated.42"},
		{subjects.Name{"products", "updated", ""}, "live.products.updated._"},
		{subjects.Name{"products", "updated", "_"}, "live.products.updated.%5F"},
		{subjects.Name{"_", "_", "_"}, "live.%5F.%5F.%5F"},
		{subjects.Name{"*", ">", "*"}, "live.%2A.%3E.%2A"},
		{subjects.Name{"live", "live.x", " "}, "live.live.live%2Ex.%20"},
		{subjects.Name{"r", "t", strings.Repeat("x", 991)}, "live.r.t." + strings.Repeat("x", 991)},
	} {
		subject, err := c.name.Subject()
		if err != nil || subject != c.subject {
			t.Errorf("%+v.Subject() = %q, %v, want %q", c.name, subject, err, c.subject)
		}
		if name, err := subjects.Parse(c.subject); err != nil || name != c.name {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", c.subject, name, err, c.name)
		}
	}
}

func TestSubjectRefuses(t *testing.T) {
	for _, c := range []struct {
		name        subjects.Name
		field, says string
	}{
		{subjects.Name{"", "t", "1"}, "resource", `resource is empty: name the resource, or use "*" in a subscription for all`},
		{subjects.Name{"r", "", "1"}, "type", `type is empty: name the type, such as "updated"; a subscription to all types lists none`},
		{subjects.Name{"\xff", "t", "1"}, "resource", `resource "\xff" is not valid UTF-8: use UTF-8 text`},
		{subjects.Name{"r", "a\xc3", "1"}, "type", `type "a\xc3" is not valid UTF-8: use UTF-8 text`},
		{subjects.Name{"r", "t", "\xed\xa0\x80"}, "id", `id "\xed\xa0\x80" is not valid UTF-8: use UTF-8 text`},
		{subjects.Name{"r", "t", strings.Repeat("x", 1001)}, "id", `id is 1001 bytes long: a subject has at most 1000 bytes`},
		{subjects.Name{"r", "t", strings.Repeat("x", 992)}, "id",
			`id "` + strings.Repeat("x", 48) + `"… is too long: it takes 992 bytes of a subject of 1001, which may have 1000`},
		{subjects.Name{"r", strings.Repeat("日", 400), ""}, "type", `type is 1200 bytes long: a subject has at most 1000 bytes`},
		{subjects.Name{"r", strings.Repeat("日", 111), "1"}, "type",
			`type "` + strings.Repeat("%E6%97%A5", 5) + `%E6"… is too long: it takes 999 bytes of a subject of 1008, which may have 1000`},
		{subjects.Name{strings.Repeat("r", 600), strings.Repeat("t", 500), ""}, "resource",
			`resource "` + strings.Repeat("r", 48) + `"… is too long: it takes 600 bytes of a subject of 1108, which may have 1000`},
	} {
		subject, err := c.name.Subject()
		if err == nil || subject != "" {
			t.Errorf("%+v.Subject() = %q, %v, want an error", c.name, subject, err)
			continue
		}
		if err.Error() != c.says {
			t.Errorf("error\n\t%s\nwant\n\t%s", err, c.says)
		}
		wantField(t, err, c.field)
	}
}

func TestParseRefuses(t *testing.T) {
	four := ` does not have the four tokens live.<resource>.<type>.<id>`
	for _, c := range []struct{ subject, field, says string }{
		{"", "subject", `subject ""` + four},
		{"live", "subject", `subject "live"` + four},
		{"live.a.b", "subject", `subject "live.a.b"` + four},
		{"live.a.b.c.d", "subject", `subject "live.a.b.c.d"` + four},
		{"live.a.b.c.", "subject", `subject "live.a.b.c."` + four},
		{"live..b.c", "subject", `subject "live..b.c"` + four},
		{"live.a..c", "subject", `subject "live.a..c"` + four},
		{"live.a.b.", "subject", `subject "live.a.b."` + four},
		{"LIVE.a.b.c", "subject", `subject "LIVE.a.b.c"` + four},
		{" live.a.b.c", "subject", `subject " live.a.b.c"` + four},
		{"live.a.b." + strings.Repeat("c", 992), "subject", `subject is 1001 bytes long: use at most 1000`},
		{"live._.b.c", "resource", `resource is "_", the empty text: only an id may be empty; the text "_" is "%5F"`},
		{"live.a._.c", "type", `type is "_", the empty text: only an id may be empty; the text "_" is "%5F"`},
		{"live.*.b.c", "resource", `resource "*" holds "*" as it is: write "%2A"`},
		{"live.a.b.>", "id", `id ">" holds ">" as it is: write "%3E"`},
		{"live.a.b c.d", "type", `type "b c" holds " " as it is: write "%20"`},
		{"live.a.b.c\n", "id", `id "c\n" holds "\n" as it is: write "%0A"`},
		{"live.a.b.%2e", "id", `id "%2e" holds "%2e": write % and two upper-case hex digits`},
	} {
		name, err := subjects.Parse(c.subject)
		if err == nil || name != (subjects.Name{}) {
			t.Errorf("Parse(%q) = %+v, %v, want an error", c.subject, name, err)
			continue
		}
		if err.Error() != c.says {
			t.Errorf("error\n\t%s\nwant\n\t%s", err, c.says)
		}
		wantField(t, err, c.field)
	}
}

// FuzzSubject proves that any three texts become four tokens and come back.
func FuzzSubject(f *testing.F) {
	f.Add("products", "updated", "42")
	f.Add("*", ">", "")
	f.Add("a.b", "_", "\xff")
	f.Fuzz(func(t *testing.T, resource, kind, id string) {
		n := subjects.Name{Resource: resource, Type: kind, ID: id}
		subject, err := n.Subject()
		if err != nil {
			valid := utf8.ValidString(resource) && utf8.ValidString(kind) && utf8.ValidString(id)
			if resource != "" && kind != "" && valid && len(resource)+len(kind)+len(id) <= 300 {
				t.Fatalf("%+v.Subject(): %v", n, err)
			}
			return
		}
		if strings.Count(subject, ".") != 3 || strings.ContainsAny(subject, "*> \t\r\n\x00") || len(subject) > subjects.MaxLen {
			t.Fatalf("%+v.Subject() = %q", n, subject)
		}
		if back, err := subjects.Parse(subject); err != nil || back != n {
			t.Fatalf("Parse(%q) = %+v, %v, want %+v", subject, back, err, n)
		}
	})
}

// FuzzParse proves that Parse accepts nothing but what Subject writes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"live.a.b.c", "live.a.b._", "live._.b.c", "live.a.b.%5F", "live.a.b.%2a", "live.*.b.>", "live.a.b", "live.a.b.%FF"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		n, err := subjects.Parse(subject)
		if err != nil {
			return
		}
		if again, err := n.Subject(); err != nil || again != subject {
			t.Fatalf("Parse(%q) = %+v, whose subject is %q, %v", subject, n, again, err)
		}
	})
}
