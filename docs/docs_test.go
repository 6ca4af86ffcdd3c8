// Package docs_test holds the documentation to what the program and the files are.
package docs_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const top = ".."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestConfiguration holds configuration.md to the program.
func TestConfiguration(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "bridge")
	build := exec.Command("go", "build", "-o", bin, "./cmd/bridge")
	build.Dir = top
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	page := read(t, "docs/configuration.md")
	t.Run("flags", func(t *testing.T) { flags(t, bin, page) })
	t.Run("metrics", func(t *testing.T) { metrics(t, bin, page) })
}

// placeholders are what the help shows in place of a default where there is none.
var placeholders = []string{"FILE", "FILE,...", "URL", "ORIGIN,...", "HOST:PORT", "TEXT", "NETWORK,..."}

// flags compares the tables with the help: flags, variables and defaults.
func flags(t *testing.T, bin, page string) {
	help, err := exec.Command(bin, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  --(?:\[no-\])?([a-z-]+)(?:=(\S+))?`).FindAllStringSubmatch(string(help), -1) {
		flag, def := m[1], m[2]
		known[flag] = true
		if def != "" && !slices.Contains(placeholders, def) {
			def = "`" + def + "` "
		} else {
			def = ""
		}
		row := fmt.Sprintf("| `--%s` | `LIVEBRIDGE_%s` | %s|", flag, strings.ToUpper(strings.ReplaceAll(flag, "-", "_")), def)
		if !strings.Contains(page, "\n"+row) {
			t.Errorf("configuration.md needs a row that begins\n%s", row)
		}
	}
	if len(known) < 30 {
		t.Errorf("the help lists %d flags: has its form changed?", len(known))
	}
	for _, flag := range submatches("(?m)^\\| `--([a-z-]+)` ", page) {
		if !known[flag] {
			t.Errorf("configuration.md has --%s, which is no flag", flag)
		}
	}
}

// submatches are what the pattern's group found, each once.
func submatches(pattern, text string) (list []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// metrics compares the table with what a bridge exports.
func metrics(t *testing.T, bin, page string) {
	url := run(t, bin)
	provoke(t, url)
	response, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	exported := submatches(`(?m)^# TYPE (livebridge_\w+)`, string(body))
	written := submatches("(?m)^\\| `(livebridge_\\w+)`", page)
	if missing := without(exported, written); len(missing) > 0 {
		t.Errorf("configuration.md lacks the metrics %v", missing)
	}
	if wrong := without(written, exported); len(wrong) > 0 {
		t.Errorf("configuration.md has %v, which the bridge does not export", wrong)
	}
	for _, path := range []string{"deploy/alerts.yml", "deploy/grafana.json", "docs/operations.md"} {
		used := submatches(`(livebridge_[a-z_]+?)(?:_bucket|_sum|_count)?\b`, read(t, path))
		if wrong := without(used, exported); len(used) == 0 || len(wrong) > 0 {
			t.Errorf("%s uses %v, which the bridge does not export", path, wrong)
		}
		if missing := without(exported, used); path == "deploy/grafana.json" && len(missing) > 0 {
			t.Errorf("the dashboard does not show %v", missing)
		}
	}
}

// TestAlerts holds the alert rules and their table in operations.md together, and the dashboard to be JSON.
func TestAlerts(t *testing.T) {
	rules, page := submatches(`(?m)^      - alert: (\w+)$`, read(t, "deploy/alerts.yml")), submatches("(?m)^\\| `(Livebridge\\w+)`", read(t, "docs/operations.md"))
	if len(rules) < 5 || !slices.Equal(rules, page) {
		t.Errorf("alerts.yml has %v, operations.md %v", rules, page)
	}
	if !json.Valid([]byte(read(t, "deploy/grafana.json"))) {
		t.Error("grafana.json is not JSON")
	}
}

func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}

