package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// checkInterval is how often a call that waits looks whether its connection is
// still the one that it sent on.
const checkInterval = 100 * time.Millisecond

var (
	errNoAck = errors.New("no acknowledgement in time")
	errLost  = errors.New("the connection to NATS was lost before the acknowledgement")
)

// unanswered is the error of an attempt without an answer from JetStream.
type unanswered struct {
	err   error
	sent  bool // JetStream may have stored the messages all the same
	final bool // another attempt cannot help
}

func (e *unanswered) Error() string { return e.err.Error() }
func (e *unanswered) Unwrap() error { return e.err }

func notConnected(nc *nats.Conn) error {
	return fmt.Errorf("NATS is not connected (%s)", strings.ToLower(nc.Status().String()))
}

// attached returns a context for one attempt with msgs. It ends after timeout,
// and, so that nobody waits for an answer that cannot come, soon after the
// connection is lost or the server forbids a subject; context.Cause says which.
func (p *Publisher) attached(ctx context.Context, timeout time.Duration, msgs []*message) (context.Context, func()) {
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, timeout, errNoAck)
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{nc: p.nc, cancel: cancel, msgs: msgs, reconnects: p.nc.Stats().Reconnects, lastErr: p.nc.LastError()}
	timer := time.AfterFunc(checkInterval, w.check)
	return ctx, func() {
		w.done.Store(true)
		timer.Stop()
		cancel(nil)
		cancelTimeout()
	}
}

// watch looks after the connection of one attempt, in the goroutines of timers.
type watch struct {
	nc         *nats.Conn
	cancel     context.CancelCauseFunc
	msgs       []*message
	reconnects uint64
	lastErr    error
	done       atomic.Bool
}

func (w *watch) check() {
	if w.done.Load() {
		return
	}
	if !w.nc.IsConnected() || w.nc.Stats().Reconnects != w.reconnects {
		w.cancel(errLost)
		return
	}
	if err := forbidden(w.nc, w.lastErr, w.msgs); err != nil {
		w.cancel(err)
		return
	}
	time.AfterFunc(checkInterval, w.check)
}

// forbidden returns the server's refusal of the subject of one of the messages,
// if the connection's last error is that, and is not the one from before. NATS
// tells the connection of it, not the sender.
func forbidden(nc *nats.Conn, before error, msgs []*message) error {
	err := nc.LastError()
	if !errors.Is(err, nats.ErrPermissionViolation) || err == before {
		return nil
	}
	text := err.Error()
	for _, m := range msgs {
		if strings.Contains(text, `"`+m.subject+`"`) {
			return fmt.Errorf("event %d: this NATS user may not publish it: %w", m.event, err)
		}
	}
	return nil
}

// ended is the error of an attempt whose context has ended.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	forbidden := errors.Is(cause, nats.ErrPermissionViolation)
	return &unanswered{err: cause, sent: !forbidden, final: forbidden}
}

// ack is what JetStream answers to a publish.
type ack struct {
	Stream    string              `json:"stream"`
	Seq       uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	Batch     string              `json:"batch"`
	Count     int                 `json:"count"`
	Error     *jetstream.APIError `json:"error"`
}

// ackOf reads an acknowledgement that names this stream and a sequence. An error
// of JetStream is returned as it is; any other answer leaves open what happened.
func (p *Publisher) ackOf(data []byte) (*ack, error) {
	var a ack
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, strange(data, err)
	}
	if a.Error != nil {
		return nil, a.Error
	}
	if a.Stream != p.stream || a.Seq == 0 {
		return nil, strange(data, fmt.Errorf("it does not name stream %s and a sequence", p.stream))
	}
	return &a, nil
}

// strange is the error of an answer that is not one of JetStream's, such as that
// of a service that answers on the subjects of events.
func strange(data []byte, err error) error {
	return &unanswered{err: fmt.Errorf("read acknowledgement %.200q: %w", data, err), sent: true, final: true}
}

// reply is the answer to one message of an exchange.
type reply struct {
	index int // of the message
	data  []byte
	err   error // nats.ErrNoResponders
}

// exchange publishes the messages in one go and hands the answers to those that
// asks says to got, until it is done or returns an error.
func (p *Publisher) exchange(ctx context.Context, msgs []*nats.Msg, asks func(i int) bool, got func(reply) (done bool, err error)) error {
	inbox := p.nc.NewInbox() + "."
	answers := make(chan *nats.Msg, len(msgs))
	sub, err := p.nc.ChanSubscribe(inbox+"*", answers)
	if err != nil {
		return sendError(err, false)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is gone
	for i, m := range msgs {
		if asks(i) {
			m.Reply = inbox + strconv.Itoa(i)
		}
		if err := p.nc.PublishMsg(m); err != nil {
			return sendError(err, i == len(msgs)-1)
		}
	}
	for {
		select {
		case m := <-answers:
			r := reply{data: m.Data, err: noResponders(m)}
			if r.index, err = strconv.Atoi(strings.TrimPrefix(m.Subject, inbox)); err != nil || r.index >= len(msgs) {
				continue // not an answer to one of these
			}
			if done, err := got(r); done || err != nil {
				return err
			}
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

// noResponders reports the answer of a server that has nobody to deliver to.
func noResponders(m *nats.Msg) error {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return nats.ErrNoResponders
	}
	return nil
}

// sendError is the error of an attempt that did not leave whole. last says that it
// was sending the message which stores everything; nats.go refuses some without
// writing a byte, and may have written others before it found out.
func sendError(err error, last bool) error {
	wrapped := fmt.Errorf("send: %w", err)
	for _, ours := range []error{nats.ErrMaxPayload, nats.ErrBadSubject, nats.ErrHeadersNotSupported, nats.ErrInvalidMsg} {
		if errors.Is(err, ours) {
			return wrapped
		}
	}
	for _, unwritten := range []error{nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrReconnectBufExceeded} {
		last = last && !errors.Is(err, unwritten)
	}
	return &unanswered{err: wrapped, sent: last, final: true}
}

// isEmpty reports whether JetStream only says that it holds a message of a batch.
func (r reply) isEmpty() bool { return r.err == nil && len(bytes.TrimSpace(r.data)) == 0 }
