package bridge

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// fetch is one answer to a GET.
type fetch struct {
	code   int
	body   string
	header http.Header
}

func (r *rig) fetch(path string, header ...string) fetch {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", "http://"+r.addr+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return fetch{resp.StatusCode, string(body), resp.Header}
}

func withConsole(t *testing.T) *rig {
	return start(t, func(c *Config) { c.Console = true })
}

func TestConsoleIsOffUnlessAskedFor(t *testing.T) {
	r := start(t, nil)
	for _, path := range []string{"/", "/console/1/console.js"} {
		if got := r.fetch(path); got.code != http.StatusNotFound || !strings.Contains(got.body, `"error"`) {
			t.Errorf("GET %s: %d %.100s", path, got.code, got.body)
		}
	}
}

func TestConsolePage(t *testing.T) {
	r := withConsole(t)
	page := r.fetch("/")
	if page.code != http.StatusOK || !strings.Contains(page.body, "<title>Livebridge console</title>") {
		t.Fatalf("GET /: %d %.100s", page.code, page.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
	} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	checkPolicy(t, page.header.Get("Content-Security-Policy"))
	if strings.Contains(page.body, "{{") {
		t.Error("a part of the template was left in the page")
	}
	if m := regexp.MustCompile(`(?i)<script>|<script [^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|https?://`).FindString(page.body); m != "" {
		t.Errorf("the page has %q: nothing may stand inside it, nothing may come from elsewhere", m)
	}
}

func checkPolicy(t *testing.T, policy string) {
	t.Helper()
	directives := strings.Split(policy, "; ")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:",
		"base-uri 'none'", "frame-ancestors 'none'", "form-action 'none'",
	} {
		found := false
		for _, d := range directives {
			found = found || d == want
		}
		if !found {
			t.Errorf("Content-Security-Policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy %q allows what is unsafe", policy)
	}
}

func TestConsolePageIsAskedForAgain(t *testing.T) {
	r := withConsole(t)
	tag := r.fetch("/").header.Get("ETag")
	for _, c := range []struct {
		match string
		code  int
	}{{tag, http.StatusNotModified}, {`"other", W/` + tag, http.StatusNotModified}, {`"other"`, http.StatusOK}} {
		got := r.fetch("/", "If-None-Match", c.match)
		if got.code != c.code || got.header.Get("ETag") != tag || (got.body == "") != (c.code == http.StatusNotModified) {
			t.Errorf("If-None-Match %s: %d with ETag %s and %d bytes", c.match, got.code, got.header.Get("ETag"), len(got.body))
		}
	}
}

// Every file that the page and its modules name is served, to be kept for ever under a path that changes with the files.
func TestConsoleAssets(t *testing.T) {
	r := withConsole(t)
	page := r.fetch("/").body
	base := regexp.MustCompile(`console/[0-9a-f]{16}/`).FindString(page)
	todo := regexp.MustCompile(`console/[0-9a-f]{16}/[\w.]+`).FindAllString(page, -1)
	seen := map[string]bool{}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		got := r.fetch("/" + path)
		ext := path[strings.LastIndexByte(path, '.'):]
		if got.code != http.StatusOK || got.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || got.header.Get("Content-Type") != consoleTypes[ext] {
			t.Errorf("GET /%s: %d %v", path, got.code, got.header)
		}
		for _, m := range regexp.MustCompile(`from "\./([\w.]+)"`).FindAllStringSubmatch(got.body, -1) {
			todo = append(todo, base+m[1])
		}
	}
	for _, file := range []string{"console.css", "console.js", "livebridge.js", "icon.svg", "table.js"} {
		if !seen[base+file] {
			t.Errorf("the page does not load %s", file)
		}
	}
	if files, err := consoleFiles.ReadDir("console"); err != nil || len(files) != len(seen)+1 {
		t.Errorf("%d files are embedded besides the page, %d are used: %v", len(files)-1, len(seen), err)
	}
}

func TestConsoleAssetsOfAnotherVersion(t *testing.T) {
	r := withConsole(t)
	if got := r.fetch("/console/0123456789abcdef/console.js"); got.code != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", got.code, got.header)
	}
	for _, path := range []string{"/console/0123456789abcdef/index.html", "/console/0123456789abcdef/..%2froutes.go", "/console/", "/console/console.js"} {
		if got := r.fetch(path); got.code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, got.code)
		}
	}
}

func TestConsoleShowsWhereNATSIs(t *testing.T) {
	r := start(t, func(c *Config) { c.Console, c.ConsoleNATS = true, `nats://"<host>:4222` })
	page := r.fetch("/").body
	if !strings.Contains(page, `<meta name="livebridge-nats" content="nats://&#34;&lt;host&gt;:4222">`) {
		t.Errorf("the address is missing, or not escaped: %.600s", page)
	}
}

// The console turns no text into HTML, and asks nobody but its own bridge.
func TestConsoleScriptsAreSafe(t *testing.T) {
	files, err := consoleFiles.ReadDir("console")
	if err != nil {
		t.Fatal(err)
	}
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("style|https?://`)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".js") || f.Name() == "livebridge.js" {
			continue
		}
		text, err := consoleFiles.ReadFile("console/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if m := bad.Find(text); m != nil {
			t.Errorf("%s has %q", f.Name(), m)
		}
	}
}
