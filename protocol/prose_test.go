package protocol

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func prose(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestProseShowsGoldenFrames keeps the examples of PROTOCOL.md true: each is one
// of the golden frames, or an object in one.
func TestProseShowsGoldenFrames(t *testing.T) {
	known := make(map[string]bool)
	for _, g := range goldens(t) {
		if g.Valid {
			known[g.Frame] = true
		}
	}
	shown := 0
	for line := range strings.Lines(prose(t)) {
		line = strings.TrimSpace(line)
		for _, head := range []string{"> ", "< ", "data: "} {
			line = strings.TrimPrefix(line, head)
		}
		if !strings.HasPrefix(line, `{"`) {
			continue
		}
		if shown++; !known[line] {
			t.Errorf("not a golden frame: %s", line)
		}
	}
	if shown < 40 {
		t.Errorf("%d examples found", shown)
	}
}

// TestProseHasTheTables compares the tables of codes and limits.
func TestProseHasTheTables(t *testing.T) {
	text := prose(t)
	var rows []string
	for code := range Codes() {
		rows = append(rows, fmt.Sprintf("| `%s` | %d | %s |", code, code.Status(), code.Help()))
	}
	for code := range CloseCodes() {
		final := "no"
		if code.Final() {
			final = "yes"
		}
		if code == CloseUnauthorized {
			final = "with the same token"
		}
		rows = append(rows, fmt.Sprintf("| %d | %s | %s |", code, code, final))
	}
	data, err := json.Marshal(Limits{}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	var limits map[string]int
	if err := json.Unmarshal(data, &limits); err != nil {
		t.Fatal(err)
	}
	for name, n := range limits {
		rows = append(rows, fmt.Sprintf("| %s | `%s` |", thousands(n), name))
	}
	text = strings.ReplaceAll(text, " bytes | `", " | `")
	for _, row := range rows {
		if !strings.Contains(text, row) {
			t.Errorf("PROTOCOL.md lacks %s", row)
		}
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
