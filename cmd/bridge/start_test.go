package main

import (
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/internal/natstest"
)

// Where the bridge cannot start it says why in one line, what to do in another, and exits with 1.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	silent := taken.Addr().String() // it takes connections and says nothing
	ns := natstest.Start(t)
	plainFile := file(t, "file", "")
	const free = "127.0.0.1:0"
	refused(t, exitFailure, "--listen: the port of "+silent+" is in use", "choose another port with --listen 127.0.0.1:", "--listen", silent)
	refused(t, exitFailure, "--admin-listen: the port of "+silent+" is in use", "--admin-listen", "--listen", free, "--admin-listen", silent)
	refused(t, exitFailure, "--nats-listen: the port of "+silent+" is in use", "choose another port with --nats-listen 127.0.0.1:",
		"--listen", free, "--nats-listen", silent, "--store-dir", t.TempDir())
	refused(t, exitFailure, "--listen: this machine does not have the address 192.0.2.1:8080", "127.0.0.1", "--listen", "192.0.2.1:8080", "--insecure")
	refused(t, exitFailure, "store directory "+plainFile+" cannot be written: not a directory", "--store-dir", "--listen", free, "--nats-listen", free, "--store-dir", plainFile)
	if runtime.GOOS == "linux" { // where nobody can create a folder, not even root
		refused(t, exitFailure, "store directory /proc/livebridge cannot be written", "--store-dir", "--listen", free, "--nats-listen", free, "--store-dir", "/proc/livebridge")
	}
	refused(t, exitFailure, "NATS at nats://eva:xxxxx@127.0.0.1:1 cannot be reached", "is the server running", "--listen", free, "--nats-url", "nats://eva:secret@127.0.0.1:1")
	refused(t, exitFailure, "NATS at nats://"+silent+" cannot be reached", "is the server running", "--listen", free, "--nats-url", "nats://"+silent)
	refused(t, exitFailure, "NATS at tls://", "does not speak TLS", "--listen", free, "--nats-url", strings.Replace(ns.URL(), "nats:", "tls:", 1))
	refused(t, exitFailure, "--nats-creds: open nosuch", "a file that this user can read", "--listen", free, "--nats-url", ns.URL(), "--nats-creds", "nosuch")
	refused(t, exitFailure, "--nats-nkey "+plainFile, "seed", "--listen", free, "--nats-url", ns.URL(), "--nats-nkey", plainFile)
	refused(t, exitFailure, "3 replicas need a NATS cluster", "--replicas 1", "--listen", free, "--nats-url", ns.URL(), "--replicas", "3")
}

func TestStartWithAStreamThatIsOtherwise(t *testing.T) {
	ns := natstest.Start(t)
	js, err := jetstream.New(ns.Connect())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "LIVE", Subjects: []string{"foo.>"}}); err != nil {
		t.Fatal(err)
	}
	refused(t, exitFailure, `stream LIVE: its subjects are ["foo.>"], but live events need "live.*.*.*"`, "nats stream edit LIVE", "--nats-url", ns.URL(), "--listen", "127.0.0.1:0")
	refused(t, exitFailure, "stream LIVE: its subjects are", "nats stream edit LIVE", "tail", "--nats-url", ns.URL())
}

func TestStartWithoutJetStream(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	refused(t, exitFailure, "JetStream does not answer on this NATS server", "enable it", "--nats-url", ns.ClientURL(), "--listen", "127.0.0.1:0")
}

