package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/nats-io/nats.go"
)

// consoleRig is a bridge, a browser, and NATS to publish past both.
type consoleRig struct {
	*bridge
	t       *testing.T // lives as long as the bridge
	browser context.Context
	nc      *nats.Conn
}

func newConsoleRig(t *testing.T) *consoleRig {
	t.Helper()
	r := &consoleRig{bridge: embedded(t), t: t, browser: chromium(t)}
	var err error
	if r.nc, err = nats.Connect("nats://"+r.nats, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.nc.Close)
	return r
}

func (r *consoleRig) store(t *testing.T, subject, payload string) {
	t.Helper()
	if _, err := r.nc.Request(subject, []byte(payload), 5*time.Second); err != nil {
		t.Fatalf("publish %s: %v", subject, err)
	}
}

func TestConsole(t *testing.T) {
	r := newConsoleRig(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *consoleRig)
	}{
		{"empty", consoleEmpty},
		{"live events", consoleLive},
		{"filter", consoleFilter},
		{"replay", consoleReplay},
		{"publish", consolePublish},
		{"pause", consolePause},
		{"cut the cable", consoleCable},
		{"refusals", consoleRefusals},
		{"keyboard", consoleKeyboard},
		{"dark and light", consoleThemes},
		{"narrow", consoleNarrow},
		{"names for screen readers", consoleNames},
		{"burst", consoleBurst},
		{"bridge restarted", consoleRestart},
		{"reset", consoleReset},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, r) })
	}
}

// An empty table says how to publish, with this bridge's own addresses.
func consoleEmpty(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/")
	p.wait(`text("#empty-title") == "Waiting for events" && !document.querySelector("#hints").hidden`)
	if got, want := eval[string](p, `text("#hint-curl")`), "curl http://"+r.addr+"/v1/events -H 'Content-Type: application/json' -d '{"; !strings.HasPrefix(got, want) {
		t.Errorf("curl line: %s", got)
	}
	if got, want := eval[string](p, `text("#hint-nats")`), "nats pub -s nats://"+r.nats+` live.products.updated.42 '{"price":10}'`; got != want {
		t.Errorf("nats line: %s, want %s", got, want)
	}
	p.open("/#resource=blog%2Fposts&type=it%27s&id=a.b&start=now")
	if got, want := eval[string](p, `text("#hint-nats")`), "nats pub -s nats://"+r.nats+` live.blog%2Fposts.it%27s.a%2Eb '{"price":10}'`; got != want {
		t.Errorf("nats line: %s, want %s", got, want)
	}
	if got := eval[string](p, `text("#hint-curl")`); !strings.HasSuffix(got, `"type":"it'\''s","id":"a.b","payload":{"price":10}}'`) {
		t.Errorf("curl line: %s", got)
	}
}

func consoleLive(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/#start=now")
	r.store(t, "live.products.updated.42", `{"price":10}`)
	r.store(t, "live.products.imported._", `"<img src=x onerror=alert(1)>"`)
	r.store(t, "live.products.updated.43", `no JSON <b>`)
	p.wait(`rows().length == 3`)
	want := []string{`not JSON: no JSON <b>`, `"<img src=x onerror=alert(1)>"`, `{"price":10}`}
	if got := eval[[]string](p, `rows()`); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("rows, newest first: %q", got)
	}
	if got := eval[[]string](p, `all(".item .id").map((e) => e.textContent)`); fmt.Sprint(got) != "[43 no particular 42]" {
		t.Errorf("ids: %q", got)
	}
	p.click(".item:nth-child(3) .row")
	p.wait(`text(".detail .json") == '{\n  "price": 10\n}' && document.querySelector(".item:nth-child(3) .row").getAttribute("aria-expanded") == "true"`)
	p.click(".detail .actions button")
	p.wait(`text(".detail .actions button") == "Copied"`)
	p.click(".item:nth-child(3) .row")
	p.wait(`!document.querySelector(".detail")`)
	p.click(".item:nth-child(2) .row")
	p.wait(`text(".detail .json") == '"<img src=x onerror=alert(1)>"' && !document.querySelector("main img")`)
	p.wait(`text("#received") == "3" && text("#replayed") == "0" && /3 events/.test(text("#shown"))`)
	p.wait(`document.querySelector("#plot .live").getAttribute("d") != ""`) // within the next second
}

