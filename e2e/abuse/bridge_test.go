package abuse

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A target is a bridge under attack, with a bystander on it that wants nothing but its events.
type target struct {
	t           *testing.T
	addr, admin string
	nats        string
	nc          *nats.Conn
	js          jetstream.JetStream
	keys        *keys
	bystander   *bystander
	tls         *tls.Config // of its clients; nil = none
	secretFile  string

	mu    sync.Mutex
	lines []string          // of the log, as they stand in the table
	limit []string          // lines that say that a limit is reached, which are written now and then
	rare  map[string]string // kinds of lines that are at debug level but now and then: the level that they then have
	raw   bytes.Buffer
	heard bytes.Buffer // everything that it has told anybody
	given []string     // secrets: what it was given and must never show
	mine  int          // how far the lines have been looked at
}

// start starts a bridge that listens on loopback, with a NATS of its own inside, and waits until it is ready.
func start(t *testing.T, args ...string) *target {
	t.Helper()
	b := &target{t: t, addr: loopback(t), admin: loopback(t), nats: loopback(t)}
	b.launch(append([]string{"--nats-listen", b.nats, "--store-dir", filepath.Join(t.TempDir(), "store"), "--nats-config", natsConf(t, "")}, args...)...)
	b.join()
	return b
}

// launch starts the program, and waits until it is ready.
func (b *target) launch(args ...string) {
	t := b.t
	t.Helper()
	b.rare = map[string]string{}
	cmd := exec.Command(bridgeBin, append([]string{"--listen", b.addr, "--admin-listen", b.admin, "--log-format", "json", "--log-level", "debug"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewReader(stderr); ; {
			line, err := s.ReadBytes('\n')
			if err != nil {
				return
			}
			b.logged(line)
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		if err := cmd.Wait(); err != nil {
			t.Errorf("the bridge: %v", err)
		}
		b.secrets()
	})
	b.eventually("ready", func() error {
		resp, err := look.Get("http://" + b.admin + "/readyz")
		if err == nil {
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", resp.StatusCode)
			}
		}
		return err
	})
}

// join connects to the NATS of the bridge, as one who may do everything.
func (b *target) join(opts ...nats.Option) {
	b.t.Helper()
	var err error
	if b.nc, err = nats.Connect("nats://"+b.nats, append(opts, nats.MaxReconnects(-1))...); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.nc.Close)
	if b.js, err = jetstream.New(b.nc); err != nil {
		b.t.Fatal(err)
	}
}

// also starts a second bridge on the same stream.
func (b *target) also(args ...string) *target {
	b.t.Helper()
	other := &target{t: b.t, addr: loopback(b.t), admin: loopback(b.t), nats: b.nats}
	other.launch(append([]string{"--nats-url", "nats://" + b.nats}, args...)...)
	return other
}

