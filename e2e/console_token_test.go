package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/nats-io/nats.go"
)

// secretFile writes a secret of tokens.
func secretFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jwt.secret")
	if err := os.WriteFile(path, []byte(strings.Repeat(text, 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func bridgeCommand(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(bridgeBin, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("bridge %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// The console of a bridge that asks for tokens: it is given one, another in its place, one that expires, and one that is revoked.
func TestConsoleWithTokens(t *testing.T) {
	secret := secretFile(t, "s")
	r := &consoleRig{bridge: embedded(t, "--console", "--jwt-secret-file", secret), t: t, browser: chromium(t)}
	var err error
	if r.nc, err = nats.Connect("nats://" + r.nats); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.nc.Close)
	token := func(sub string, more ...string) string {
		t.Helper()
		return bridgeCommand(t, append([]string{"token", "--secret-file", secret, "--sub", sub, "--subscribe", ">", "--publish", "products.>"}, more...)...)
	}
	p := blankTab(t, r.browser, r.addr)
	var given []string
	give := func(token string) {
		t.Helper()
		given = append(given, token)
		p.do(chromedp.Focus(chromedp.CSS("#token")))
		eval[bool](p, fmt.Sprintf(`(document.querySelector("#token").value = %q, true)`, token)) // as it is pasted
		p.key("Enter")
		p.wait(`document.querySelector("#token").value == "" && document.querySelector("#token").validationMessage == ""`)
	}
	state := func(want, text string) {
		t.Helper()
		p.wait(fmt.Sprintf(`document.querySelector("#token-form").dataset.state == %q && text("#token-text").includes(%q)`, want, text))
	}

	p.do(chromedp.Navigate("http://" + r.addr + "/#resource=*&start=now"))
	p.wait(`text("#empty-title") == "Waiting for a token" && document.activeElement.id == "token" && document.querySelector("#hints").hidden`)
	state("none", "asks for a token")
	p.fill("#token", "nonsense")
	p.key("Enter")
	p.wait(`document.querySelector("#token").validationMessage.includes("three parts")`)
	give(bridgeCommand(t, "token", "--secret-file", secretFile(t, "x"), "--sub", "alice", "--subscribe", ">"))
	state("refused", "does not accept")
	p.wait(`text("#notices") == ""`)
	shootIf(p, "console-token-refused.png")

	give(token("alice"))
	p.wait(`text("#state") == "Live"`)
	state("held", "alice, until ")
	if line := eval[string](p, `text("#hint-curl")`); !strings.Contains(line, ` -H "Authorization: Bearer $TOKEN" `) {
		t.Errorf("curl line: %s", line)
	}
	r.store(t, "live.orders.created.1", `{"n":1}`)
	p.wait(`rows().join() == '{"n":1}'`)
	session := eval[string](p, `text("#session")`)

	p.click("#publish-open")
	publish := func(resource, want string) {
		t.Helper()
		p.fill("#p-resource", resource)
		p.fill("#p-type", "updated")
		p.click("#publish-form button[type=submit]")
		p.wait(want)
	}
	publish("products", `document.querySelector(".ack.stored")`)
	publish("orders", `text(".ack.failed").includes("forbidden")`)
	shootIf(p, "console-token.png")
	p.click("#publish-close")

	// A fresh token of the same user is taken on the open connection, another user's on one of its own.
	give(token("alice", "--deny", "orders.*.7"))
	r.awaitDenied(t, p)
	if again := eval[string](p, `text("#session")`); again != session {
		t.Errorf("another session with a fresh token: %s, %s", session, again)
	}
	give(token("bob"))
	p.wait(fmt.Sprintf(`text("#state") == "Live" && text("#session") != %q`, session))
	state("held", "bob, until ")

	// It expires: the page waits for a fresh one, and what was missed follows.
	give(token("bob", "--expires", "3s"))
	state("soon", "bob, for ")
	state("refused", "does not accept")
	r.store(t, "live.orders.created.2", `{"n":"missed"}`)
	give(token("bob"))
	p.wait(`text("#state") == "Live" && rows()[0] == '{"n":"missed"}'`)

	// It is revoked.
	bridgeCommand(t, "token", "revoke", "--sub", "bob", "--nats-url", "nats://"+r.nats)
	state("refused", "does not accept")
	give(token("carl"))
	p.wait(`text("#state") == "Live"`)
	p.click("#token-forget")
	state("none", "asks for a token")
	p.wait(`text("#empty-title") == "Waiting for a token"`)

	kept := eval[string](p, `location.href + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie + document.documentElement.outerHTML + all("input, textarea").map((e) => e.value)`)
	for _, token := range given {
		if part := strings.Split(token, "."); strings.Contains(kept, part[1]) || strings.Contains(kept, part[2]) {
			t.Errorf("a token is kept: %s", kept)
		}
	}
}

// awaitDenied publishes until what the fresh token denies does not come any more.
func (r *consoleRig) awaitDenied(t *testing.T, p *tab) {
	t.Helper()
	for n := 0; ; n++ {
		r.store(t, "live.orders.created.7", fmt.Sprintf(`{"denied":%d}`, n))
		r.store(t, "live.orders.created.8", fmt.Sprintf(`{"allowed":%d}`, n))
		p.wait(fmt.Sprintf(`rows()[0] == '{"allowed":%d}'`, n))
		if !eval[bool](p, fmt.Sprintf(`rows().includes('{"denied":%d}')`, n)) {
			return
		}
		if n > 100 {
			t.Fatal("the fresh token is not taken")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// shootIf takes a picture where they are asked for.
func shootIf(p *tab, name string) {
	if *screenshots != "" {
		shoot(p, *screenshots, name)
	}
}
