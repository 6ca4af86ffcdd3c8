package abuse

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestAbuse does everything that is in the table, to a bridge of each kind, and holds docs/abuse.md to it.
func TestAbuse(t *testing.T) {
	t.Run("bridges", func(t *testing.T) {
		for _, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				b := kind.start(t)
				b.stand()
				for _, g := range groups() {
					for _, r := range g.rows {
						if r.on == kind.name {
							t.Run(r.name, func(t *testing.T) { r.run(t, b) })
						}
					}
				}
			})
		}
	})
	t.Run("start", func(t *testing.T) {
		for _, r := range atStart {
			t.Run(r.name, func(t *testing.T) { fresh.compare(t, r.name, cell(strings.Split(r.run(t), "\n"))) })
		}
	})
	text, n := render(fresh.logs)
	if n != len(fresh.logs) && !*update {
		t.Errorf("%d rows, but %d names: each needs one of its own", n, len(fresh.logs))
	}
	if n < 60 && !*update {
		t.Errorf("there are %d rows", n)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if page, _ := os.ReadFile(path); string(page) != text {
		t.Errorf("docs/abuse.md is not what the rows say: go test ./e2e/abuse -update")
	}
}

const (
	path = "../../docs/abuse.md"
	ok   = http.StatusOK
)

// A journal is what was logged for each row.
type journal struct {
	mu   sync.Mutex
	logs map[string]string // by the row's name, as in the table
}

// compare compares with what the page says; with -update it is what the page is to say.
func (j *journal) compare(t *testing.T, name, logged string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if *update {
		j.logs[name] = logged
	} else if logged != old.logs[name] {
		t.Errorf("log\n\t%s\nwant\n\t%s", logged, old.logs[name])
	}
}

// old is what the page says, fresh what it is to say.
var old, fresh = written(), written()

var tableRow = regexp.MustCompile(`(?m)^\| \d+ \| ([^|]*) \|(?: [^|]* \|)* ([^|]*) \|$`)

// written reads the page.
func written() *journal {
	j := &journal{logs: map[string]string{}}
	page, _ := os.ReadFile(path)
	for _, m := range tableRow.FindAllStringSubmatch(strings.ReplaceAll(string(page), `\|`, "\x00"), -1) {
		j.logs[m[1]] = strings.ReplaceAll(m[2], "\x00", `\|`)
	}
	return j
}

// render is the page, and how many rows it has.
func render(logs map[string]string) (page string, n int) {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, k := range kinds {
		fmt.Fprintf(&b, "| %s | %s |\n", k.name, k.help)
	}
	for _, g := range groups() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| | abuse | bridge | status | close | code | metrics | log |\n|---|---|---|---|---|---|---|---|\n", g.title, g.text)
		for _, r := range g.rows {
			n++
			status := "cut"
			if r.status != 0 {
				status = strconv.Itoa(r.status)
			}
			fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s | %s |\n", n, r.name, r.on, status, r.close, r.code, cell(r.metric), logs[r.name])
		}
	}
	b.WriteString("\n## At the start\n\nSettings that would let everybody in: the bridge does not start, and says what would be right. Nothing has been made on the disk by then.\n\n| | setting | exit status | says |\n|---|---|---|---|\n")
	for _, r := range atStart {
		n++
		fmt.Fprintf(&b, "| %d | %s | %d | %s |\n", n, r.name, r.exit, logs[r.name])
	}
	return b.String(), n
}

// cell is a list as it stands in the table.
func cell(lines []string) string {
	var list []string
	for _, l := range lines {
		l = strings.NewReplacer("|", `\|`, "`", "'").Replace(l)
		list = append(list, "`"+l+"`")
	}
	return strings.Join(list, "<br>")
}

var pageHead = strings.NewReplacer("<<", "`", ">>", "`").Replace(`# Abuses

What attackers, broken clients and careless services do to a bridge, and what comes of it, exactly. Every row is a test against the running program:

    go test ./e2e/abuse            # all of them, in about a minute
    go test ./e2e/abuse -update    # write this page anew after rows were changed

**status** is that of HTTP; 101 is a WebSocket that was opened, *cut* a connection that was closed without an answer. **close** is the close code of the
WebSocket; *none*: it stays open. **code** is the error code that is told, in the body or in a frame. **metrics** are all counters of errors, closes, limits and publishing that have
grown, and by how much (without <<livebridge_>>); none other has. **log** is everything that is logged, without times, addresses, session ids and the lines
of everyday life. What stands there as <<DEBUG>> is logged only with <<--log-level debug>>.

After every row the bridge must be ready, and a bystander, connected from the beginning, must get its next event and nothing else. When all is over, no token, no signature,
no ticket and no secret may be found in anything that was logged, answered, or shown in metrics.

| bridge | started with |
|---|---|
`)