// natsConf is the shipped configuration without its fsync for each message, which is not what is under test here, and with more.
func natsConf(t *testing.T, more string) string {
	t.Helper()
	shipped, err := os.ReadFile("../../nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(shipped), "sync_interval: always", "sync_interval: 1m", 1)
	if text == string(shipped) {
		t.Fatal("nats.conf has no sync_interval: always")
	}
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(path, []byte(text+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// loopback is a free address. Another process could take it before it is used; none does on a test machine.
func loopback(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// look asks for pages without keeping a connection, which the bridge would count.
var look = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// eventually tries until ok returns nil.
func (b *target) eventually(what string, ok func() error) {
	b.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	b.t.Fatalf("%s: not within %s: %v", what, patience, err)
}

// uninteresting are lines of everyday life.
var uninteresting = map[string]bool{
	"connected": true, "subscribe": true, "subscribed": true, "live": true, "reset": true, "failed": true, "token renewed": true, "ready": true, "draining": true, "drained": true,
	"disconnected code=1006": true, // the attacker has gone
}

// logged takes a line of the log. One that is not a JSON object is a finding: something was injected.
func (b *target) logged(line []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raw.Write(line)
	text, from := b.readable(line)
	switch {
	case from == "nats":
	case strings.HasPrefix(text, limitReached):
		b.limit = append(b.limit, text)
	default:
		b.lines = append(b.lines, text)
	}
}

// readable is a line of the log as it stands in the table: level, message and attributes, without what differs from run to run.
func (b *target) readable(line []byte) (text, from string) {
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "NOT JSON: " + string(line), ""
	}
	var level, msg string
	var attrs []string
	for d.More() {
		name, _ := d.Token()
		var value any
		if d.Decode(&value) != nil {
			return "NOT JSON: " + string(line), ""
		}
		text := fmt.Sprint(value)
		switch name {
		case "time", "session", "remote", "stack", "took", "lived", "head", "hint":
		case "level":
			level = text
		case "msg":
			msg = text
		case "from":
			from = text
		default:
			if name == "why" && msg == "disconnected" { // the code in words
				continue
			}
			if n, ok := value.(float64); ok {
				text = strconv.FormatFloat(n, 'f', -1, 64)
			}
			attrs = append(attrs, fmt.Sprintf(" %s=%s", name, b.quoted(text)))
		}
	}
	text = msg + strings.Join(attrs, "")
	if uninteresting[msg] || uninteresting[text] {
		return "", "nats"
	}
	if kind := nowAndThen.FindString(text); kind != "" && level != "DEBUG" {
		b.rare[kind] = level
		level = "DEBUG"
	}
	return level + " " + text, from
}

// nowAndThen begins lines that are written at debug level, but one in 10 s above.
var nowAndThen = regexp.MustCompile(`^(token refused|origin refused|host refused|disconnected code=(4408|4429))`)

// rarely are the lines above debug level that have to be in the log where these are: since the bridge has started, not since the row has.
func (b *target) rarely(news map[string]int) (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range news {
		kind := nowAndThen.FindString(strings.TrimPrefix(l, "DEBUG "))
		if level, ok := b.rare[kind]; ok {
			lines = append(lines, fmt.Sprintf("%s %s (at most every 10 s)", level, kind))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// flood are names that a row numbers.
var flood = regexp.MustCompile(`flood-\d+`)

var port = regexp.MustCompile(`127\.0\.0\.1:\d+`)

var secretPath = regexp.MustCompile(`/\S*/jwt\.secret\b`)

var plainValue = regexp.MustCompile(`^[\w./:*-]+$`)

func (b *target) quoted(text string) string {
	text = flood.ReplaceAllString(text, "flood-N")
	text = port.ReplaceAllString(text, "127.0.0.1:PORT")
	text = secretPath.ReplaceAllString(text, "jwt.secret")
	if plainValue.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// limitReached begins a line that is written at most every 10 s for each reason.
const limitReached = "WARN refused: a limit is reached reason="

// complained are the lines that have to be in the log where these counters have grown: since the bridge has started, not since the row has.
func (b *target) complained(grown []string) (lines []string) {
	for _, g := range grown {
		if m := refusedFor.FindStringSubmatch(g); m != nil {
			line := limitReached + m[1]
			b.eventually(line, func() error {
				b.mu.Lock()
				defer b.mu.Unlock()
				if !slices.Contains(b.limit, line) {
					return errors.New("it is not in the log")
				}
				return nil
			})
			lines = append(lines, line+" (at most every 10 s)")
		}
	}
	return lines
}

var refusedFor = regexp.MustCompile(`^refused_total\{reason="(\w+)"\}`)

// news are the lines of the log since news was last called, each with how often it is there.
func (b *target) news() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	count := map[string]int{}
	for _, l := range b.lines[b.mine:] {
		count[l]++
	}
	return count
}

func (b *target) seen() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mine = len(b.lines)
}

// hears notes what the bridge has told somebody.
func (b *target) hears(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard.WriteString(text)
}

// secret notes what the bridge must never show.
func (b *target) secret(text string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(text) >= 16 {
		b.given = append(b.given, text)
	}
	return text
}

// secrets looks for secrets in everything that the bridge has shown. It is called when it has ended.
func (b *target) secrets() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, place := range []struct{ name, text string }{{"the log", b.raw.String()}, {"what was answered", b.heard.String()}} {
		for _, s := range b.given {
			if at := strings.Index(place.text, s); at >= 0 {
				b.t.Errorf("%s holds a secret: …%s…", place.name, place.text[max(0, at-120):min(len(place.text), at+60)])
			}
		}
	}
}

var sample = regexp.MustCompile(`(?m)^livebridge_(\w+(?:\{[^}]*\})?) (\S+)$`)

// samples reads the metrics.
func (b *target) samples() map[string]float64 {
	b.t.Helper()
	resp, err := look.Get("http://" + b.admin + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.hears(string(text))
	m := map[string]float64{}
	for _, s := range sample.FindAllStringSubmatch(string(text), -1) {
		if m[s[1]], err = strconv.ParseFloat(s[2], 64); err != nil {
			b.t.Fatalf("metric %s: %v", s[1], err)
		}
	}
	return m
}

// everyday are counters of what happens on good days, too.
var everyday = regexp.MustCompile(`^(connections_opened|replayed_|tail_)`)

// counters are the counters among the metrics that only grow when something is wrong, or is published.
func counters(samples map[string]float64) map[string]float64 {
	m := map[string]float64{}
	for name, v := range samples {
		if base, _, _ := strings.Cut(name, "{"); strings.HasSuffix(base, "_total") && !everyday.MatchString(base) {
			m[name] = v
		}
	}
	return m
}

// A bystander is a client with one subscription that behaves well. It must never notice anything.
type bystander struct {
	w      *wire
	events chan said
	n      int
}

// stand puts the bystander there.
func (b *target) stand() {
	a := &attack{t: b.t, on: b}
	token := ""
	if b.keys != nil {
		token = b.keys.bystander()
	}
	w := a.open(token)
	_ = w.SetDeadline(time.Time{})
	w.text(`{"op":"subscribe","sub":"b","resource":"bystander"}`)
	w.until("live")
	b.bystander = &bystander{w: w, events: make(chan said, 100)}
	b.t.Cleanup(func() { _ = w.Close() })
	go func() {
		defer close(b.bystander.events)
		for {
			s, _, ok := w.next()
			if !ok {
				return
			}
			if s.Op != "ping" {
				b.bystander.events <- s
			}
		}
	}()
}

// unharmed checks that the bridge is healthy and that the bystander gets its next event, and nothing else.
func (b *target) unharmed(t *testing.T) {
	t.Helper()
	b.bystander.n++
	id := strconv.Itoa(b.bystander.n)
	if _, err := b.nc.Request("live.bystander.updated."+id, nil, patience); err != nil {
		t.Errorf("publish: %v", err)
	}
	select {
	case s, ok := <-b.bystander.events:
		if !ok || s.Op != "event" || s.Resource != "bystander" || s.ID != id {
			t.Fatalf("the bystander got %+v (connected: %t), want the event about %s", s, ok, id)
		}
	case <-time.After(patience):
		t.Fatal("the bystander does not get its event")
	}
	asks, scheme := look, "http://"
	if b.tls != nil {
		asks, scheme = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: b.tls}}, "https://"
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		resp, err := asks.Get(scheme + b.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// lineWith is the last line of the log that holds the text, as it was written; "" = there is none.
func (b *target) lineWith(text string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := ""
	for line := range strings.Lines(b.raw.String()) {
		if strings.Contains(line, text) {
			found = line
		}
	}
	return found
}

// publish stores an event as a service does, past the bridge.
func (a *attack) publish(subject, body string) {
	a.t.Helper()
	if _, err := a.on.nc.Request(subject, []byte(body), patience); err != nil {
		a.fail("publish %s: %v", subject, err)
	}
}

// process is a metric of the process itself.
func (b *target) process(name string) float64 {
	b.t.Helper()
	resp, err := look.Get("http://" + b.admin + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if text, found := strings.CutPrefix(s.Text(), name+" "); found {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				b.t.Fatal(err)
			}
			return v
		}
	}
	b.t.Fatalf("there is no metric %s", name)
	return 0
}
