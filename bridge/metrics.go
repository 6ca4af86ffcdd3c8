package bridge

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// metrics are what the bridge counts. No label holds anything that a client chose.
type metrics struct {
	connections   *prometheus.GaugeVec   // kind: ws, sse
	opened        *prometheus.CounterVec // kind
	closes        *prometheus.CounterVec // code
	errors        *prometheus.CounterVec // code
	limited       prometheus.Counter
	refusals      *prometheus.CounterVec // reason
	published     prometheus.Counter
	publishFailed prometheus.Counter
	publishTime   prometheus.Histogram
	revoked       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, log *replay.Log, list Revocations) (*metrics, error) {
	m := &metrics{
		connections:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "livebridge_connections", Help: "Open connections."}, []string{"kind"}),
		opened:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "livebridge_connections_opened_total", Help: "Connections since the start."}, []string{"kind"}),
		closes:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "livebridge_closes_total", Help: "Connections that the bridge closed, or agreed to close, by close code."}, []string{"code"}),
		errors:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "livebridge_client_errors_total", Help: "Errors told to clients, by error code."}, []string{"code"}),
		limited:       prometheus.NewCounter(prometheus.CounterOpts{Name: "livebridge_frames_limited_total", Help: "Frames over a connection's rate."}),
		refusals:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "livebridge_refused_total", Help: "What was refused because a limit was reached, by limit."}, []string{"reason"}),
		published:     prometheus.NewCounter(prometheus.CounterOpts{Name: "livebridge_published_total", Help: "Messages that the bridge published and JetStream acknowledged."}),
		publishFailed: prometheus.NewCounter(prometheus.CounterOpts{Name: "livebridge_publish_failures_total", Help: "Publish requests that were not acknowledged."}),
		publishTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "livebridge_publish_seconds", Help: "Time from a publish request to JetStream's acknowledgement.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		revoked: prometheus.NewCounter(prometheus.CounterOpts{Name: "livebridge_revoked_connections_total", Help: "Connections that ended because their token was revoked."}),
	}
	for _, kind := range []string{"ws", "sse"} {
		m.connections.WithLabelValues(kind)
		m.opened.WithLabelValues(kind)
	}
	for _, why := range reasons {
		m.refusals.WithLabelValues(string(why))
	}
	for _, c := range []prometheus.Collector{m.connections, m.opened, m.closes, m.errors, m.limited, m.refusals, m.published, m.publishFailed, m.publishTime, m.revoked, held(list), logCollector{log}} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// held counts the list of revocations, which may be nil.
func held(list Revocations) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "livebridge_revocations", Help: "Entries in the list of revoked tokens."}, func() float64 {
		if list == nil {
			return 0
		}
		return float64(list.Len())
	})
}

func (m *metrics) closed(code protocol.CloseCode) {
	label := strconv.Itoa(int(code))
	if code.String() == "" && code != closeNormal && code != 1001 {
		label = "other" // a code of the client's choice
	}
	m.closes.WithLabelValues(label).Inc()
}

func (m *metrics) refused(code protocol.Code) { m.errors.WithLabelValues(string(code)).Inc() }

// A logCollector shows how the log stands.
type logCollector struct{ log *replay.Log }

var (
	descHead      = prometheus.NewDesc("livebridge_tail_head_sequence", "Stream sequence up to which the tail has read.", nil, nil)
	descLag       = prometheus.NewDesc("livebridge_tail_lag_events", "Sequences between the stream's newest message and the head, as last seen.", nil, nil)
	descLate      = prometheus.NewDesc("livebridge_tail_late_seconds", "Time from the storing of the newest event that was handed on until that.", nil, nil)
	descReady     = prometheus.NewDesc("livebridge_tail_ready", "1 while the tail follows the stream.", nil, nil)
	descQuiet     = prometheus.NewDesc("livebridge_tail_quiet_seconds", "Seconds since the stream was last heard of.", nil, nil)
	descRestarts  = prometheus.NewDesc("livebridge_tail_restarts_total", "Times that the tail resumed from its head.", nil, nil)
	descBreaks    = prometheus.NewDesc("livebridge_discontinuities_total", "Times that every subscription was told to read again.", nil, nil)
	descWinEvents = prometheus.NewDesc("livebridge_window_events", "Events in the hot window.", nil, nil)
	descWinBytes  = prometheus.NewDesc("livebridge_window_bytes", "Bytes in the hot window.", nil, nil)
	descWinSpan   = prometheus.NewDesc("livebridge_window_span_seconds", "Time from the oldest to the newest event in the hot window.", nil, nil)
	descLive      = prometheus.NewDesc("livebridge_subscriptions_live", "Subscriptions that are live.", nil, nil)
	descReplaying = prometheus.NewDesc("livebridge_subscriptions_replaying", "Subscriptions that are being replayed to.", nil, nil)
	descReading   = prometheus.NewDesc("livebridge_replays_reading", "Replays that read from JetStream now.", nil, nil)
	descWaiting   = prometheus.NewDesc("livebridge_replays_waiting", "Replays that wait for their turn to read from JetStream.", nil, nil)
	descReplayed  = prometheus.NewDesc("livebridge_replayed_events_total", "Events replayed.", nil, nil)
	descStream    = prometheus.NewDesc("livebridge_replayed_from_stream_total", "Events replayed that were read from JetStream.", nil, nil)
	descResets    = prometheus.NewDesc("livebridge_resets_total", "Subscriptions told that events were missed.", []string{"reason"}, nil)
	descSkipped   = prometheus.NewDesc("livebridge_not_events_total", "Stored messages whose subject is not an event's.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c logCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c logCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.log.Stats()
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	ready := 0.0
	if c.log.Ready() == nil {
		ready = 1
	}
	gauge(descHead, float64(s.Head))
	gauge(descLag, float64(s.Lag))
	gauge(descLate, s.Late.Seconds())
	gauge(descReady, ready)
	gauge(descQuiet, s.SinceStreamWasSeen.Seconds())
	count(descRestarts, s.TailRestarts)
	count(descBreaks, s.Discontinuities)
	gauge(descWinEvents, float64(s.WindowEvents))
	gauge(descWinBytes, float64(s.WindowBytes))
	gauge(descWinSpan, s.WindowSpan.Seconds())
	gauge(descLive, float64(s.Live))
	gauge(descReplaying, float64(s.Replaying))
	gauge(descReading, float64(s.Reading))
	gauge(descWaiting, float64(s.Waiting))
	count(descReplayed, s.Replayed)
	count(descStream, s.FromStream)
	for reason, n := range s.Resets {
		count(descResets, n, string(reason))
	}
	count(descSkipped, s.SkippedNotAnEvent)
}
