package bridge

import (
	"bytes"
	"time"

	"github.com/livebridge/livebridge/protocol"
)

// A bucket is a budget that fills again as time passes. Its zero value is full. It is used by one goroutine at a time.
type bucket struct {
	spent float64   // of the burst
	at    time.Time // when spent was so much
}

// take spends n, or nothing where that would be more than is there: burst at most, and so much more a second.
func (b *bucket) take(n, perSecond, burst float64, now time.Time) bool {
	b.spent = max(0, b.spent-now.Sub(b.at).Seconds()*perSecond)
	b.at = now
	if b.spent+n > burst {
		return false
	}
	b.spent += n
	return true
}

// A budget is what a client may send: so many frames, and so many bytes.
type budget struct{ frames, bytes bucket }

// objectCost is what each object of a frame counts as at least, in bytes: it takes work, however short it is.
const objectCost = 256

// The reasons for which a frame is over the budget.
const (
	withinBudget = ""
	overFrames   = "frames"
	overBytes    = "bytes"
)

// spend takes one frame of so many bytes from the budget, and says what it is over, if anything.
func (b *budget) spend(cfg *Config, bytes int, now time.Time) string {
	if !b.frames.take(1, cfg.Rate, float64(cfg.Burst), now) {
		return overFrames
	}
	if !b.bytes.take(float64(bytes), float64(cfg.ByteRate), float64(cfg.byteBurst()), now) {
		return overBytes
	}
	return withinBudget
}

// byteBurst is how many bytes may come at once: those of four seconds, and in any case a few of the largest frames.
func (c *Config) byteBurst() int { return 4 * max(c.ByteRate, c.Limits.Frame) }

// spend counts a frame. Frames over the budget are refused one by one, and when they in turn come faster than the budget allows the
// connection is closed.
func (s *session) spend(payload []byte, now time.Time) (over string, err error) {
	cost := max(s.reader.Size(), objectCost*(1+bytes.Count(payload, []byte{'\n'})))
	if over = s.budget.spend(&s.srv.cfg, cost, now); over == withinBudget {
		return over, nil
	}
	if over == overBytes {
		s.srv.refuse(overByteRate, s.remote)
	} else {
		s.srv.metrics.limited.Inc()
	}
	if s.patience.spend(&s.srv.cfg, cost, now) != withinBudget {
		return over, closing{code: protocol.CloseTooMany}
	}
	return over, nil
}
