//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A backup is a snapshot of the stream, as `nats stream backup` takes it.
type backup struct {
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	chunks [][]byte
}

// takeBackup takes a snapshot while everything runs.
func (w *world) takeBackup() *backup {
	w.t.Helper()
	sub, err := w.admin.SubscribeSync(nats.NewInbox())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	b := &backup{}
	w.ask("STREAM.SNAPSHOT."+streamName, map[string]any{"deliver_subject": sub.Subject, "no_consumers": true}, b)
	for {
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			w.t.Fatalf("snapshot: %v", err)
		}
		if len(m.Data) == 0 {
			return b
		}
		b.chunks = append(b.chunks, m.Data)
		if m.Reply != "" {
			_ = m.Respond(nil)
		}
	}
}

// restore makes the stream, which must not be there, from a backup, as `nats stream restore` does.
func (w *world) restore(b *backup) {
	w.t.Helper()
	var to struct {
		Deliver string `json:"deliver_subject"`
	}
	w.ask("STREAM.RESTORE."+streamName, b, &to)
	for _, chunk := range append(b.chunks, nil) {
		answer, err := w.admin.Request(to.Deliver, chunk, 10*time.Second)
		if err == nil {
			err = refused(answer.Data)
		}
		if err != nil {
			w.t.Fatalf("restore: %v", err)
		}
	}
}

// ask sends a request to JetStream's API, and takes its answer.
func (w *world) ask(subject string, body, into any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.admin.Request("$JS.API."+subject, data, 10*time.Second)
	if err == nil {
		err = refused(answer.Data)
	}
	if err == nil {
		err = json.Unmarshal(answer.Data, into)
	}
	if err != nil {
		w.t.Fatalf("%s: %v", subject, err)
	}
}

// refused is the error in an answer of JetStream's API, if there is one.
func refused(answer []byte) error {
	var r struct{ Error *jetstream.APIError }
	if len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return fmt.Errorf("%q: %w", answer, err)
	}
	if r.Error != nil {
		return r.Error
	}
	return nil
}
