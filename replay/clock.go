package replay

// A step is a stretch of the stream in which store times are not in order, because the server's clock was set back: events with times
// in (low, high) stand both before it was set back and after.
type step struct {
	low, high position // the earliest event after the clock was set back; the latest before
}

// A clock is what is known of the order of the store times: the latest so far, and where they went back. JetStream's own search for a
// time takes for granted that they are in order.
type clock struct {
	latest position
	steps  []step
}

// maxSteps bounds what is remembered of a clock that is set back again and again. Beyond it, neighbours count as one.
const maxSteps = 64

// tick takes the next event's position.
func (c *clock) tick(p position) {
	if p.at >= c.latest.at {
		c.latest = p
		return
	}
	n := len(c.steps)
	if n > 0 && c.steps[n-1].high == c.latest {
		if p.at < c.steps[n-1].low.at {
			c.steps[n-1].low = p
		}
		return
	}
	c.steps = append(c.steps, step{low: p, high: c.latest})
	if n == maxSteps {
		c.steps[0] = step{low: earlier(c.steps[0].low, c.steps[1].low), high: c.steps[1].high}
		c.steps = append(c.steps[:1], c.steps[2:]...)
	}
}

func earlier(a, b position) position {
	if b.at < a.at {
		return b
	}
	return a
}

// passed forgets the steps that lie wholly before what is stored: all that is stored from then on is later than they were.
func (c *clock) passed(firstAt int64) {
	i := 0
	for i < len(c.steps) && c.steps[i].high.at < firstAt {
		i++
	}
	c.steps = c.steps[i:]
}

// unclear is the step that makes it unclear which event is the first that was stored at or after a time.
func (c *clock) unclear(at int64) (step, bool) {
	for _, s := range c.steps {
		if s.low.at < at && at <= s.high.at {
			return s, true
		}
	}
	return step{}, false
}
