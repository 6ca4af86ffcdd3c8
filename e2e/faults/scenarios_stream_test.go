//go:build linux

package faults

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/e2e/internal/link"
	"github.com/livebridge/livebridge/e2e/internal/program"
)

// while does something to the stream while links are refused, so that whoever is behind them has not seen what is taken away.
func (w *world) while(refused []*link.Link, do func()) {
	w.t.Helper()
	each(refused, (*link.Link).Refuse)
	w.flow(150)
	do()
	w.flow(50)
	w.heal(refused)
}

func (w *world) purge() { w.request("STREAM.PURGE."+streamName, struct{}{}) }

func (w *world) feedLinks() (list []*link.Link) {
	for _, f := range w.feeds {
		list = append(list, f...)
	}
	return list
}

var streamScenarios = []scenario{
	{
		name: "purge-while-away", what: "the stream is purged while all clients are cut off",
		plan:   plan{nats: 1, policy: told},
		faults: func(w *world) { w.while(w.edges, w.purge) },
		after:  (*world).wasTold,
	},
	{
		name: "purge-unread", what: "the stream is purged while the bridges are cut off from NATS: nobody has read what is taken away",
		plan:   plan{nats: 1, policy: told},
		faults: func(w *world) { w.while(w.feedLinks(), w.purge) },
		after:  (*world).wasTold,
	},
	{
		name: "purge-subject", what: "the events of one resource are purged while everybody is connected", long: true,
		plan:   plan{nats: 1, policy: gone},
		faults: func(w *world) { w.request("STREAM.PURGE."+streamName, map[string]string{"filter": "live.r1.*.*"}) },
	},
	{
		name: "retention", what: "the stream is edited to keep 50 events while all clients are cut off, and back",
		plan: plan{nats: 1, policy: told},
		faults: func(w *world) {
			w.while(w.edges, func() { w.edit(func(c *jetstream.StreamConfig) { c.MaxMsgs = 50 }) })
			w.edit(func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
		},
		after: (*world).wasTold,
	},
	{
		name: "edited", what: "the stream's description, duplicate window and age are edited under load",
		plan: plan{nats: 1},
		faults: func(w *world) {
			w.edit(func(c *jetstream.StreamConfig) { c.Description = "edited"; c.Duplicates = time.Minute })
			w.flow(60)
			w.edit(func(c *jetstream.StreamConfig) { c.MaxAge = 12 * time.Hour; c.AllowDirect = false })
		},
	},
	{
		name: "recreated", what: "the stream is deleted, and created again by hand at once",
		plan: plan{nats: 1, policy: told},
		faults: func(w *world) {
			info := w.eventuallyInfo()
			w.request("STREAM.DELETE."+streamName, struct{}{})
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if _, err := w.js().CreateStream(ctx, info.Config); err != nil {
				w.t.Fatal(err)
			}
			w.flow(200)
		},
		after: (*world).wasTold,
	},
	{
		name: "deleted", what: "the stream is deleted; the bridges create it again", long: true,
		plan: plan{nats: 1, policy: told},
		faults: func(w *world) {
			w.request("STREAM.DELETE."+streamName, struct{}{})
			w.flow(200)
		},
		after: (*world).wasTold,
	},
	{
		name: "restored-online", what: "the stream is deleted, and restored from a backup (`nats stream backup`) that is 300 events old",
		plan: plan{nats: 1, policy: gone},
		faults: func(w *world) {
			b := w.takeBackup()
			w.flow(300)
			w.request("STREAM.DELETE."+streamName, struct{}{})
			w.restore(b)
			w.flow(200)
		},
		after: (*world).wasTold,
	},
	{
		name: "consumers-deleted", what: "the consumers of the bridges are deleted, five times",
		plan: plan{nats: 1},
		faults: func(w *world) {
			for range 5 {
				program.Eventually(w.t, w.plan.settle, func() error {
					if w.deleteConsumers() == 0 {
						_, err := w.info()
						if err == nil {
							err = errNone
						}
						return err
					}
					return nil
				})
				w.flow(100)
			}
		},
	},
	{
		name: "clock", what: "the clocks of NATS and the bridges jump an hour back, then an hour ahead, then are right again; clients are cut each time", long: true,
		plan: plan{nats: 1, jumping: true},
		faults: func(w *world) {
			for _, by := range []time.Duration{-time.Hour, time.Hour, 0} {
				w.clock.set(w.t, by)
				w.flow(150)
				each(w.edges, (*link.Link).Cut)
				w.flow(50)
			}
		},
		after: func(w *world, _ *result) {
			first, last := w.oldestAndNewest()
			if d := last.Sub(first); d > 30*time.Minute || d < -30*time.Minute {
				w.t.Errorf("the clock is still %s wrong", d)
			}
			if w.clockSteps() < 2 {
				w.t.Error("no store time goes back: the clock did not jump")
			}
		},
	},
}