// The subscription's filter is the bridge's work, the search is the page's; both are in the address.
func consoleFilter(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/#start=now")
	p.fill("#f-resource", "orders")
	p.fill("#f-types", "created, paid")
	p.fill("#f-ids", "1, 2")
	p.key("Enter")
	p.wait(`location.hash == "#resource=orders&type=created&type=paid&id=1&id=2&start=now" && text("#state") == "Live"`)
	for i, subject := range []string{"orders.created.1", "orders.created.3", "products.created.1", "orders.updated.1", "orders.paid.2", "orders.created._"} {
		r.store(t, "live."+subject, fmt.Sprintf(`{"n":%d,"who":"%c"}`, i, 'a'+i))
	}
	p.wait(`rows().length == 3`)
	if got := eval[string](p, `rows().join()`); got != `{"n":5,"who":"f"},{"n":4,"who":"e"},{"n":0,"who":"a"}` {
		t.Errorf("rows: %s", got)
	}
	p.key("Escape")
	p.key("/")
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), `"WHO":"E`))
	p.wait(`rows().join() == '{"n":4,"who":"e"}' && text("#shown") == "1 of 3"`)
	p.fill("#search", "nowhere")
	p.wait(`text("#empty-title") == "No row matches" && location.hash.endsWith("&search=nowhere")`)
	p.open(`/#resource=orders&type=created&last=10&search=%22n%22%3A5`)
	p.wait(`rows().join() == '{"n":5,"who":"f"}' && document.querySelector("#f-types").value == "created" && document.querySelector("#search").value == '"n":5'`)
	p.fill("#f-ids", "[1")
	p.key("Enter")
	p.wait(`document.querySelector("#f-ids").validationMessage.includes("JSON array") && location.hash.includes("type=created")`)
}

func consoleReplay(t *testing.T, r *consoleRig) {
	before := time.Now()
	for n := range 5 {
		r.store(t, fmt.Sprintf("live.parcels.updated.%d", n), fmt.Sprintf(`{"n":%d}`, n))
	}
	p := openTab(t, r.browser, r.addr, "/#resource=parcels&last=2")
	p.wait(`rows().join() == '{"n":4},{"n":3}' && text("#replayed") == "2" && text(".point") == "2 events replayed, live from here"`)
	p.key("r")
	p.wait(`document.activeElement.id == "v-last"`)
	p.fill("#v-last", "4")
	p.key("Enter")
	p.wait(`rows().length == 4 && all(".item.replayed").length == 4`)
	p.click(".item:nth-child(3) .row") // the line "live from here" is the first child
	p.click(".detail .cursor")
	p.wait(`rows().join() == '{"n":4}' && location.hash.includes("&after=") && document.querySelector("#f-start").value == "after"`)
	p.do(chromedp.SetValue(chromedp.CSS("#f-start"), "ago"))
	eval[bool](p, `document.querySelector("#f-start").dispatchEvent(new Event("change", { bubbles: true }))`)
	p.fill("#v-ago", "1h")
	p.click("#apply")
	p.wait(`rows().length == 5 && location.hash.endsWith("since=-1h")`)
	p.open("/#resource=parcels&since=" + before.Add(-time.Second).UTC().Format(time.RFC3339))
	p.wait(`rows().length == 5 && document.querySelector("#f-start").value == "time" && document.querySelector("#v-time").value != ""`)
	r.store(t, "live.parcels.updated.9", `{"n":9}`)
	p.wait(`rows()[0] == '{"n":9}' && text("#received") == "6"`)
}

