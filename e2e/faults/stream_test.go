//go:build linux

package faults

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

const streamName = "LIVE"

// js is JetStream by our own connection.
func (w *world) js() jetstream.JetStream {
	js, err := jetstream.New(w.admin)
	if err != nil {
		w.t.Fatal(err)
	}
	return js
}

func (w *world) info() (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := w.js().Stream(ctx, streamName)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// eventuallyInfo is the stream's state once somebody answers.
func (w *world) eventuallyInfo() (info *jetstream.StreamInfo) {
	w.t.Helper()
	program.Eventually(w.t, w.plan.settle, func() (err error) {
		info, err = w.info()
		return err
	})
	return info
}

// replicated returns nil when the stream answers, and all of its copies are there and up to date.
func (w *world) replicated() error {
	info, err := w.info()
	if err != nil {
		return err
	}
	if w.plan.nats < 2 {
		return nil
	}
	if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != w.plan.nats-1 {
		return fmt.Errorf("cluster %+v", info.Cluster)
	}
	for _, r := range info.Cluster.Replicas {
		if !r.Current || r.Offline {
			return fmt.Errorf("copy at %s: current %t, offline %t, lag %d", r.Name, r.Current, r.Offline, r.Lag)
		}
	}
	return nil
}

// leader is the node that leads the stream, once there is one.
func (w *world) leader() *node {
	w.t.Helper()
	var found *node
	program.Eventually(w.t, w.plan.settle, func() error {
		info, err := w.info()
		if err != nil {
			return err
		}
		for _, n := range w.nodes {
			if info.Cluster != nil && info.Cluster.Leader == n.Name {
				found = n
				return nil
			}
		}
		return errors.New("the stream has no leader")
	})
	return found
}

// follower is a node that does not lead the stream.
func (w *world) follower() *node {
	lead := w.leader()
	return w.nodes[(lead.index+1+w.rng.IntN(len(w.nodes)-1))%len(w.nodes)]
}

// stepDown makes the stream's leader give up its place. It may be elected again, and is then asked again.
func (w *world) stepDown() {
	w.t.Helper()
	const patience = 2 * time.Second // until somebody else has been elected
	old, asked := w.leader(), time.Time{}
	program.Eventually(w.t, w.plan.settle, func() error {
		if w.leader() != old {
			return nil
		}
		if time.Since(asked) < patience {
			return fmt.Errorf("%s still leads", old.Name)
		}
		msg, err := w.admin.Request("$JS.API.STREAM.LEADER.STEPDOWN."+streamName, nil, patience)
		if err == nil {
			err = refused(msg.Data)
		}
		if err == nil {
			asked = time.Now()
		}
		return cmp.Or(err, fmt.Errorf("%s was asked", old.Name))
	})
}

// stored reads what the stream holds.
func (w *world) stored() *truth {
	w.t.Helper()
	tr := &truth{}
	program.Eventually(w.t, w.plan.settle, func() error { return w.readStored(tr) })
	return tr
}

func (w *world) readStored(tr *truth) error {
	info, err := w.info()
	if err != nil {
		return err
	}
	*tr = truth{stored: map[int]uint64{}, end: position{incarnation(info.Created), info.State.LastSeq}}
	if info.State.Msgs == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := w.js().CreateConsumer(ctx, streamName, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute})
	if err != nil {
		return err
	}
	var read uint64
	for read < info.State.Msgs {
		batch, err := c.Fetch(int(min(2000, info.State.Msgs-read)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return err
		}
		had := read
		for m := range batch.Messages() {
			read++
			if err := tr.take(m); err != nil {
				return err
			}
		}
		if read == had {
			return fmt.Errorf("read %d of %d stored messages: %v", read, info.State.Msgs, batch.Error())
		}
	}
	return w.js().DeleteConsumer(ctx, streamName, c.CachedInfo().Name)
}

func (tr *truth) take(m jetstream.Msg) error {
	var payload struct{ N int }
	if err := json.Unmarshal(m.Data(), &payload); err != nil {
		return err
	}
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	if _, twice := tr.stored[payload.N]; twice {
		tr.twice++
	}
	tr.stored[payload.N] = meta.Sequence.Stream
	tr.times = append(tr.times, meta.Timestamp)
	return nil
}

// request asks JetStream for something until somebody answers, and expects it to be done.
func (w *world) request(subject string, body any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	var msg *nats.Msg
	program.Eventually(w.t, w.plan.settle, func() (err error) {
		msg, err = w.admin.Request("$JS.API."+subject, data, 5*time.Second)
		return err
	})
	if err := refused(msg.Data); err != nil {
		w.t.Fatalf("%s: %v", subject, err)
	}
}

var errNone = errors.New("there are none")

// oldestAndNewest are the store times of the first and the last message.
func (w *world) oldestAndNewest() (first, last time.Time) {
	info := w.eventuallyInfo()
	return info.State.FirstTime, info.State.LastTime
}

// clockSteps counts the messages that were stored more than half an hour before or after the one before them.
func (w *world) clockSteps() (n int) {
	for i := 1; i < len(w.truth.times); i++ {
		if d := w.truth.times[i].Sub(w.truth.times[i-1]); d.Abs() > 30*time.Minute {
			n++
		}
	}
	return n
}
