package replay

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// unheard is how long a leader that is well never goes without a word from most of the copies: it sends them a heartbeat each second. It is
// shorter than patience, so that what a leader who has just been parted from them says is never believed to be a loss.
const unheard = 5 * time.Second

// quorum returns nil where a state is that of the stream: it comes from the leader, and the leader is followed. Without a leader each server
// answers for itself, with what its copy holds (nats-server: jsStreamInfoRequest, isGroupLeaderless). A leader that is parted from the others
// takes itself for it for up to 20 s (lostQuorumInterval, lostQuorumCheck), while another one may store what it does not know of.
func quorum(c *jetstream.ClusterInfo) error {
	if c == nil {
		return nil // a server by itself, of long ago
	}
	if c.Leader == "" {
		return errors.New("it has no leader")
	}
	copies, heard := 1+len(c.Replicas), 1
	for _, p := range c.Replicas {
		if p.Active < unheard {
			heard++
		}
	}
	if 2*heard <= copies {
		return fmt.Errorf("server %s, which takes itself for the leader, hears of %d of %d copies", c.Leader, heard, copies)
	}
	return nil
}