func consolePublish(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/#resource=stock&start=now")
	p.key("p")
	p.wait(`document.activeElement.id == "p-type" && document.querySelector("#p-resource").value == "stock"`)
	p.fill("#p-payload", `{"n":1`)
	p.wait(`text("#p-payload-error") != "" && document.querySelector("#p-payload").getAttribute("aria-invalid") == "true"`)
	p.click("#publish-form button[type=submit]")
	p.wait(`text("#p-type-error") != "" && document.activeElement.id == "p-type" && !document.querySelector(".ack")`)
	p.fill("#p-type", "counted")
	p.fill("#p-ids", "7")
	p.fill("#p-payload", `{"n":12345678901234567890}`)
	p.wait(`text("#p-payload-error").includes("12345678901234567890")`)
	p.fill("#p-payload", `{"n":1}`)
	p.fill("#p-meta", `[1]`)
	p.wait(`text("#p-meta-error") == "a JSON object, or nothing"`)
	p.fill("#p-meta", `{"user":"eva"}`)
	p.fill("#p-key", "k1")
	p.wait(`text("#p-subject") == "live.stock.counted.7" && !all(".fault").some((e) => e.textContent)`)
	p.click("#publish-form button[type=submit]")
	p.wait(`document.querySelector(".ack.stored") && rows().join() == '{"n":1}'`)
	if got := eval[string](p, `text(".item .more")`); got != `own{"user":"eva"}` {
		t.Errorf("the own event's row has %q", got)
	}
	p.click("#publish-form button[type=submit]")
	p.wait(`text(".ack.duplicate").startsWith("stock counted 7: stored before, under the same key")`)
	p.fill("#p-key", "")
	p.fill("#p-ids", "7, 8, 9")
	p.click("#publish-form button[type=submit]")
	p.wait(`text(".ack.stored").includes("3 records") && text(".item .id") == "7, 8, 9" && text(".item .tag:nth-child(2)") == "×3"`)
	if got := eval[int](p, `rows().length`); got != 2 {
		t.Errorf("%d rows, want 2: a duplicate is stored once, an event about three records is one", got)
	}
	p.fill("#p-resource", strings.Repeat("x", 1200))
	p.click("#publish-form button[type=submit]")
	p.wait(`text(".ack.failed").includes("bad_request")`)
	p.key("Escape")
	p.wait(`document.querySelector("#publish").hidden`)
	p.click(".item .row")
	eval[bool](p, `(all(".actions button").find((b) => b.textContent == "Edit and publish").click(), true)`)
	p.wait(`document.querySelector("#p-ids").value == "7, 8, 9" && document.activeElement.id == "p-payload"`)
}

func consolePause(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/#resource=pauses&start=now")
	r.store(t, "live.pauses.updated.1", `1`)
	p.wait(`rows().join() == "1"`)
	p.key(" ")
	p.wait(`document.querySelector("#pause").getAttribute("aria-pressed") == "true"`)
	r.store(t, "live.pauses.updated.2", `2`)
	r.store(t, "live.pauses.updated.3", `3`)
	p.wait(`text("#pause") == "Resume, 2 new" && rows().join() == "1" && text("#received") == "3"`)
	p.key(" ")
	p.wait(`rows().join() == "3,2,1" && text("#pause") == "Pause"`)
	p.click("#clear")
	p.wait(`rows().length == 0 && !document.querySelector("#empty").hidden`)
}

// What happens while the cable is cut arrives once, in order.
func consoleCable(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/#resource=cables&start=now")
	r.store(t, "live.cables.updated.1", `1`)
	p.wait(`rows().join() == "1"`)
	p.click("#cable")
	p.wait(`text("#state") == "Offline" && text("#retry").startsWith("next try in") && text("#cable").startsWith("Plug in")`)
	for n := 2; n <= 4; n++ {
		r.store(t, "live.cables.updated.1", fmt.Sprint(n))
	}
	if got := eval[string](p, `rows().join()`); got != "1" {
		t.Errorf("rows with the cable cut: %s", got)
	}
	p.click("#cable")
	p.wait(`text("#state") == "Live" && rows().join() == "4,3,2,1"`)
	p.wait(`text(".point") == "connected again, 3 missed events replayed" && text("#cable") == "Cut the cable"`)
	p.click("#cable")
	p.wait(`text("#state") == "Offline"`)
	p.wait(`text("#state") == "Live" && text(".point") == "connected again, nothing was missed"`) // by itself
	if got := eval[string](p, `rows().join() + " " + text("#resets")`); got != "4,3,2,1 0" {
		t.Errorf("rows and resets: %s", got)
	}
}

