package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/publish"
)

func TestChangeIsTold(t *testing.T) {
	n := startNATS(t)
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db")).forget()
	s.publish(n.connect())
	s.do("PATCH", "/api/products/4", `{"price": 36.5, "stock": 12}`, 200)
	s.do("PATCH", "/api/products/4", `{"price": 35}`, 200, "X-Live-Origin", "s7Vd2", "X-User", "Eva")
	s.do("DELETE", "/api/products/4", "", 200, "X-Live-Origin", "not fit\x80", "X-User", "Tom")
	eventually(t, "three events", func() bool { return len(n.stored()) == 3 })

	first, second, third := n.stored()[0], n.stored()[1], n.stored()[2]
	if first.Subject != "live.products.updated.4" || second.Subject != "live.products.updated.4" || third.Subject != "live.products.deleted.4" {
		t.Errorf("subjects %s, %s, %s", first.Subject, second.Subject, third.Subject)
	}
	if got, want := string(second.Data), `{"change":{"price":[36.50,35.00]},"title":"Moka pot, 3 cups"}`; got != want {
		t.Errorf("payload %s, want %s", got, want)
	}
	for header, want := range map[string]string{"Live-Origin": "s7Vd2", "Live-Meta": `{"user":"Eva"}`} {
		if got := second.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if got := third.Header.Get("Live-Origin"); got != "" {
		t.Errorf("an origin that is not fit for an event was published: %q", got)
	}
	if first.Header.Get("Live-Origin") != "" || first.Header.Get("Live-Meta") != "" {
		t.Errorf("headers of nobody's change: %v", first.Header)
	}
	if _, err := time.Parse(time.RFC3339, first.Header.Get("Live-Date")); err != nil {
		t.Error(err)
	}
	keys := map[string]bool{first.Header.Get("Nats-Msg-Id"): true, second.Header.Get("Nats-Msg-Id"): true, third.Header.Get("Nats-Msg-Id"): true}
	if len(keys) != 3 || keys[""] {
		t.Errorf("keys %v", keys)
	}
}

func TestNothingIsLostWhileNATSIsAway(t *testing.T) {
	n := startNATS(t)
	path := filepath.Join(t.TempDir(), "shop.db")
	s := newShop(t, path).forget()
	nc := n.connect(nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectBufSize(-1), nats.ReconnectHandler(func(*nats.Conn) { s.wake() }))
	stop := s.publish(nc)
	s.do("PATCH", "/api/products/1", `{"stock": 501}`, 200)
	eventually(t, "the first event", func() bool { return s.waiting() == 0 })

	n.down()
	for stock := 502; stock <= 506; stock++ {
		s.do("PATCH", "/api/products/1", fmt.Sprintf(`{"stock": %d}`, stock), 200)
	}
	if got := s.do("GET", "/api/stats/now", "", 200)["unpublished"]; got != 5.0 {
		t.Errorf("%v events wait, want 5", got)
	}
	// The process ends now, and another one takes over with the same database.
	stop()
	s.close()
	s = newShop(t, path)
	n.up()
	s.publish(n.connect())
	eventually(t, "an empty outbox", func() bool { return s.waiting() == 0 })
	var got []string
	for _, m := range n.stored() {
		got = append(got, string(m.Data))
	}
	if len(got) != 6 {
		t.Fatalf("%d events: %q", len(got), got)
	}
	for i := 2; i <= 6; i++ {
		if want := fmt.Sprintf(`{"change":{"stock":[%d,%d]},"title":"Burr grinder Nord"}`, 500+i-1, 500+i); got[i-1] != want {
			t.Errorf("event %d: %s, want %s", i, got[i-1], want)
		}
	}
}

func TestDeathBeforeDeletionTellsOnce(t *testing.T) {
	n := startNATS(t)
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db")).forget()
	s.do("PATCH", "/api/products/1", `{"stock": 501}`, 200)
	nc := n.connect()
	p, err := publish.New(nc, publish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, event, err := s.oldest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), event); err != nil { // acknowledged, and the row is still there
		t.Fatal(err)
	}
	s.publish(nc)
	eventually(t, "an empty outbox", func() bool { return s.waiting() == 0 })
	if got := len(n.stored()); got != 1 {
		t.Errorf("stored %d times", got)
	}
}

func TestEventThatCannotBePublishedDoesNotBlock(t *testing.T) {
	n := startNATS(t)
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db")).forget()
	err := s.change(t.Context(), cause{origin: "line\nbreak"}, func(c *change) error { return c.tell("products", "updated", "1", nil) })
	if err != nil {
		t.Fatal(err)
	}
	s.do("PATCH", "/api/products/2", `{"stock": 501}`, 200)
	s.publish(n.connect())
	eventually(t, "an empty outbox", func() bool { return s.waiting() == 0 })
	if got := n.stored(); len(got) != 1 || got[0].Subject != "live.products.updated.2" {
		t.Errorf("stored: %v", got)
	}
	var reason string
	if err := s.db.QueryRow(`SELECT error FROM outbox`).Scan(&reason); err != nil || reason == "" {
		t.Errorf("the event that was left: %q, %v", reason, err)
	}
}
