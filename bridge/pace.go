package bridge

// The log's tail can read faster than a bridge can write to thousands of connections. Then outboxes would fill although no peer is slow,
// and all of them would be closed. So a connection that waits only for its shard is allowed more than its limit, and the tail is held
// back, between two handfuls of events, until the shards have written what has gathered. A peer that is slow by itself holds nobody back.

// excess is how many times its limit an outbox may hold while it waits for its shard.
const excess = 4

// pace waits, where outboxes fill faster than they are written, until every shard has been round once. The tail calls it.
func (s *Server) pace() {
	if !s.pressed.Swap(false) {
		return
	}
	for _, sh := range s.shards {
		sh.round()
	}
}

// round waits until the shard has written to every connection that waits for it now.
func (sh *shard) round() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	until := sh.rounds + 1
	if sh.busy {
		until++
	}
	for sh.rounds < until && (sh.busy || len(sh.dirty) > 0) && !sh.stopped {
		sh.turned.Wait()
	}
}

// turn ends one round of a shard and takes the list for the next.
func (sh *shard) turn(done []*outbox) (next []*outbox) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.busy {
		sh.rounds++
		sh.turned.Broadcast()
	}
	next, sh.dirty = sh.dirty, done[:0]
	sh.busy = len(next) > 0
	return next
}

// halt lets nobody wait for a shard that no longer writes.
func (sh *shard) halt() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.stopped = true
	sh.turned.Broadcast()
}
