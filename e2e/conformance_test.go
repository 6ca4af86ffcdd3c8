package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var writeConformance = flag.Bool("write-conformance", false, "write the result of TestConformance into docs/conformance.md")

const conformancePage = "../docs/conformance.md"

// A wsResult is what came of a case.
type wsResult struct{ answers, then string }

// TestConformance speaks raw WebSocket to the bridge's program, and holds docs/conformance.md to what comes back.
func TestConformance(t *testing.T) {
	b := embedded(t, "--frame-rate", "100000", "--frame-burst", "100000", "--byte-rate", "1GiB")
	cases := conformanceCases()
	results := make([]wsResult, len(cases))
	t.Run("case", func(t *testing.T) {
		for i, k := range cases {
			t.Run(k.id, func(t *testing.T) {
				t.Parallel()
				results[i] = k.result(t, b.addr, false)
				if want := (wsResult{k.answers, k.then}); results[i] != want {
					t.Errorf("%s: %+v, want %+v", k.sent, results[i], want)
				}
				if k.twice {
					if r := k.result(t, b.addr, true); r != results[i] {
						t.Errorf("%s: %+v whole, %+v a byte a fragment", k.sent, results[i], r)
					}
				}
			})
		}
	})
	page, err := os.ReadFile(conformancePage)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "| case |"
	before, _, ok := strings.Cut(string(page), begin)
	if !ok {
		t.Fatalf("%s has no table that begins with %q", conformancePage, begin)
	}
	whole := before + conformanceTable(cases, results)
	if whole == string(page) {
		return
	}
	if *writeConformance {
		err = os.WriteFile(conformancePage, []byte(whole), 0o644)
	} else {
		err = fmt.Errorf("%s is not what came of it: go test -run TestConformance ./e2e -write-conformance", conformancePage)
	}
	if err != nil {
		t.Error(err)
	}
}

func (k wsCase) result(t *testing.T, addr string, bytes bool) wsResult {
	c := dialRaw(t, addr, k.header...)
	c.bytes = bytes
	k.run(c)
	if !k.leaves && !c.left {
		c.leave()
	}
	r := wsResult{then: c.rest()}
	if r.answers = c.answers(); r.then == "1000" && !k.leaves {
		r.then = open
	}
	return r
}

// conformanceTable has a row for each run of cases that differ in their number alone.
func conformanceTable(cases []wsCase, results []wsResult) string {
	var b strings.Builder
	b.WriteString("| case | what is sent | what is answered | and then |\n|---|---|---|---|\n")
	for i := 0; i < len(cases); {
		n := 1
		for i+n < len(cases) && cases[i+n].sent == cases[i].sent && results[i+n] == results[i] {
			n++
		}
		id, r := cases[i].id, results[i]
		if n > 1 {
			id += " – " + cases[i+n-1].id
		}
		then := "closed with " + r.then
		if r.then == open || r.then == "ends" {
			then = r.then
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", id, cases[i].sent, r.answers, then)
		i += n
	}
	return b.String()
}
