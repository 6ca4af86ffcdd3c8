package bridgetest_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/bridgetest"
	"github.com/livebridge/livebridge/publish"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// A service publishes over a connection of its own, a browser gets it.
func TestStart(t *testing.T) {
	b := bridgetest.Start(t)
	resp, err := client.Get(b.URL + "/v1/sse?resource=products")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	nc, err := nats.Connect(b.NATSURL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.RequestWithContext(t.Context(), "live.products.updated.42", []byte(`{"price":10}`)); err != nil {
		t.Fatal(err)
	}
	events := bufio.NewScanner(resp.Body)
	for events.Scan() {
		if strings.Contains(events.Text(), `"type":"updated","id":"42"`) {
			return
		}
	}
	t.Fatal("the stream ended", events.Err())
}

func TestPublish(t *testing.T) {
	b := bridgetest.Start(t)
	acks := b.Publish(publish.Event{Resource: "products", Type: "created", ID: "1"}, publish.Event{Resource: "products", Type: "updated", IDs: []string{"1", "2"}})
	if len(acks) != 2 || acks[1].Seq != 3 {
		t.Errorf("acks %v", acks)
	}
	resp, err := client.Get(b.URL + "/v1/events?type=updated")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || strings.Count(string(body), `"type":"updated"`) != 2 {
		t.Errorf("%s %v", body, err)
	}
}

// Two bridges in one test are apart, and settings can be changed.
func TestStartTwice(t *testing.T) {
	a := bridgetest.Start(t)
	b := bridgetest.Start(t, func(c *bridge.Config) { c.PrivateMetrics = true })
	a.Publish(publish.Event{Resource: "products", Type: "created", ID: "1"})
	for url, want := range map[string]int{a.URL + "/metrics": 200, b.URL + "/metrics": 404, b.URL + "/readyz": 200} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", url, resp.StatusCode, want)
		}
	}
	if head := b.Log.Stats().Head; head != 0 {
		t.Errorf("the other bridge has %d events", head)
	}
}
