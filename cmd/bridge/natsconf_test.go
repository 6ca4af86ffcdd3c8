package main

import (
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/livebridge/livebridge"
)

// nats.conf is a configuration of any nats-server.
func TestNATSConfIsForNATSServerToo(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "nats-server")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	out, err := exec.Command(bin, "-c", filepath.Join("..", "..", "nats.conf"), "-t").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is valid") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The file in the repository, given as a file, does what the built-in copy does.
func TestNATSConfAsAFile(t *testing.T) {
	b := serve(t, "--nats-config", filepath.Join("..", "..", "nats.conf"), "--nats-listen", "127.0.0.1:0", "--store-dir", t.TempDir())
	if strings.Contains(b.stderr.String(), "sync_interval") {
		t.Errorf("nats.conf does not sync always: %s", b.stderr)
	}
	must(t, "publish", "products", "created", "1", "--nats-url", b.NATS)
	if status := b.stop(); status != exitOK {
		t.Errorf("exit %d: %s", status, b.stderr)
	}
}

// FuzzNATSConf proves that no configuration lets everybody in at a public address, and that every refusal is one line with advice.
func FuzzNATSConf(f *testing.F) {
	for _, seed := range []string{
		livebridge.NATSConf, "listen: 0.0.0.0:4222\njetstream: enabled", "jetstream {}\nlisten: 0.0.0.0:1\nauthorization { user: a, password: b }", "jetstream {", "listen: -1",
		"jetstream: true\nhost: ::\nno_auth_user: a\naccounts { A { users: [{user: a, password: b}] } }", "max_payload: 1MB\njetstream { max_file: 1GB, sync_interval: always }",
		"x = $X\njetstream: $x", "jetstream: true\nlisten: \"localhost:-1\"\nauthorization { token: t }",
	} {
		f.Add(seed)
	}
	silent := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, conf string) {
		if strings.Contains(conf, "include") || strings.Contains(conf, "resolver") || strings.Contains(conf, "operator") {
			return // they read other files
		}
		c := &serveCmd{NATSConfig: file(t, "nats.conf", conf), StoreDir: t.TempDir()}
		e, err := c.configure(silent, sources{"nats-config": ""})
		if err != nil {
			if text := err.Error(); text == "" || strings.ContainsAny(text, "\n\r") {
				t.Fatalf("%q", text)
			}
			return
		}
		o := e.opts
		public := !o.DontListen && !(address{host: o.Host}).loopback()
		anybody := o.Username == "" && o.Authorization == "" && len(o.Users)+len(o.Nkeys) == 0 && !o.TLSVerify || o.NoAuthUser != ""
		if !o.JetStream || public && anybody {
			t.Fatalf("taken: JetStream %v, listens on %q, users %d", o.JetStream, o.Host, len(o.Users))
		}
	})
}

// What an acknowledgement promises is said where it is less than usual; the configuration's own folder and port count.
func TestServeSaysWhatAnAckPromises(t *testing.T) {
	dir := t.TempDir()
	b := serve(t, "--nats-config", file(t, "nats.conf", fmt.Sprintf("listen: 127.0.0.1:-1\njetstream { store_dir: %q }", dir)))
	b.stderr.wait(t, "sync_interval is not always")
	if got := b.ready()["store_dir"]; got != dir {
		t.Errorf("stores in %s, want %s", got, dir)
	}
}