func consoleRefusals(t *testing.T, r *consoleRig) {
	p := blankTab(t, r.browser, r.addr)
	p.do(chromedp.Navigate("http://" + r.addr + "/#resource=products&after=nonsense"))
	p.wait(`text("#state") == "Refused" && text(".notice.error").includes("(bad_cursor)") && text("#empty-title") == "The bridge refused this subscription"`)
	p.click("#f-resource")
	p.do(chromedp.SetValue(chromedp.CSS("#f-start"), "now"))
	eval[bool](p, `document.querySelector("#f-start").dispatchEvent(new Event("change", { bubbles: true }))`)
	p.click("#apply")
	p.wait(`text("#state") == "Live" && !document.querySelector(".notice")`)
}

func consoleKeyboard(t *testing.T, r *consoleRig) {
	for n := range 3 {
		r.store(t, "live.keys.updated.1", fmt.Sprint(n))
	}
	p := openTab(t, r.browser, r.addr, "/#resource=keys")
	p.wait(`rows().length == 3`)
	focused := func(row int) string {
		return fmt.Sprintf(`document.activeElement == all(".item > .row")[%d] && document.activeElement.matches(":focus-visible")`, row)
	}
	p.key("ArrowDown")
	p.wait(focused(0))
	p.key("ArrowDown")
	p.wait(focused(1))
	p.key("Enter")
	p.wait(`text(".item:nth-child(3) .json") == "1"`)
	p.key("End")
	p.wait(focused(2))
	p.key("ArrowUp")
	p.key("Enter")
	p.wait(`!document.querySelector(".detail")`)
	p.key("Home")
	p.wait(focused(0))
	r.store(t, "live.keys.updated.1", `3`)
	p.wait(`rows().length == 4`)
	p.wait(focused(1)) // the focus stays with its row
	p.key("?")
	p.wait(`document.querySelector("#help").open`)
	p.key("Escape")
	p.wait(`!document.querySelector("#help").open`)
	p.key("p")
	p.wait(`!document.querySelector("#publish").hidden`)
	p.key("Escape")
	p.wait(`document.querySelector("#publish").hidden`)
	p.wait(focused(1)) // and comes back to it
	p.key("/")
	p.wait(`document.activeElement.id == "search" && document.activeElement.value == ""`)
}

func consoleThemes(t *testing.T, r *consoleRig) {
	p := blankTab(t, r.browser, r.addr)
	dark := `(([r, g, b]) => r + g + b < 150)(getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number))`
	p.scheme("dark")
	p.open("/#start=now")
	p.wait(dark)
	p.scheme("light")
	p.wait(`!` + dark)
	p.click("#theme")
	p.wait(dark)
	p.open("/#start=now")
	p.wait(dark + ` && document.querySelector("#theme").getAttribute("aria-label") == "Colours: dark"`)
	p.scheme("dark")
	p.click("#theme")
	p.wait(`!` + dark)
	p.click("#theme")
	p.wait(dark + ` && document.querySelector("#theme").getAttribute("aria-label") == "Colours: as the system"`)
}

func consoleNarrow(t *testing.T, r *consoleRig) {
	r.store(t, "live.narrow.updated.a-rather-long-identifier-of-a-record", fmt.Sprintf(`{"text":%q}`, strings.Repeat("long ", 100)))
	p := blankTab(t, r.browser, r.addr)
	p.do(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile, chromedp.EmulateTouch))
	p.open("/#resource=narrow")
	p.wait(`rows().length == 1`)
	fits := `document.documentElement.scrollWidth <= 360 && innerWidth == 360`
	p.wait(fits)
	p.click("#filter-toggle")
	p.wait(`document.querySelector("#f-resource").checkVisibility() && ` + fits)
	p.click(".item .row")
	p.wait(`document.querySelector(".detail") && ` + fits)
	p.click("#publish-open")
	p.wait(`document.querySelector("#p-payload").checkVisibility() && ` + fits)
}

