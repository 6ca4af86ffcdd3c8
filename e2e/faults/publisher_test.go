//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A publisher stores events one after another, each until it is acknowledged: with a key, so that one that was stored already is not
// stored again.
type publisher struct {
	ledger  *ledger
	rng     *rand.Rand
	every   time.Duration
	padding int                                                        // bytes of a payload
	send    func(ctx context.Context, n int, e *entry) (uint64, error) // returns the sequence, 0 = not said
	fails   func(err error)                                            // told of each try that was not acknowledged
}

const publishTimeout = 3 * time.Second

// run publishes until stop is closed. What is under way then is still brought to its end, unless ctx is done first.
func (p *publisher) run(ctx context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, e := p.ledger.draw(p.rng)
		for {
			p.ledger.tried(e)
			try, cancel := context.WithTimeout(ctx, publishTimeout)
			seq, err := p.send(try, n, e)
			cancel()
			if err == nil {
				p.ledger.ack(e, seq)
				break
			}
			p.fails(err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(50 * time.Millisecond): // NATS is away
			}
		}
	}
}

func (p *publisher) payload(n int) []byte {
	return fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, strings.Repeat("x", p.padding))
}

// toNATS publishes as a service with a plain NATS client does.
func (p *publisher) toNATS(nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	p.send = func(ctx context.Context, n int, e *entry) (uint64, error) {
		msg := &nats.Msg{Subject: e.subject(), Header: nats.Header{"Nats-Msg-Id": {strconv.Itoa(n)}}, Data: p.payload(n)}
		ack, err := js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	}
	return err
}

// toBridge publishes as a service does that posts to a bridge.
func (p *publisher) toBridge(client *http.Client, addr string) {
	p.send = func(ctx context.Context, n int, e *entry) (uint64, error) {
		body, err := json.Marshal(map[string]any{"resource": e.resource, "type": e.typ, "id": e.id, "payload": json.RawMessage(p.payload(n))})
		if err != nil {
			return 0, err
		}
		req, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/v1/events", bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", strconv.Itoa(n))
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err
		}
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%s: %s", resp.Status, text)
		}
		var answer struct{ Events []struct{ Cursor string } }
		if err := json.Unmarshal(text, &answer); err != nil || len(answer.Events) != 1 {
			return 0, fmt.Errorf("%q: %v", text, err)
		}
		if answer.Events[0].Cursor == "" { // stored, but not read back in time
			return 0, nil
		}
		at, err := parse(answer.Events[0].Cursor)
		return at.seq, err
	}
}
