package publish

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Headers of an atomic batch (NATS 2.12, ADR-50).
const (
	headerBatchID     = "Nats-Batch-Id" // at most 64 characters
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// single publishes one message.
func (p *Publisher) single(ctx context.Context, m *message) error {
	answer, err := p.nc.RequestMsgWithContext(ctx, m.wire(nats.ExpectedStreamHdr, p.stream))
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return err
	case ctx.Err() != nil && err != nil:
		return ended(ctx)
	case errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed):
		return &unanswered{err: err, sent: true}
	case err != nil:
		return sendError(err, true)
	}
	a, err := p.ackOf(answer.Data)
	if err != nil {
		return m.tooLarge(err)
	}
	m.seq, m.duplicate = a.Seq, a.Duplicate
	return nil
}

// batch publishes two or more messages as one atomic batch. Only the first and
// the last are answered, unless askAll is set: the first says whether the batch
// could begin, the last commits it. A batch with a message that was refused or
// lost has a gap, so its commit is refused.
func (p *Publisher) batch(ctx context.Context, msgs []*message, askAll bool) error {
	if version := p.nc.ConnectedServerVersion(); !knowsBatches(version) {
		return fmt.Errorf("%w: NATS %s does not know them; use 2.12 or later", ErrBatchDisabled, version)
	}
	id, last := nuid.Next(), len(msgs)-1
	wires := make([]*nats.Msg, len(msgs))
	for i, m := range msgs {
		more := []string{headerBatchID, id, headerBatchSeq, strconv.Itoa(i + 1)}
		if i == 0 {
			more = append(more, nats.ExpectedStreamHdr, p.stream)
		}
		if i == last {
			more = append(more, headerBatchCommit, "1")
		}
		wires[i] = m.wire(more...)
	}
	asks := func(i int) bool { return askAll || i == 0 || i == last }
	return p.exchange(ctx, wires, asks, func(r reply) (bool, error) {
		if r.index < last && r.isEmpty() {
			return false, nil
		}
		if r.err != nil {
			return false, r.err
		}
		a, err := p.ackOf(r.data)
		if err != nil {
			return false, msgs[r.index].tooLarge(err)
		}
		if r.index < last || a.Batch != id || a.Count != len(msgs) || a.Seq < uint64(len(msgs)) {
			return false, strange(r.data, fmt.Errorf("it does not commit the batch of %d messages", len(msgs)))
		}
		// The acknowledgement names the last message. A batch is written under one
		// lock, or as one run of entries of the Raft log, so its sequences have no gap.
		for i, m := range msgs {
			m.seq = a.Seq - uint64(last-i)
		}
		return true, nil
	})
}

// knowsBatches reports whether a server of this version knows the headers of a
// batch; one that does not would store the messages one by one. A version that
// cannot be read is taken for a new one.
func knowsBatches(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 {
		return true
	}
	return major > 2 || major == 2 && minor >= 12
}

// tooLarge turns JetStream's refusal of a message by its size into an error that
// names the event.
func (m *message) tooLarge(err error) error {
	if code(err) != codeMessageTooLarge {
		return err
	}
	return &EventError{Index: m.event, Field: "payload", Err: err,
		Problem: fmt.Sprintf("is %d bytes long: the stream takes less (max_msg_size, with the headers)", len(m.common.body))}
}

// locate asks the stream where it has the messages, which all have keys, and
// notes the sequences of those that it has. It returns how many those are.
//
// The question is the message itself, with a header that JetStream refuses after
// it has looked for the key and before it stores anything: Nats-Rollup with a
// value that does not exist. So a key that is known is acknowledged as a
// duplicate, with its sequence, and any other is refused; nothing is stored.
// The answer is that of the stream's own table of keys, whatever was removed from
// the stream since, and costs no search.
func (p *Publisher) locate(ctx context.Context, msgs []*message) (found int, err error) {
	wires := make([]*nats.Msg, len(msgs))
	for i, m := range msgs {
		wires[i] = m.wire(nats.ExpectedStreamHdr, p.stream, nats.MsgRollup, "is-it-known")
	}
	answers := 0
	err = p.exchange(ctx, wires, func(int) bool { return true }, func(r reply) (bool, error) {
		if r.err != nil {
			return false, r.err
		}
		a, err := p.ackOf(r.data)
		switch {
		case err == nil: // a duplicate; were it stored after all, it would be the event itself
			msgs[r.index].seq, msgs[r.index].duplicate = a.Seq, a.Duplicate
			found++
		case code(err) != codeRollup:
			return false, err
		}
		answers++
		return answers == len(msgs), nil
	})
	var lost *unanswered
	if errors.As(err, &lost) {
		lost.sent = false // a question stores nothing
	}
	return found, err
}
