package replay

import "context"

// A prefetch reads from JetStream what a replay is handed next, while it is being handed what came before: one portion is being read, one
// is waiting. The portions grow as they are taken, so that little is read in vain for who cannot keep up. It reads on where the window
// begins, until the replay has come into the window and closes it: the window's front moves on meanwhile, and who stopped there would
// find it gone ahead each time.
type prefetch struct {
	portions chan portion // closed at the end
	cancel   context.CancelFunc
}

// A portion is what was read in one go.
type portion struct {
	began  uint64 // it follows this sequence
	events []*Event
	to     reached
	look   *look // at the stream, after the portion was read
	err    error
}

// prefetch begins to read after r's position. It takes over the reader.
func (r *replayer) prefetch(rd *reader) *prefetch {
	ctx, cancel := context.WithCancel(r.log.ctx)
	p := &prefetch{portions: make(chan portion, 1), cancel: cancel}
	from, most := reached{r.pos, r.mark}, r.most
	if !r.log.spawn(func() { p.run(ctx, r, rd, from, most) }) {
		rd.close()
		close(p.portions)
	}
	return p
}

// run reads until the head, the end of the stream, an error, or as many events as are wanted. Of r it uses what does not change during a
// replay.
func (p *prefetch) run(ctx context.Context, r *replayer, rd *reader, from reached, most int) {
	defer close(p.portions)
	defer rd.close()
	for size, upTo := r.chunk, r.log.Head().seq; from.pos < upTo; size = max(size, min(2*size, readAhead)) {
		got := portion{began: from.pos}
		got.events, got.to, got.err = rd.chunk(ctx, r, from, upTo, size, most)
		if got.err == nil {
			got.look = r.log.watch.ask()
		}
		select {
		case p.portions <- got:
		case <-ctx.Done():
			return
		}
		from, upTo = got.to, r.log.Head().seq
		if most -= len(got.events); got.err != nil || most <= 0 || rd.done {
			return
		}
	}
}

// next is the next portion; false at the end.
func (p *prefetch) next(ctx context.Context) (portion, bool) {
	select {
	case got, more := <-p.portions:
		return got, more
	case <-ctx.Done():
		return portion{err: ctx.Err()}, true
	}
}

// close stops the reading. What has been read is dropped.
func (p *prefetch) close() { p.cancel() }
