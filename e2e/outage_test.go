package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// While NATS is away the bridge says so, refuses publishes, and keeps its sessions, which catch up by themselves.
func TestNATSLostWhileRunning(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", port(t))
	store := t.TempDir()
	ns := natsServer(t, addr, store)
	b := beside(t, addr)
	s := &sub{name: "a", resource: "products"}
	c := &client{subs: []*sub{s}}
	if err := c.connect(b.addr); err != nil {
		t.Fatal(err)
	}
	defer c.drop()
	for !c.allLive() {
		if _, err := c.read(5 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	ns.Kill()
	eventually(t, 10*time.Second, func() error {
		code, body, err := b.get("/readyz")
		if err == nil && (code != 503 || !strings.Contains(body, "not connected")) {
			err = fmt.Errorf("readyz: %d %s", code, body)
		}
		return err
	})
	code, body, err := b.do("POST", "/v1/events", `{"resource":"products","type":"updated","id":1,"payload":{"n":1}}`, "Content-Type", "application/json")
	if err != nil || code != 503 || !strings.Contains(body, `"code":"unavailable"`) {
		t.Errorf("publish without NATS: %d %s %v", code, body, err)
	}
	if code, _, _ := b.get("/healthz"); code != 200 {
		t.Errorf("healthz without NATS: %d", code)
	}
	natsServer(t, addr, store)
	nc, err := nats.Connect("nats://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for n := 1; n <= 3; n++ {
		if _, err := nc.Request(fmt.Sprintf("live.products.updated.%d", n), fmt.Appendf(nil, `{"n":%d}`, n), 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for len(s.got) < 3 {
		if _, err := c.read(15 * time.Second); err != nil {
			t.Fatalf("the session did not catch up: %v (has %v)", err, s.got)
		}
	}
	if fmt.Sprint(s.got) != "[1 2 3]" || len(s.resets) > 0 {
		t.Errorf("got %v, resets %v", s.got, s.resets)
	}
	eventually(t, 10*time.Second, func() error {
		if err := b.ready(); err != nil {
			return errors.New("not ready again: " + err.Error())
		}
		return nil
	})
}
