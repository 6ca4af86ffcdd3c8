//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/publish"
)

// publishing: how many events a second are stored and acknowledged.
func publishing() *work {
	w := newWork("publish", "events a second that are stored and acknowledged, by ways to publish")
	w.alone = true
	length := w.flags.Duration("for", 3*time.Second, "how long each way is measured")
	w.run = func(t *target) ([]row, error) {
		nc, err := nats.Connect("nats://" + t.nats)
		if err != nil {
			return nil, err
		}
		defer nc.Close()
		pub, err := publish.New(nc, publish.Options{})
		if err != nil {
			return nil, err
		}
		var n atomic.Int64
		api := httpClient(16)
		batch := func(size int) func() (int, error) {
			return func() (int, error) {
				events := make([]publish.Event, size)
				for i := range events {
					k := int(n.Add(1))
					events[i] = publish.Event{Resource: "bench", Type: "updated", ID: fmt.Sprint(k % 1000), Payload: body(k, 256)}
				}
				_, err := pub.Publish(context.Background(), events...)
				return size, err
			}
		}
		request := func(size int) func() (int, error) {
			return func() (int, error) {
				var lines strings.Builder
				for range size {
					fmt.Fprintf(&lines, `{"resource":"bench","type":"updated","id":"1","payload":%s}`+"\n", body(int(n.Add(1)), 256))
				}
				_, err := post(api, "http://"+t.addr+"/v1/events", "application/x-ndjson", lines.String(), "")
				return size, err
			}
		}
		var rows []row
		for _, way := range []struct {
			name string
			at   int
			call func() (int, error)
		}{
			{"one after another", 1, batch(1)}, {"16 at a time", 16, batch(1)}, {"100 at a time", 100, batch(1)},
			{"batches of 10", 1, batch(10)}, {"batches of 100", 1, batch(100)}, {"batches of 1,000", 1, batch(1000)}, {"batches of 100, 8 at a time", 8, batch(100)},
			{"POST, one after another", 1, request(1)}, {"POST, 16 at a time", 16, request(1)}, {"POST of 100 events", 1, request(100)},
		} {
			r, err := measure(way.name, way.at, *length, way.call)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", way.name, err)
			}
			rows = append(rows, r)
		}
		r, err := t.pipelined(*length)
		return append(rows, r), err
	}
	return w
}

// measure repeats call, in so many goroutines.
func measure(name string, at int, length time.Duration, call func() (int, error)) (row, error) {
	var wait sync.WaitGroup
	var events atomic.Int64
	var calls atomic.Int64
	failed := make(chan error, at)
	began := time.Now()
	for range at {
		wait.Go(func() {
			for time.Since(began) < length {
				n, err := call()
				if err != nil {
					failed <- err
					return
				}
				events.Add(int64(n))
				calls.Add(1)
			}
		})
	}
	wait.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return row{}, err
	default:
	}
	return row{name, []metric{{"events/s", float64(events.Load()) / took.Seconds(), "%.0f", false, true},
		millis("a call takes", took*time.Duration(at)/time.Duration(calls.Load()))}}, nil
}

// pipelined publishes with a thousand messages on their way.
func (t *target) pipelined(length time.Duration) (row, error) {
	p, err := natsPublisher(t.nats)
	if err != nil {
		return row{}, err
	}
	defer p.close()
	began := time.Now()
	n, err := p.flood(256, func(int) bool { return time.Since(began) < length })
	took := time.Since(began)
	return row{fmt.Sprintf("asynchronous, %d on their way", pending), []metric{{"events/s", float64(n) / took.Seconds(), "%.0f", false, true},
		millis("a call takes", took*time.Duration(pending)/time.Duration(max(n, 1)))}}, err
}
