package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// A consumer is one ephemeral pull consumer of ours: no acknowledgements, in memory, one replica, read by one goroutine. It does not
// repair itself. Whoever reads it knows the last sequence it was given and makes a new one from there.
//
// The pull protocol (requests, status 100, 404, 408, 409) is that of NATS ADR-13 and ADR-37.
type consumer struct {
	st      *stream
	name    string
	inbox   string // replies to the n-th pull come to inbox.n
	sub     *nats.Subscription
	msgs    chan *nats.Msg
	pulls   int    // pull requests sent so far
	batch   int    // messages that the last pull request asked for
	wanted  int    // messages asked for and not yet delivered
	seq     uint64 // consumer sequence of the last message
	pending uint64 // messages that matched and were not delivered, as of the last message
}

type consumerConfig struct {
	purpose  string   // part of the consumer's name, for whoever lists consumers
	start    uint64   // first stream sequence wanted
	subjects []string // none = every message
	headers  bool     // headers only
	queue    int      // most messages that may be asked for at once
	inactive time.Duration
}

// consume creates a consumer. The caller must call close.
func (s *stream) consume(ctx context.Context, cfg consumerConfig) (*consumer, error) {
	ctx, cancel := s.asking(ctx, 2*apiTimeout)
	defer cancel()
	c := &consumer{st: s, inbox: s.nc.NewInbox(), msgs: make(chan *nats.Msg, cfg.queue+64), name: "livebridge-" + cfg.purpose + "-" + nuid.Next()}
	sub, err := s.nc.ChanSubscribe(c.inbox+".*", c.msgs)
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	c.sub = sub
	jc := jetstream.ConsumerConfig{
		Name:              c.name,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(cfg.start, 1),
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: cfg.inactive,
		Replicas:          1,
		MemoryStorage:     true,
		HeadersOnly:       cfg.headers,
	}
	switch len(cfg.subjects) {
	case 0:
	case 1:
		jc.FilterSubject = cfg.subjects[0]
	default:
		jc.FilterSubjects = cfg.subjects
	}
	made, err := s.js.CreateConsumer(ctx, s.cfg.Name, jc)
	if err != nil {
		_ = sub.Unsubscribe()
		return nil, fmt.Errorf("consumer of stream %s: %w", s.cfg.Name, unanswered(ctx, err))
	}
	c.pending = made.CachedInfo().NumPending
	return c, nil
}

// close stops the deliveries and deletes the consumer. The server deletes it by itself, later, when it cannot be reached.
func (c *consumer) close() {
	_ = c.sub.Unsubscribe()
	if c.st.nc.IsConnected() {
		_ = c.st.nc.Publish("$JS.API.CONSUMER.DELETE."+c.st.cfg.Name+"."+c.name, nil)
	}
}

// pull asks for up to n messages. Without expires it takes what is there and answers 404 at the end of the stream; with expires it waits
// that long for more, and the server sends a heartbeat at that interval while there is nothing to send.
func (c *consumer) pull(n int, maxBytes int64, expires, heartbeat time.Duration) error {
	c.pulls++
	c.batch = n
	c.wanted = max(c.wanted, 0) + n
	body := make([]byte, 0, 128)
	body = append(body, `{"batch":`...)
	body = strconv.AppendInt(body, int64(n), 10)
	body = append(body, `,"max_bytes":`...)
	body = strconv.AppendInt(body, max(maxBytes, c.st.nc.MaxPayload()+64<<10), 10)
	if expires > 0 {
		body = append(body, `,"expires":`...)
		body = strconv.AppendInt(body, int64(expires), 10)
		body = append(body, `,"idle_heartbeat":`...)
		body = strconv.AppendInt(body, int64(heartbeat), 10)
	} else {
		body = append(body, `,"no_wait":true`...)
	}
	body = append(body, '}')
	return c.st.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+c.st.cfg.Name+"."+c.name, c.inbox+"."+strconv.Itoa(c.pulls), body)
}

// What a reply that is no message says.
var (
	errHeartbeat = errors.New("idle heartbeat")
	errEnd       = errors.New("no more messages")
	errPullDone  = errors.New("pull request is over")
	errGap       = errors.New("consumer sequence jumped: a delivery was lost")
)

// A stored is one delivered message with its place in the stream.
type stored struct {
	*nats.Msg
	position
}

// accept takes one reply: a message, or one of the errors above, or an error that ends this consumer.
func (c *consumer) accept(m *nats.Msg) (stored, error) {
	// A stored message comes with a reply subject, whatever its publisher wrote into its headers; a status comes without.
	if status := m.Header.Get("Status"); status != "" && m.Reply == "" {
		return stored{}, c.status(m, status)
	}
	r, ok := parseReceipt(m.Reply)
	if !ok {
		return stored{}, fmt.Errorf("consumer %s: reply subject %q is not a delivery's", c.name, m.Reply)
	}
	if r.seq != c.seq+1 {
		return stored{}, errGap
	}
	c.seq, c.pending = r.seq, r.pending
	c.wanted--
	return stored{m, r.position}, nil
}

func (c *consumer) status(m *nats.Msg, status string) error {
	text := m.Header.Get("Description")
	switch status {
	case "100":
		if last := m.Header.Get("Nats-Last-Consumer"); last != "" && last != strconv.FormatUint(c.seq, 10) {
			return errGap
		}
		return errHeartbeat
	case "404":
		return errEnd
	case "408":
	case "409":
		if !strings.Contains(text, "Exceeds MaxBytes") && !strings.Contains(text, "Batch Completed") {
			return fmt.Errorf("consumer %s: %s %s", c.name, status, text)
		}
	default:
		return fmt.Errorf("consumer %s: %s %s", c.name, status, text)
	}
	if n, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages")); err == nil {
		c.wanted -= n
	} else if text == "Requests Pending" { // there are no more than earlier requests wait for
		c.wanted -= c.batch
	}
	return errPullDone
}
