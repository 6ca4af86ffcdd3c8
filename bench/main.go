//go:build linux

// Command bench measures live event servers from outside, with many clients that are read by one thread: fan-out, latency, memory of idle
// connections, reconnect storms, replay, publishing. It speaks to loopback addresses only.
//
//	go run ./bench compare fanout -subs 1000          starts the servers itself, alternates between them, prints medians and ratios
//	go run ./bench -bridge 127.0.0.1:8080 -nats 127.0.0.1:4222 -pid 4711 fanout -subs 1000        measures a bridge that runs
//
// docs/performance.md says what is measured and how.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
)

func main() {
	err := run(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

const usage = `bench compare [flags] <work> [flags of the work]
bench -bridge 127.0.0.1:8080 -nats 127.0.0.1:4222 -pid PID <work> [flags of the work]

Works:
`

func run(args []string) error {
	switch {
	case len(args) > 0 && args[0] == "compare":
		return compare(args[1:])
	case len(args) == 3 && args[0] == floorName: // what compare starts
		f, err := newFloor(args[1], args[2])
		if err != nil {
			return err
		}
		return f.serve()
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	help(fs)
	bridge := fs.String("bridge", "127.0.0.1:8080", "address of the bridge")
	nats := fs.String("nats", "127.0.0.1:4222", "address of its NATS")
	pid := fs.Int("pid", 0, "process id of the bridge, for its CPU time and memory")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for _, addr := range []string{*bridge, *nats} {
		if !loopback(addr) {
			return fmt.Errorf("%s: only loopback addresses, such as 127.0.0.1:8080, are measured", addr)
		}
	}
	w, err := parseWork(fs.Args())
	if err != nil {
		return err
	}
	if w.process && *pid == 0 {
		return fmt.Errorf("%s needs -pid", w.name)
	}
	t, err := running(*bridge, *nats, *pid)
	if err != nil {
		return err
	}
	defer t.stop()
	rows, err := w.run(t)
	if err != nil {
		return err
	}
	for _, r := range rows {
		fmt.Println(r)
	}
	return nil
}

// help makes the flags' help tell of the works, too.
func help(fs *flag.FlagSet) {
	fs.Usage = func() {
		var b strings.Builder
		b.WriteString(usage)
		for _, w := range works() {
			fmt.Fprintf(&b, "  %-8s %s\n", w.name, w.about)
		}
		b.WriteString("\nFlags:\n")
		fmt.Fprint(fs.Output(), b.String())
		fs.PrintDefaults()
	}
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// A work is one thing that is measured.
type work struct {
	name, about string
	alone       bool     // there are no peers to compare with
	process     bool     // it looks at the server's process
	args        []string // for the bridge
	flags       *flag.FlagSet
	run         func(*target) ([]row, error)
}

// works makes all works, with their flags at their defaults.
func works() []*work {
	return []*work{fanout(), latency(), idle(), storm(), replay(), sustain(), publishing()}
}

// parseWork finds a work by its name and parses its flags.
func parseWork(args []string) (*work, error) {
	var names []string
	for _, w := range works() {
		if names = append(names, w.name); len(args) > 0 && w.name == args[0] {
			if err := w.flags.Parse(args[1:]); err != nil {
				return nil, err
			}
			if w.flags.NArg() > 0 {
				return nil, fmt.Errorf("%s: %q is no flag of it", w.name, w.flags.Arg(0))
			}
			return w, nil
		}
	}
	return nil, fmt.Errorf("say what to measure: %s", strings.Join(names, ", "))
}
