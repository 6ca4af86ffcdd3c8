package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// A natsd is a NATS server with a configuration of its own, which can be changed while it runs.
type natsd struct {
	*server.Server
	t    testing.TB
	file string
	opts *server.Options
}

// runNATS runs a server until the test ends. The configuration says nothing of where it listens and stores.
func runNATS(t testing.TB, conf string) *natsd {
	t.Helper()
	n := &natsd{t: t}
	n.file = file(t, "nats.conf", fmt.Sprintf("listen: 127.0.0.1:-1\njetstream { store_dir: %q }\n%s", t.TempDir(), conf))
	n.opts = n.read()
	var err error
	if n.Server, err = server.NewServer(n.opts); err != nil {
		t.Fatal(err)
	}
	n.Start()
	t.Cleanup(func() { n.Shutdown(); n.WaitForShutdown() })
	if !n.ReadyForConnections(patience) {
		t.Fatal("nats-server does not get ready")
	}
	return n
}

func (n *natsd) read() *server.Options {
	n.t.Helper()
	opts, err := server.ProcessConfigFile(n.file)
	if err != nil {
		n.t.Fatal(err)
	}
	opts.NoSigs, opts.NoLog = true, true
	return opts
}

// change replaces a part of the configuration and has the server take it into use.
func (n *natsd) change(part, by string) {
	n.t.Helper()
	text := content(n.t, n.file)
	if !bytes.Contains(text, []byte(part)) {
		n.t.Fatalf("the configuration has no %q", part)
	}
	steps(n.t, os.WriteFile(n.file, bytes.ReplaceAll(text, []byte(part), []byte(by)), 0o600))
	opts := n.read()
	opts.Port = n.opts.Port
	steps(n.t, n.ReloadOptions(opts))
}

// operated makes a user of an account with JetStream, in a server that is told of it by its operator, and returns that part of the
// configuration and the user's credentials.
func operated(t testing.TB) (conf, creds string) {
	t.Helper()
	pair := func(kp nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		steps(t, err)
		public, err := kp.PublicKey()
		steps(t, err)
		return kp, public
	}
	operator, oPublic := pair(nkeys.CreateOperator())
	account, aPublic := pair(nkeys.CreateAccount())
	_, sPublic := pair(nkeys.CreateAccount())
	user, uPublic := pair(nkeys.CreateUser())
	oc := jwt.NewOperatorClaims(oPublic)
	oc.SystemAccount = sPublic
	oJWT, err := oc.Encode(operator)
	steps(t, err)
	ac := jwt.NewAccountClaims(aPublic)
	ac.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	aJWT, err := ac.Encode(operator)
	steps(t, err)
	sJWT, err := jwt.NewAccountClaims(sPublic).Encode(operator)
	steps(t, err)
	uJWT, err := jwt.NewUserClaims(uPublic).Encode(account)
	steps(t, err)
	seed, err := user.Seed()
	steps(t, err)
	text, err := jwt.FormatUserConfig(uJWT, seed)
	steps(t, err)
	return fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }", oJWT, sPublic, aPublic, aJWT, sPublic, sJWT), string(text)
}

// Each way to say who the bridge is lets it in, and the wrong secret does not; neither is ever shown.
func TestNATSCredentials(t *testing.T) {
	seed := func() (seed, public string) {
		kp, err := nkeys.CreateUser()
		steps(t, err)
		s, err := kp.Seed()
		steps(t, err)
		public, err = kp.PublicKey()
		steps(t, err)
		return string(s), public
	}
	right, public := seed()
	wrong, _ := seed()
	operator, creds := operated(t)
	_, otherCreds := operated(t)
	cert, key, _ := newCertificate(t)
	otherCert, otherKey, _ := newCertificate(t)
	const password, bad = "correct-horse-battery", "wrong-horse-battery"
	for _, tc := range []struct {
		name, conf   string
		right, wrong []string // flags; URL stands for the server's address
		secrets      []string
		what         string // is said of the wrong ones
	}{
		{"user and password file", `authorization { user: bridge, password: ` + password + ` }`,
			[]string{"--nats-user", "bridge", "--nats-password-file", file(t, "password", password+"\n")},
			[]string{"--nats-user", "bridge", "--nats-password-file", file(t, "password", bad)}, []string{password, bad}, "does not let this user in"},
		{"user and password in the address", `authorization { user: bridge, password: ` + password + ` }`,
			[]string{"--nats-url", "nats://bridge:" + password + "@URL"}, []string{"--nats-url", "nats://bridge:" + bad + "@URL"}, []string{password, bad}, "does not let this user in"},
		{"token in the address", `authorization { token: ` + password + ` }`,
			[]string{"--nats-url", "nats://" + password + "@URL"}, []string{"--nats-url", "nats://" + bad + "@URL"}, []string{password, bad}, "does not let this user in"},
		{"nkey", `authorization { users: [{ nkey: ` + public + ` }] }`,
			[]string{"--nats-nkey", file(t, "seed", right)}, []string{"--nats-nkey", file(t, "seed", wrong)}, []string{right, wrong}, "does not let this user in"},
		{"creds", operator, []string{"--nats-creds", file(t, "creds", creds)}, []string{"--nats-creds", file(t, "creds", otherCreds)},
			strings.Fields(creds + otherCreds)[4:5], "does not let this user in"},
		{"client certificate", fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }", cert, key, cert),
			[]string{"--nats-ca", cert, "--nats-cert", cert, "--nats-key", key}, []string{"--nats-ca", cert, "--nats-cert", otherCert, "--nats-key", otherKey}, nil, "check --nats-ca, --nats-cert and --nats-key"},
		{"its authority", fmt.Sprintf("tls { cert_file: %q, key_file: %q }", cert, key),
			[]string{"--nats-ca", cert}, []string{"--nats-ca", otherCert}, nil, "certificate signed by unknown authority"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ns := runNATS(t, tc.conf)
			addr := strings.TrimPrefix(strings.TrimPrefix(ns.ClientURL(), "nats://"), "tls://")
			flags := func(given []string) []string {
				out := []string{"--nats-url", "nats://" + addr}
				if given[0] == "--nats-url" {
					out = nil
				}
				for _, f := range given {
					out = append(out, strings.ReplaceAll(f, "URL", addr))
				}
				return out
			}
			b := serve(t, append(flags(tc.right), "--log-level", "debug")...)
			must(t, append([]string{"publish", "products", "created", "1"}, flags(tc.right)...)...)
			until(t, func() bool { _, body := get(t, b.URL+"/v1/events"); return strings.Contains(body, `"type":"created"`) })
			b.stop()
			_, stderr, status := calls(t, append([]string{"--listen", "127.0.0.1:0", "--log-level", "debug"}, flags(tc.wrong)...)...)
			if status != exitFailure || !strings.Contains(stderr, tc.what) || !strings.Contains(stderr, "\nhint: ") {
				t.Errorf("the wrong one: exit %d: %s", status, stderr)
			}
			for _, secret := range tc.secrets {
				if said := b.stdout.String() + b.stderr.String() + stderr; strings.Contains(said, secret) {
					t.Errorf("it says %q: %s", secret, said)
				}
			}
		})
	}
}

