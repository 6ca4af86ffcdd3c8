package replay

import "context"

// Turns bound how many of the replays that share them read from JetStream at one time; the others wait in line. With nil any number may, as
// far as [Config.Readers] allows.
type Turns chan struct{}

// NewTurns makes turns for n replays at one time.
func NewTurns(n int) Turns { return make(Turns, n) }

// queue waits for a turn, and then for one of the log's slots: first come, first served. So whoever shares turns with many others waits
// with those, and takes no place in the line that all stand in.
func (l *Log) queue(ctx context.Context, turns Turns) error {
	l.stats.waiting.Add(1)
	defer l.stats.waiting.Add(-1)
	if turns != nil {
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		if turns != nil {
			<-turns
		}
		return ctx.Err()
	}
}

// leave gives back what queue has taken.
func (l *Log) leave(turns Turns) {
	<-l.slots
	if turns != nil {
		<-turns
	}
}