// A configuration of nats-server is checked before anything is started: what is wrong is told with file and line.
func TestNATSConfigIsRefused(t *testing.T) {
	conf := func(text string) string { return file(t, "nats.conf", text) }
	const loopback = "listen: 127.0.0.1:-1\njetstream: enabled\n"
	const limited = `authorization { users: [{user: a, password: a, permissions: { publish: ["live.>"], subscribe: ["_INBOX.>"] }}] }` + "\n"
	for _, c := range []struct {
		status           int
		conf, what, hint string
	}{
		{exitFailure, "listen: 127.0.0.1:-1\njetstream {\n  store_dirr: x\n}", `nats.conf:3:3: unknown field "store_dirr"`, "nats-server -c FILE -t"},
		{exitFailure, "jetstream {\n  store_dir: \"x\n", "nats.conf: Parse error on line", "nats-server -c FILE -t"},
		{exitFailure, "listen: 127.0.0.1:-1", "does not switch on JetStream", "jetstream {"},
		{exitUsage, "listen: 0.0.0.0:-1\njetstream: enabled", "nats.conf: listen 0.0.0.0:0 is a public address without credentials", "--insecure"},
		{exitUsage, "jetstream: enabled", "nats.conf: listen 0.0.0.0:4222 is a public address without credentials", "--insecure"},
		{exitUsage, "listen: 0.0.0.0:-1\njetstream: enabled\nno_auth_user: a\nauthorization { users: [{user: a, password: a}] }", "without credentials", "--insecure"},
		{exitUsage, "listen: \"[::]:-1\"\njetstream: enabled", "listen [::]:0 is a public address without credentials", "--insecure"},
		{exitUsage, "listen: nats.example.com:4222\njetstream: enabled", "listen nats.example.com:4222 is a public address without credentials", "--insecure"},
		{exitUsage, "port: 4222\njetstream: enabled", "listen 0.0.0.0:4222 is a public address without credentials", "--insecure"},
		{exitUsage, loopback + "websocket { port: 8443, no_tls: true }", "websocket 0.0.0.0:8443 is a public address without credentials", "--insecure"},
		{exitUsage, loopback + limited + "websocket { listen: 0.0.0.0:8443, no_tls: true, no_auth_user: a }", "websocket 0.0.0.0:8443 is a public address without credentials", "--insecure"},
		{exitUsage, loopback + "server_name: n\nmqtt { port: 1883 }", "mqtt 0.0.0.0:1883 is a public address without credentials", "--insecure"},
		{exitUsage, loopback + "leafnodes { port: 7422 }", "leafnodes 0.0.0.0:7422 is a public address without credentials", "--insecure"},
		{exitUsage, loopback + "cluster { name: c, listen: 0.0.0.0:6222 }", "cluster 0.0.0.0:6222 is a public address without credentials", "--insecure"},
		{exitUsage, loopback + "gateway { name: g, listen: 0.0.0.0:7222 }", "gateway 0.0.0.0:7222 is a public address without credentials", "--insecure"},
		{exitUsage, loopback + limited + "http: 0.0.0.0:8222", "http 0.0.0.0:8222 is a public address, and asks nobody", "127.0.0.1"},
		{exitUsage, "listen: 0.0.0.0:-1\njetstream: enabled\nhttp_port: 8222\n" + limited, "http 0.0.0.0:8222 is a public address, and asks nobody", "127.0.0.1"},
		{exitUsage, "listen: 0.0.0.0:-1\njetstream: enabled\nprof_port: 8223\n" + limited, "prof_port 0.0.0.0:8223 is a public address, and asks nobody", "127.0.0.1"},
		{exitUsage, "listen: 0.0.0.0:-1\njetstream: enabled\nauthorization { users: [{user: a, password: a}] }", `user "a" has no permissions`, "permissions: {"},
		{exitUsage, "listen: 0.0.0.0:-1\njetstream: enabled\nauthorization { user: a, password: a }", `user "a" has no permissions`, "permissions: {"},
		{exitUsage, "listen: 0.0.0.0:-1\njetstream: enabled\nauthorization { token: a }", "the token has no permissions", "permissions: {"},
		{exitFailure, "listen: 127.0.0.1:-1\njetstream: enabled\naccounts { A { jetstream: enabled, users: [{user: a, password: a}] }, B { users: [{user: b, password: b}] } }", "several accounts", "--nats-nkey"},
	} {
		path := conf(c.conf)
		refused(t, c.status, c.what, c.hint, "--nats-config", path, "--listen", "127.0.0.1:0", "--store-dir", t.TempDir())
	}
	refused(t, exitFailure, "--nats-config: open nosuch.conf", "nats-server -c FILE -t", "--nats-config", "nosuch.conf", "--listen", "127.0.0.1:0")
	// What nats-server finds out only when it starts.
	refused(t, exitFailure, "NATS inside the bridge: ", "--log-level debug", "--listen", "127.0.0.1:0", "--store-dir", t.TempDir(),
		"--nats-config", conf(fmt.Sprintf("listen: 127.0.0.1:-1\npid_file: %q\njetstream: enabled", filepath.Join(t.TempDir(), "no", "such", "pid"))))
}