// What is wrong with the files of a NATS user is told before anything is started; an address that cannot be read is not repeated.
func TestNATSCredentialsAreRefused(t *testing.T) {
	open := file(t, "open", "secret")
	steps(t, os.Chmod(open, 0o644))
	private := file(t, "private", "secret")
	free := []string{"--listen", "127.0.0.1:0", "--nats-url", "nats://127.0.0.1:1"}
	for _, flag := range []string{"--nats-creds", "--nats-nkey", "--nats-password-file"} {
		args := append(free, flag, open)
		if flag == "--nats-password-file" {
			args = append(args, "--nats-user", "a")
		}
		refused(t, exitUsage, flag+": others than its owner may read or change "+open+" (mode 0644)", "chmod 600", args...)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	for _, flag := range []string{"--nats-ca", "--nats-nkey", "--nats-creds"} {
		refused(t, exitFailure, flag+": open "+missing, "a file that this user can read", append(free, flag, missing)...)
	}
	refused(t, exitUsage, "--nats-user is given without --nats-password-file", "--nats-password-file", append(free, "--nats-user", "a")...)
	refused(t, exitUsage, "--nats-creds and --nats-user both say who the bridge is", "leave out", append(free, "--nats-creds", private, "--nats-user", "a", "--nats-password-file", private)...)
	refused(t, exitUsage, `--nats-inbox "_INBOX.*" is no beginning of a subject`, "_INBOX.bridge", append(free, "--nats-inbox", "_INBOX.*")...)
	for _, url := range []string{"nats://eva:hush%zz@127.0.0.1:1", "nats://eva:hush/x@127.0.0.1:1", "nats://eva:hu sh@127.0.0.1:1", "nats://eva:hush@127.0.0.1:1,nats://eva:hush%zz@b"} {
		_, stderr, status := calls(t, "--listen", "127.0.0.1:0", "--nats-url", url, "--log-level", "debug")
		if status == exitOK || !strings.Contains(stderr, "hint: ") || strings.Contains(stderr, "hush") || strings.Contains(stderr, "hu sh") {
			t.Errorf("%s: exit %d: %s", url, status, stderr)
		}
	}
}

// Credentials that are withdrawn while the bridge runs make it unready, which the log explains once; it comes back with those that count.
func TestNATSCredentialsWithdrawn(t *testing.T) {
	ns := runNATS(t, `authorization { user: bridge, password: the-first-one }`)
	password := file(t, "password", "the-first-one")
	b := serve(t, "--nats-url", ns.ClientURL(), "--nats-user", "bridge", "--nats-password-file", password)
	live := watch(t, b.URL+"/v1/sse")
	ns.change("the-first-one", "the-second-one")
	b.stderr.wait(t, "NATS does not let this user in any more")
	until(t, func() bool {
		code, body := get(t, b.URL+"/readyz")
		return code == 503 && strings.Contains(body, "not connected to NATS")
	})
	steps(t, os.WriteFile(password, []byte("the-second-one"), 0o600))
	b.stderr.wait(t, "connected to NATS again")
	until(t, func() bool { code, _ := get(t, b.URL+"/readyz"); return code == 200 })
	must(t, "publish", "products", "created", "1", "--nats-url", ns.ClientURL(), "--nats-user", "bridge", "--nats-password-file", password)
	live.wait(t, `"type":"created","id":"1"`)
	if n := strings.Count(b.stderr.String(), "does not let this user in any more"); n != 1 {
		t.Errorf("told %d times: %s", n, b.stderr)
	}
	if strings.Contains(b.stderr.String(), "the-first-one") || strings.Contains(b.stderr.String(), "the-second-one") {
		t.Errorf("it tells the password: %s", b.stderr)
	}
}
