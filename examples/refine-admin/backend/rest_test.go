package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func TestWhatIsRefusedChangesAndTellsNothing(t *testing.T) {
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db")).forget()
	before := s.do("GET", "/api/stats/now", "", 200)
	stock := s.do("GET", "/api/products/1", "", 200)["stock"]
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"PATCH", "/api/products/1", `{"price": -1}`, 400},
		{"PATCH", "/api/products/1", `{"stock": -1}`, 422},
		{"PATCH", "/api/products/1", `{"name": "  "}`, 422},
		{"PATCH", "/api/products/1", `{"color": "red"}`, 400},
		{"PATCH", "/api/products/1", `{"sku": "GRD-102"}`, 409},
		{"PATCH", "/api/products/999", `{"stock": 1}`, 404},
		{"DELETE", "/api/products/abc", ``, 404},
		{"POST", "/api/products", `{"name": "x"}`, 422},
		{"POST", "/api/orders", `{"customer": "A", "city": "B", "items": []}`, 422},
		{"POST", "/api/orders", `{"customer": "A", "city": "B", "items": [{"product_id": 1, "quantity": 1}, {"product_id": 2, "quantity": 99999}]}`, 422},
		{"PATCH", "/api/settings/simulation", `{"on": true, "per_minute": 5000}`, 422},
		{"GET", "/api/nothing", ``, 404},
	} {
		s.do(c.method, c.path, c.body, c.want)
	}
	if n := s.waiting(); n != 0 {
		t.Errorf("%d events in the outbox", n)
	}
	if after := s.do("GET", "/api/stats/now", "", 200); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("from %v\nto   %v", before, after)
	}
	if got := s.do("GET", "/api/products/1", "", 200)["stock"]; got != stock {
		t.Errorf("stock of a refused order: %v, was %v", got, stock)
	}
}

func TestOrder(t *testing.T) {
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db")).forget()
	s.do("PATCH", "/api/products/1", `{"stock": 10, "price": 100}`, 200)
	s.forget()
	o := s.do("POST", "/api/orders", `{"customer": "Ines", "city": "Porto", "items": [{"product_id": 1, "quantity": 4}]}`, 200)
	path := fmt.Sprintf("/api/orders/%.0f", o["id"])
	if o["total"] != 400.0 || o["status"] != "new" {
		t.Errorf("order %v", o)
	}
	if got := s.do("GET", "/api/products/1", "", 200)["stock"]; got != 6.0 {
		t.Errorf("stock %v, want 6", got)
	}
	s.do("PATCH", path, `{"status": "shipped"}`, 422)
	s.do("PATCH", path, `{"status": "paid"}`, 200)
	s.do("PATCH", path, `{"status": "paid"}`, 200) // two clicks at once
	if got := s.do("GET", path, "", 200); got["status"] != "paid" || len(got["items"].([]any)) != 1 {
		t.Errorf("order %v", got)
	}
	if n := s.waiting(); n != 3 { // the stock, the order, its status
		t.Errorf("%d events, want 3", n)
	}
	s.do("POST", "/api/orders", `{"sample": true}`, 200)
}

func TestList(t *testing.T) {
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db"))
	for _, c := range []struct {
		query, total, first string
	}{
		{"", "19", `"id":1,`},
		{"?q=MOKA&_sort=price&_order=desc", "2", `"name":"Moka pot, 6 cups"`},
		{"?category=Beans&category=Cups&_sort=name", "5", `"name":"Decaf, 250 g"`},
		{"?id=3&id=5&_order=desc", "2", `"id":5,`},
		{"?_start=18&_end=28", "19", `"id":19,`},
		{"?_sort=price;DROP&_start=-1&_end=x", "19", `"id":1,`},
		{"?q='%25", "0", "[]"},
	} {
		resp, err := http.Get(s.api.URL + "/api/products" + c.query)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(body), "}")
		if got := resp.Header.Get("X-Total-Count"); got != c.total || !strings.Contains(first, c.first) {
			t.Errorf("%s: %s records, first %s; want %s, %s", c.query, got, first, c.total, c.first)
		}
	}
}

func TestStrangersPagesCannotChangeAnything(t *testing.T) {
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db")).forget()
	req, err := http.NewRequest("POST", s.api.URL+"/api/orders", strings.NewReader(`{"sample": true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://stranger.example")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || s.waiting() != 0 {
		t.Errorf("status %d, %d events", resp.StatusCode, s.waiting())
	}
}

func TestSimulation(t *testing.T) {
	s := newShop(t, filepath.Join(t.TempDir(), "shop.db"))
	s.do("PATCH", "/api/settings/simulation", `{"on": true}`, 200)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.simulate(ctx, quiet) })
	defer wg.Wait()
	defer cancel()
	eventually(t, "it is off from the start", func() bool { return s.do("GET", "/api/settings/simulation", "", 200)["on"] == false })
	s.forget()
	s.do("PATCH", "/api/settings/simulation", `{"on": true, "per_minute": 120}`, 200)
	eventually(t, "a few events", func() bool { return s.waiting() > 3 })
	s.do("PATCH", "/api/settings/simulation", `{"on": false}`, 200)
	var kinds int
	if err := s.db.QueryRow(`SELECT count(*) FROM outbox WHERE resource = 'settings'`).Scan(&kinds); err != nil || kinds != 2 {
		t.Errorf("%d events of the settings, want 2 (%v)", kinds, err)
	}
}

// The whole program: it starts without NATS, serves the app, publishes when NATS is there, and ends cleanly.
func TestRun(t *testing.T) {
	n := startNATS(t)
	n.down()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("the app"), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := &lockedBuffer{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-db", filepath.Join(dir, "shop.db"), "-app", dir, "-nats-url", fmt.Sprintf("nats://127.0.0.1:%d", n.opts.Port)}, logs)
	}()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	eventually(t, "an address", func() bool { return url.MatchString(logs.String()) })
	base := url.FindString(logs.String())
	for path, want := range map[string]string{"/products/edit/1": "the app", "/": "the app", "/api/products/1": "Burr grinder"} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(body), want) {
			t.Errorf("%s: %s", path, body)
		}
	}
	n.up()
	eventually(t, "the news of the sample data", func() bool { return len(n.stored()) > 5 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