// Where the configuration asks services who they are, they have to say so, and the bridge lets itself in.
func TestServeWithUsers(t *testing.T) {
	const start = "listen: 127.0.0.1:-1\njetstream { sync_interval: always }\n"
	for what, conf := range map[string]string{
		"a user":     `authorization { user: shop, password: secret }`,
		"users":      `authorization { users: [{user: shop, password: secret, permissions: { publish: ["live.products.>"], subscribe: ["_INBOX.>"] }}] }`,
		"an account": `accounts { A { jetstream: enabled, users: [{user: shop, password: secret}] } }`,
		"a hash":     `authorization { user: shop, password: "$2a$11$fnQ4TWt.QkHD3YjfeVFwRe76xc/KyZxMvKBRzZTScgh0ueZ6N9ctC" }`,
	} {
		t.Run(what, func(t *testing.T) {
			b := serve(t, "--nats-config", file(t, "nats.conf", start+conf), "--store-dir", t.TempDir())
			_, stderr, status := calls(t, "publish", "products", "created", "1", "--nats-url", b.NATS)
			if status != exitFailure || !strings.Contains(stderr, "does not let this user in") {
				t.Errorf("without credentials: exit %d: %s", status, stderr)
			}
			if what == "a hash" {
				return // nobody here knows the password
			}
			as := strings.Replace(b.NATS, "//", "//shop:secret@", 1)
			must(t, "publish", "products", "created", "1", "--nats-url", as)
			until(t, func() bool { _, body := get(t, b.URL+"/v1/events"); return strings.Contains(body, `"type":"created"`) })
		})
	}
	t.Run("a token", func(t *testing.T) {
		b := serve(t, "--nats-config", file(t, "nats.conf", start+`authorization { token: secret }`), "--store-dir", t.TempDir())
		must(t, "publish", "products", "created", "1", "--nats-url", strings.Replace(b.NATS, "//", "//secret@", 1))
	})
}

// On a public address it serves users who are told what they may, and lets nobody else in.
func TestServeOnAPublicAddress(t *testing.T) {
	b := serve(t, "--nats-config", file(t, "nats.conf", `listen: 0.0.0.0:-1
http: 127.0.0.1:-1
jetstream { sync_interval: always }
authorization {
	default_permissions: { publish: ["live.orders.>"], subscribe: ["_INBOX.>"] }
	users: [
		{ user: shop, password: secret, permissions: { publish: ["live.products.>"], subscribe: ["_INBOX.>"] } }
		{ user: till, password: secret }
	]
}`), "--store-dir", t.TempDir())
	must(t, "publish", "products", "created", "1", "--nats-url", strings.Replace(b.NATS, "//", "//shop:secret@", 1))
	must(t, "publish", "orders", "created", "1", "--nats-url", strings.Replace(b.NATS, "//", "//till:secret@", 1))
	for _, who := range []string{"", "shop:wrong@", "nobody:secret@"} {
		if _, stderr, status := calls(t, "publish", "products", "created", "1", "--nats-url", strings.Replace(b.NATS, "//", "//"+who, 1)); status != exitFailure || !strings.Contains(stderr, "does not let this user in") || strings.Contains(stderr, "wrong") {
			t.Errorf("%q: exit %d: %s", who, status, stderr)
		}
	}
}

// With several accounts the bridge is told by a key which is its own.
func TestServeWithAnNkey(t *testing.T) {
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := key.Seed()
	public, _ := key.PublicKey()
	conf := fmt.Sprintf(`listen: 127.0.0.1:-1
jetstream { sync_interval: always }
accounts { A { jetstream: enabled, users: [{nkey: %s}] }, B { users: [{user: b, password: b}] } }`, public)
	seedFile := file(t, "seed", string(seed))
	b := serve(t, "--nats-config", file(t, "nats.conf", conf), "--store-dir", t.TempDir(), "--nats-nkey", seedFile)
	must(t, "publish", "products", "created", "1", "--nats-url", b.NATS, "--nats-nkey", seedFile)
	if got := must(t, "tail", "--no-follow", "--nats-url", b.NATS, "--nats-nkey", seedFile); !strings.Contains(got, "products created 1") {
		t.Errorf("tail: %q", got)
	}
}

// What a server forbids later is in the log: the server tells it aside, not as an answer.
func TestPermissionViolationsAreLogged(t *testing.T) {
	b := serve(t, "--nats-config", file(t, "nats.conf", `listen: 127.0.0.1:-1
jetstream { sync_interval: always }
authorization { users: [{user: shop, password: secret, permissions: { publish: ["live.products.>"], subscribe: ["_INBOX.>"] }}] }`), "--store-dir", t.TempDir())
	as := strings.Replace(b.NATS, "//", "//shop:secret@", 1)
	_, stderr, status := calls(t, "publish", "orders", "created", "1", "--nats-url", as)
	if status != exitFailure || !strings.Contains(stderr, "may not publish") {
		t.Errorf("exit %d: %s", status, stderr)
	}
	out := newLines()
	nc, err := nats.Connect(as, natsOptions(newLogger(out, "info", "text"), func(error) {})...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.SubscribeSync("live.>"); err != nil {
		t.Fatal(err)
	}
	out.wait(t, "Permissions Violation")
}