// Whatever can be operated has a name.
func consoleNames(t *testing.T, r *consoleRig) {
	r.store(t, "live.names.updated.1", `{"a":1}`)
	p := openTab(t, r.browser, r.addr, "/#resource=names")
	p.wait(`rows().length == 1`)
	p.click(".item .row")
	p.key("p")
	p.wait(`!document.querySelector("#publish").hidden`)
	tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s)
		}
		return s
	}
	seen := map[string]int{}
	for _, n := range tree.Nodes {
		role := text(n.Role)
		switch role {
		case "button", "textbox", "searchbox", "combobox", "spinbutton", "grid", "form", "complementary", "dialog", "image", "toolbar":
			seen[role]++
			if text(n.Name) == "" {
				t.Errorf("a %s has no name: %v", role, n.NodeID)
			}
		}
	}
	for _, role := range []string{"button", "textbox", "searchbox", "combobox", "grid", "complementary"} {
		if seen[role] == 0 {
			t.Errorf("no %s in the accessibility tree: %v", role, seen)
		}
	}
}

// 10,000 events at once neither freeze the page nor fill it.
func consoleBurst(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/#resource=burst&start=now")
	for from := 0; from < 10_000; from += 1000 {
		var body strings.Builder
		for n := from; n < from+1000; n++ {
			fmt.Fprintf(&body, `{"resource":"burst","type":"updated","id":%d,"payload":{"n":%d}}`+"\n", n, n)
		}
		if code, answer, err := r.do("POST", "/v1/events", body.String(), "Content-Type", "application/x-ndjson"); err != nil || code != 200 {
			t.Fatalf("publish: %d %s %v", code, answer, err)
		}
	}
	p.wait(`text("#received") == "10,000" && rows()[0] == '{"n":9999}' && all(".item").length == 1000 && text("#shown") == "newest 1,000"`)
	p.fill("#search", `"n":9123`)
	p.wait(`rows().join() == '{"n":9123}'`)
}

// A bridge that is killed and comes back is waited for; what was stored meanwhile is replayed.
func consoleRestart(t *testing.T, r *consoleRig) {
	p := openTab(t, r.browser, r.addr, "/#resource=restarts&start=now")
	p.expect("WebSocket connection to 'ws://" + r.addr + "/v1/ws' failed") // Chromium's word on each try that finds nobody
	r.store(t, "live.restarts.updated.1", `1`)
	p.wait(`rows().join() == "1"`)
	r.kill()
	p.wait(`text("#state") == "Offline" && text(".point.lost") == "connection lost" && !document.querySelector("#connect").hidden`)
	r.up(r.t)
	r.store(t, "live.restarts.updated.1", `2`)
	p.wait(`text("#state") == "Live" && rows().join() == "2,1"`)
	if got := eval[string](p, `text("#notices") + text("#resets")`); got != "0" {
		t.Errorf("notices and resets after a restart: %s", got)
	}
}

// Where events are gone, the page says so. This empties the stream, and so comes last.
func consoleReset(t *testing.T, r *consoleRig) {
	r.store(t, "live.resets.updated.1", `1`)
	r.store(t, "live.resets.updated.1", `2`)
	code, body, err := r.get("/v1/events?resource=resets&limit=1")
	if err != nil || code != 200 {
		t.Fatalf("history: %d %s %v", code, body, err)
	}
	var page struct{ Cursor string }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	if _, err := r.nc.Request("$JS.API.STREAM.PURGE.LIVE", nil, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p := openTab(t, r.browser, r.addr, "/#resource=resets&after="+page.Cursor)
	p.wait(`text(".notice.warn").startsWith("Reset: ") && text("#resets") == "1" && text(".point.reset").startsWith("reset (")`)
	r.store(t, "live.resets.updated.1", `3`)
	p.wait(`rows().join() == "3"`)
	p.click(".notice button")
	p.wait(`!document.querySelector(".notice")`)
}
