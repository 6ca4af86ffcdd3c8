package bridge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livebridge/livebridge/internal/ws"
)

// value is a metric's value, or the sum over its labels.
func value(t testing.TB, reg *prometheus.Registry, name string, label ...string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			fits := f.GetName() == name
			for i := 0; i < len(label); i += 2 {
				fits = fits && len(m.GetLabel()) > 0 && m.GetLabel()[0].GetName() == label[i] && m.GetLabel()[0].GetValue() == label[i+1]
			}
			if fits {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// What clients choose turns up in no label, however much they try.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := start(t, func(c *Config) { c.Registry = reg })
	b, s := r.connect(), r.sse(t, "resource=secret").live()
	for i := range 3 {
		b.send(fmt.Sprintf(`{"op":"publish","ref":"secret%d","events":[{"resource":"secret%d","type":"secret","id":"secret"}]}`, i, i))
		b.want("published")
	}
	for i := range 3 {
		b.send(fmt.Sprintf(`{"op":"secret%d"}`, i))
		b.want("unknown_op")
	}
	r.get("/secret")
	r.get("/v1/events?resource=secret&last=secret")
	r.do("SECRET", "/v1/events", "")
	r.post(`{"resource":"secret"}`)
	r.get("/v1/events", "Origin", "https://secret.example")
	for _, code := range []string{"\x03\xe8", "\x03\xe9", "\x0f\xa1", "\x10\x01", "\x13\x87", ""} { // 1000, 1001, 4001, 4097, 4999, none
		w := r.wire(hello()+masked(ws.Close, code), 0)
		w.response(t)
		w.frame(t)
		_ = w.Close()
	}
	await(t, "they have gone", func() bool { return r.connections() == 2 })
	for _, m := range []struct {
		name  string
		label []string
		want  float64
	}{
		{"livebridge_connections", []string{"kind", "ws"}, 1},
		{"livebridge_connections", []string{"kind", "sse"}, 1},
		{"livebridge_connections_opened_total", []string{"kind", "ws"}, 7},
		{"livebridge_published_total", nil, 3},
		{"livebridge_client_errors_total", []string{"code", "unknown_op"}, 3},
		{"livebridge_client_errors_total", []string{"code", "forbidden"}, 1},
		{"livebridge_closes_total", []string{"code", "1000"}, 2},
		{"livebridge_closes_total", []string{"code", "1001"}, 1},
		{"livebridge_closes_total", []string{"code", "other"}, 3},
		{"livebridge_tail_ready", nil, 1},
		{"livebridge_tail_head_sequence", nil, 3},
		{"livebridge_window_events", nil, 3},
		{"livebridge_subscriptions_live", nil, 1},
	} {
		if got := value(t, reg, m.name, m.label...); got != m.want {
			t.Errorf("%s %v is %v, want %v", m.name, m.label, got, m.want)
		}
	}
	status, text := r.get("/metrics")
	if status != 200 || strings.Contains(strings.ToLower(text), "secret") {
		t.Errorf("%d %s", status, text)
	}
	labels := regexp.MustCompile(`(?m)^livebridge_[a-z_]+\{([a-z]+)="([^"]*)"\}`)
	for _, m := range labels.FindAllStringSubmatch(text, -1) {
		if !slices.Contains([]string{"kind", "code", "reason", "le"}, m[1]) || len(m[2]) > 20 {
			t.Errorf("label %s=%q", m[1], m[2])
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if !strings.HasPrefix(line, "livebridge_") && !strings.HasPrefix(line, "# HELP livebridge_") && !strings.HasPrefix(line, "# TYPE livebridge_") {
			t.Errorf("a strange line: %s", line)
		}
	}
	s.close()
	_ = b.ws.Close()
	await(t, "all have gone", func() bool { return value(t, reg, "livebridge_connections") == 0 })
	if n := value(t, reg, "livebridge_subscriptions_live"); n != 0 {
		t.Errorf("%v subscriptions are left", n)
	}
}
