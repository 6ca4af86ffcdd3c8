package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the program too, for scripts and for tests that end it by a signal.
func TestMain(m *testing.M) {
	lookEvery = 20 * time.Millisecond
	testscript.Main(noLeaks{m}, map[string]func(){"bridge": main})
}

type noLeaks struct{ *testing.M }

// Run implements [testscript.TestingM].
func (m noLeaks) Run() int {
	code := m.M.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // fasthttp keeps one clock for ever
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// lines collects what a program writes, and lets a test wait for a line.
type lines struct {
	mu      sync.Mutex
	changed sync.Cond
	text    bytes.Buffer
	done    bool
}

func newLines() *lines {
	l := &lines{}
	l.changed.L = &l.mu
	return l
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
	return l.text.Write(b)
}

// close says that nothing more will be written.
func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	l.changed.Broadcast()
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns the first line that holds a text.
func (l *lines) wait(t testing.TB, text string) string {
	t.Helper()
	timer := time.AfterFunc(patience, l.close)
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for line := range strings.Lines(l.text.String()) {
			if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
				return line
			}
		}
		if l.done {
			t.Fatalf("waited for %q, got:\n%s", text, l.text.String())
		}
		l.changed.Wait()
	}
}

// A running is a program that runs inside the test.
type running struct {
	t              testing.TB
	stdout, stderr *lines
	cancel         context.CancelFunc // what the first signal does
	status         chan int
	URL, NATS      string
}

// launch runs the program with these arguments and an empty environment.
func launch(t testing.TB, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, stdout: newLines(), stderr: newLines(), cancel: cancel, status: make(chan int, 1)}
	go func() {
		r.status <- run(ctx, args, nil, strings.NewReader(""), r.stdout, r.stderr)
		r.stdout.close()
		r.stderr.close()
	}()
	t.Cleanup(func() {
		cancel()
		r.status <- <-r.status // wait, and leave it for whoever asks again
	})
	return r
}

// serve launches a bridge on free ports, and waits until it is ready.
func serve(t testing.TB, args ...string) *running {
	t.Helper()
	base := []string{"serve", "--listen", "127.0.0.1:0"}
	if given := strings.Join(args, " "); !strings.Contains(given, "--nats-url") && !strings.Contains(given, "--nats-config") {
		base = append(base, "--nats-listen", "127.0.0.1:0")
		if !strings.Contains(given, "--store-dir") {
			base = append(base, "--store-dir", t.TempDir())
		}
	}
	r := launch(t, append(base, args...)...)
	r.ready()
	return r
}

// ready waits for the line that says where to connect.
func (r *running) ready() map[string]string {
	r.t.Helper()
	var where map[string]string
	if err := json.Unmarshal([]byte(r.stderr.wait(r.t, `"msg":"ready"`)), &where); err != nil {
		r.t.Fatal(err)
	}
	r.URL, r.NATS = where["url"], where["nats"]
	return where
}

// stop does what SIGTERM does, and returns the exit status.
func (r *running) stop() int {
	r.t.Helper()
	r.cancel()
	return r.wait()
}

func (r *running) wait() int {
	r.t.Helper()
	select {
	case status := <-r.status:
		r.status <- status
		return status
	case <-time.After(patience):
		r.t.Fatalf("the program does not end; it said:\n%s", r.stderr)
		return 0
	}
}

// calls runs a command to its end.
func calls(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	r := launch(t, args...)
	status = r.wait()
	return r.stdout.String(), r.stderr.String(), status
}

// must runs a command that has to succeed.
func must(t testing.TB, args ...string) string {
	t.Helper()
	stdout, stderr, status := calls(t, args...)
	if status != exitOK {
		t.Fatalf("bridge %s: exit %d: %s", strings.Join(args, " "), status, stderr)
	}
	return stdout
}

// refused runs a command that has to end with this status, one line about what is wrong and one about what to do.
func refused(t testing.TB, status int, what, hint string, args ...string) {
	t.Helper()
	_, stderr, got := calls(t, args...)
	said := strings.Split(strings.TrimSpace(stderr), "\n")
	if len(said) > 2 { // the log comes before
		said = said[len(said)-2:]
	}
	if got != status || len(said) != 2 || !strings.HasPrefix(said[0], "bridge: ") || !strings.Contains(said[0], what) ||
		!strings.HasPrefix(said[1], "hint: ") || !strings.Contains(said[1], hint) {
		t.Errorf("bridge %s: exit %d, want %d; it said:\n%s\nwant %q and the hint %q", strings.Join(args, " "), got, status, stderr, what, hint)
	}
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// get reads a whole page.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// watch follows an SSE stream until the test ends, or the bridge does.
func watch(t testing.TB, url string) *lines {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	l := newLines()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(l, resp.Body)
		l.close()
	}()
	t.Cleanup(func() {
		_ = resp.Body.Close()
		<-done
	})
	return l
}
