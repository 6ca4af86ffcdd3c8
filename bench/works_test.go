//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/livebridge/livebridge/bridgetest"
)

// Every work is done, in small, with a bridge that runs in this process.
func TestWorks(t *testing.T) {
	b := bridgetest.Start(t)
	addr, nats := strings.TrimPrefix(b.URL, "http://"), strings.TrimPrefix(b.NATSURL, "nats://")
	for _, args := range []string{
		"fanout -subs 20 -for 100ms", "latency -subs 5 -rate 500 -for 200ms -warm 50ms", "idle -subs 30 -settle 50ms",
		"storm -clients 30 -behind 50 -rate 100", "replay -events 2000 -ids 10", "sustain -rate 1000 -for 300ms -every 100ms", "publish -for 20ms",
	} {
		t.Run(strings.Fields(args)[0], func(t *testing.T) {
			w, err := parseWork(strings.Fields(args))
			if err != nil {
				t.Fatal(err)
			}
			to, err := running(addr, nats, os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			rows, err := w.run(to)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 || len(rows[0].metrics) == 0 {
				t.Fatal("nothing was measured")
			}
			for _, r := range rows {
				for _, m := range r.metrics {
					if m.name == "wrong" && m.value != 0 {
						t.Errorf("%s: %g events were missing, came twice or out of order", r.name, m.value)
					}
				}
			}
		})
	}
}

// The floor loses nothing either.
func TestFloor(t *testing.T) {
	to := &target{name: floorName, pid: os.Getpid()}
	for _, addr := range []*string{&to.addr, &to.nats} {
		var err error
		if *addr, err = freeAddr(); err != nil {
			t.Fatal(err)
		}
	}
	f, err := newFloor(to.addr, to.nats)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = f.serve() }() // as long as this process
	to.speakFloor()
	for _, args := range []string{"fanout -subs 20 -for 100ms", "storm -clients 30 -behind 50 -rate 100", "latency -subs 5 -rate 500 -for 200ms -warm 50ms"} {
		w, err := parseWork(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := w.run(to)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := rows[0].metrics[len(rows[0].metrics)-1]; wrong.name != "wrong" || wrong.value != 0 {
			t.Errorf("%s: %s", args, rows[0])
		}
	}
}

func TestReport(t *testing.T) {
	r := newReport(newWork("fanout", ""), []string{"fanout"}, "always")
	for _, v := range []float64{30, 10, 20} {
		r.add(row{"ours", []metric{{"per s", v, "%.0f", false, false}, {"ms", 1000 / v, "%.0f", true, false}, {"wrong", 0, "%.0f", true, true}}})
		r.add(row{"worse", []metric{{"per s", v / 10, "%.0f", false, false}, {"ms", 5000 / v, "%.0f", true, false}, {"wrong", 0, "%.0f", true, true}}})
		r.add(row{"other", []metric{{"per s", v / 2, "%.0f", false, false}, {"ms", 2000 / v, "%.0f", true, false}, {"wrong", 0, "%.0f", true, true}}})
	}
	for _, want := range []string{"| ours | 20 (10–30) | 50 (33–100) | 0 | 3 |", "| **times better than the best other** | **2.0** | **2.0** |  | |"} {
		if text := r.String(); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{"", "dance", "fanout 3", "-bridge 10.0.0.1:80 fanout", "-bridge example.com:80 fanout", "compare dance"} {
		if err := run(strings.Fields(args)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