// run starts a bridge with everything inside until the test ends, and returns its address.
func run(t *testing.T, bin string) string {
	t.Helper()
	bridge := exec.Command(bin, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--store-dir", t.TempDir(), "--log-format", "json")
	log, err := bridge.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bridge.Start(); err != nil {
		t.Fatal(err)
	}
	url := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(url)
		ready := regexp.MustCompile(`"msg":"ready","url":"([^"]+)"`)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := ready.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = bridge.Process.Signal(os.Interrupt)
		<-done
		if err := bridge.Wait(); err != nil {
			t.Errorf("bridge: %v", err)
		}
	})
	address, ok := <-url
	if !ok {
		t.Fatal("the bridge has ended before it was ready")
	}
	return address
}

// provoke does what the counters count that show up only then: an error, and a connection that is closed.
func provoke(t *testing.T, url string) {
	t.Helper()
	response, err := http.Post(url+"/v1/events", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	host := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A handshake, then a frame that is not masked, which no client may send.
	fmt.Fprintf(conn, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: livebridge.v1\r\n\r\n\x81\x00", host)
	_ = conn.(*net.TCPConn).CloseWrite() // so that the bridge does not wait for the answer to its close frame
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
}

// TestReference looks for every option, field and error code of the client in its reference.
func TestReference(t *testing.T) {
	types, page := read(t, "client/src/types.ts"), read(t, "docs/javascript.md")
	words := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  (?:readonly )?(\w+)(?:<[^>]*>)?\??[:(]|^  \| "(\w+)"`).FindAllStringSubmatch(types, -1) {
		words[m[1]+m[2]] = true
	}
	// What is used of a WebSocket is no part of the reference.
	for _, name := range []string{"send", "onopen", "onmessage", "onclose", "onerror"} {
		delete(words, name)
	}
	if len(words) < 40 {
		t.Fatalf("types.ts has %d names: has its form changed?", len(words))
	}
	for word := range words {
		if !regexp.MustCompile("[`\". ]" + word + "[`\"(,: ]").MatchString(page) {
			t.Errorf("javascript.md lacks %s of client/src/types.ts", word)
		}
	}
}

// TestFuzzTargets looks for the targets that security.md names, and for the packages that `make fuzz` leaves out.
func TestFuzzTargets(t *testing.T) {
	there := map[string]bool{}
	makefile := regexp.MustCompile(`for pkg in ([^;]+);`).FindStringSubmatch(read(t, "Makefile"))
	if makefile == nil {
		t.Fatal("the Makefile has no list of packages to fuzz")
	}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "node_modules" {
			return cmp.Or(err, fs.SkipDir)
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		name, _ := filepath.Rel(top, path)
		pkg := filepath.ToSlash(filepath.Dir(name))
		for _, target := range submatches(`(?m)^func (Fuzz\w+)\(f \*testing\.F`, read(t, name)) {
			there[target+" "+pkg] = true
			if !slices.Contains(strings.Fields(makefile[1]), pkg) {
				t.Errorf("make fuzz leaves out %s of %s", target, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("\\| `(Fuzz\\w+)`, ([\\w/]+) \\|").FindAllStringSubmatch(read(t, "docs/security.md"), -1)
	if len(rows) < 10 {
		t.Errorf("security.md has %d fuzz targets: has the table's form changed?", len(rows))
	}
	for _, m := range rows {
		if !there[m[1]+" "+m[2]] {
			t.Errorf("security.md names %s of %s, which is not there", m[1], m[2])
		}
	}
}

var (
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$|^    [^\n]*$")
	inline  = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// TestLinks follows every relative link in the documents of the repository, to its heading too.
func TestLinks(t *testing.T) {
	for _, path := range documents(t) {
		prose := inline.ReplaceAllString(fence.ReplaceAllString(read(t, path), ""), "")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join(top, to)); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, target)
				continue
			}
			if anchor != "" && strings.HasSuffix(to, ".md") && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s links to %s: no such heading", path, target)
			}
		}
	}
}

// documents are the Markdown files of the repository.
func documents(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", "data", "dist"}, d.Name()):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			rel, err := filepath.Rel(top, path)
			list = append(list, rel)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// anchors are the names that a page's headings have on GitHub.
func anchors(page string) (list []string) {
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(name, " ", "-"))
	}
	return list
}
