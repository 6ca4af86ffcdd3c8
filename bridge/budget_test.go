package bridge

import (
	"testing"
	"time"

	"github.com/livebridge/livebridge/protocol"
)

func TestBucket(t *testing.T) {
	var b bucket
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		n     float64
		ok    bool
	}{
		{0, 6, true}, {0, 4, true}, {0, 1, false}, // a burst of 10, and no more
		{400 * time.Millisecond, 1, false}, {100 * time.Millisecond, 1, true}, {0, 1, false}, // 2 a second
		{time.Hour, 11, false}, {0, 10, true}, // it fills up to the burst
		{-time.Hour, 1, false}, // a clock that is set back gives nothing …
		{time.Second, 2, true}, // … and takes nothing for longer than it was
	} {
		now = now.Add(step.after)
		if step.after < 0 {
			now = now.Add(-step.after) // monotonic time does not go back
		}
		if got := b.take(step.n, 2, 10, now); got != step.ok {
			t.Errorf("%+v: %v", step, got)
		}
	}
}

func TestBudget(t *testing.T) {
	cfg := Config{Rate: 1, Burst: 3, ByteRate: 1000, Limits: protocol.Limits{Frame: 100}}.withDefaults()
	now := time.Now()
	var b budget
	for i, step := range []struct {
		bytes int
		want  string
	}{{3000, withinBudget}, {1001, overBytes}, {1000, withinBudget}, {1, overFrames}} {
		if got := b.spend(&cfg, step.bytes, now); got != step.want {
			t.Errorf("frame %d: %q, want %q", i, got, step.want)
		}
	}
	// However little is allowed a second, the largest frame passes.
	cfg.ByteRate = 1
	var other budget
	if got := other.spend(&cfg, 100, now); got != withinBudget {
		t.Errorf("the largest frame: %q", got)
	}
}
