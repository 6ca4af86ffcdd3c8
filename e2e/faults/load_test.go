//go:build linux

package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/livebridge/livebridge/e2e/internal/link"
	"github.com/livebridge/livebridge/e2e/internal/program"
)

const publishers = 6 // one of them by way of a bridge

// publish starts the load.
func (w *world) publish() {
	w.t.Helper()
	w.load.began.Store(time.Now().UnixNano())
	every := time.Second * publishers / time.Duration(w.plan.rate)
	for i := range publishers {
		p := &publisher{ledger: w.ledger, rng: rand.New(rand.NewPCG(w.rng.Uint64(), uint64(i))), every: every, padding: w.plan.padding, fails: w.failed}
		if i == 0 {
			tr := &http.Transport{}
			w.t.Cleanup(tr.CloseIdleConnections)
			w.idlers = append(w.idlers, tr.CloseIdleConnections)
			p.toBridge(&http.Client{Transport: tr}, w.front.Addr())
		} else {
			var addrs []string
			for _, l := range w.supply {
				addrs = append(addrs, l.Addr())
			}
			nc := w.connect(addrs)
			w.t.Cleanup(nc.Close)
			if err := p.toNATS(nc); err != nil {
				w.t.Fatal(err)
			}
		}
		w.loading.Go(func() { p.run(w.ctx, w.stopLoad) })
	}
}

func (w *world) failed(err error) {
	text := err.Error()
	for err := errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		text = err.Error() // the cause, without addresses
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures[text]++
}

// finish ends the load, and waits until every event is acknowledged and every client has been told everything.
func (w *world) finish() {
	w.t.Helper()
	close(w.stopLoad)
	if !within(w.plan.settle, w.loading.Wait) {
		w.t.Errorf("some events could not be published within %s after the faults: %v", w.plan.settle, w.failures)
	}
	w.load.ended.Store(time.Now().UnixNano())
	w.truth = w.stored()
	close(w.ending)
	if !within(w.plan.settle, w.living.Wait) {
		w.t.Errorf("some clients have not been told everything within %s", w.plan.settle)
	}
	w.cancel()
	w.living.Wait()
	w.loading.Wait()
}

// within says whether f returns in time.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// flow waits until n more events have been acknowledged.
func (w *world) flow(n int) {
	w.t.Helper()
	if got := w.flows(n, w.plan.settle); got < n {
		w.t.Fatalf("only %d of %d events were acknowledged within %s: %v", got, n, w.plan.settle, w.failures)
	}
}

// flows waits until n more events have been acknowledged, but no longer than that. It returns how many have.
func (w *world) flows(n int, most time.Duration) int {
	began, more := w.ledger.count()
	patience := time.After(most)
	for acked := began; acked < began+n; {
		select {
		case <-more:
		case <-patience:
			return acked - began
		}
		acked, more = w.ledger.count()
	}
	return n
}

// lasts lets a fault last.
func (w *world) lasts(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.ctx.Done():
	}
}

// settled waits until everything is well: all links whole, all programs up and ready, all clients live.
func (w *world) settled() {
	w.t.Helper()
	for _, l := range w.links() {
		program.Eventually(w.t, 10*time.Second, l.Heal)
	}
	for _, n := range w.nodes {
		n.Signal(syscall.SIGCONT)
		if !n.Alive() {
			n.Start(w.t, shipped)
		}
	}
	for _, b := range w.bridges {
		b.Signal(syscall.SIGCONT)
	}
	w.supervise()
	program.Eventually(w.t, w.plan.settle, w.bridgesReady)
	program.Eventually(w.t, w.plan.settle, w.replicated)
	w.becomeLive(w.plan.settle)
}

// bridgesReady returns nil when every bridge is. One that has ended is started again, as a process manager does: a bridge does not
// wait for its NATS when it starts.
func (w *world) bridgesReady() error {
	w.supervise()
	for i, b := range w.bridges {
		if err := b.Ready(); err != nil {
			return fmt.Errorf("bridge %d: %w", i+1, err)
		}
	}
	return nil
}

// supervise starts the bridges that have ended.
func (w *world) supervise() {
	for _, b := range w.bridges {
		if !b.Alive() {
			b.Start(w.t)
		}
	}
}

// links are all of them.
func (w *world) links() []*link.Link {
	all := slices.Concat(w.edges, w.supply, slices.Concat(w.feeds...), slices.Concat(w.routes...), []*link.Link{w.front})
	return slices.DeleteFunc(all, func(l *link.Link) bool { return l == nil })
}
