package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium starts a browser with a fresh profile. It is a test's failure, not its end in silence, if there is none.
func chromium(t *testing.T) context.Context {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install it (Debian and Ubuntu: sudo apt-get install chromium), then run this again; scripts/test.sh does")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(bin), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...) // t's own is done before the tabs are closed
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// A tab is one page. Whatever its console complains of (scripts, Content-Security-Policy), and every request to anybody but its own
// origin, fails the test.
type tab struct {
	t      *testing.T
	ctx    context.Context
	origin string // host:port
	mu     sync.Mutex
	ignore []string
}

// tab opens a page and waits until it is live.
func openTab(t *testing.T, browser context.Context, origin, path string) *tab {
	t.Helper()
	p := blankTab(t, browser, origin)
	p.open(path)
	return p
}

func blankTab(t *testing.T, browser context.Context, origin string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx, origin: origin}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eval[bool](p, `new Promise((done) => setTimeout(done, 50, true))`) }) // hear what is still to come
	p.do(chromedp.EmulateViewport(1280, 800))
	return p
}

// hear is called with everything that the browser tells of the page.
func (p *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var said []string
			for _, a := range e.Args {
				said = append(said, string(a.Value)+a.Description)
			}
			p.complain(strings.Join(said, " "))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			text += " " + thrown.Description
		}
		p.complain(text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.complain(e.Entry.Text + " " + e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		p.checkAddress(e.Request.URL)
	case *network.EventWebSocketCreated:
		p.checkAddress(e.URL)
	}
}

func (p *tab) complain(text string) {
	if !p.ignores(text) {
		p.t.Errorf("the page's console: %s", text)
	}
}

func (p *tab) checkAddress(url string) {
	if !strings.HasPrefix(url, "http://"+p.origin+"/") && !strings.HasPrefix(url, "ws://"+p.origin+"/") && !strings.HasPrefix(url, "data:") && url != "about:blank" {
		p.t.Errorf("the page asked for %s", url)
	}
}

// expect names a complaint that belongs to the test.
func (p *tab) expect(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ignore = append(p.ignore, text)
}

func (p *tab) ignores(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.ignore {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// open goes to a page and waits until it is live.
func (p *tab) open(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate("about:blank"), chromedp.Navigate("http://"+p.origin+path))
	p.wait(`text("#state") == "Live"`)
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// helpers are what the expressions of eval and wait may use.
const helpers = `
	const all = (css) => [...document.querySelectorAll(css)];
	const text = (css) => document.querySelector(css)?.textContent.trim() ?? "";
	const rows = () => all(".item:not([hidden]) > .row").map((r) => r.querySelector(".payload").textContent);
`

// eval is the value of an expression in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](`(() => {`+helpers+`return (`+expression+`)})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true.
func (p *tab) wait(expression string) {
	p.t.Helper()
	eventually(p.t, 20*time.Second, func() error {
		if eval[bool](p, `!!(`+expression+`)`) {
			return nil
		}
		return fmt.Errorf("not true: %s; rows: %q, state: %q, notices: %q", expression, eval[[]string](p, `rows().slice(0, 12)`), eval[string](p, `text("#state")`), eval[string](p, `text("#notices")`))
	})
}

func (p *tab) click(css string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(css)))
}

// fill replaces what is in a field, by typing.
func (p *tab) fill(css, value string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS(css)))
	eval[bool](p, fmt.Sprintf(`(document.querySelector(%q).select(), true)`, css))
	p.key("Delete")
	if value != "" {
		p.do(chromedp.SendKeys(chromedp.CSS(css), value))
	}
}

var keyCodes = map[string]int64{
	"Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowUp": 38, "ArrowDown": 40, "Delete": 46, "/": 191, "?": 191, "p": 80, "r": 82,
}

// key presses a key as a keyboard does: what the page handles types nothing.
func (p *tab) key(key string) {
	p.t.Helper()
	text := key
	switch {
	case key == "Enter":
		text = "\r"
	case len(key) > 1:
		text = ""
	}
	down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: text, WindowsVirtualKeyCode: keyCodes[key]}
	if text == "" {
		down.Type = input.DispatchKeyEventTypeRawKeyDown
	}
	up := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: key, WindowsVirtualKeyCode: keyCodes[key]}
	for _, params := range []input.DispatchKeyEventParams{down, up} {
		if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, params); err != nil {
			p.t.Fatal(err)
		}
	}
}

// scheme is what the system says: dark or light.
func (p *tab) scheme(value string) {
	p.t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, params); err != nil {
		p.t.Fatal(err)
	}
}
