//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages are the servers that are built from this module and what it needs.
var packages = map[string]string{"livebridge": "./cmd/bridge", "nats-server": "github.com/nats-io/nats-server/v2"}

// compare runs one work on each server in turn, several times, and prints the medians and what ours is compared with the best of the others.
func compare(args []string) error {
	fs := flag.NewFlagSet("bench compare", flag.ContinueOnError)
	help(fs)
	rounds := fs.Int("rounds", 3, "runs of each server, alternating")
	only := fs.String("only", "", "servers to measure, separated by commas: livebridge, nats-server, centrifugo, mercure, and floor, which is what any server needs; none = all that are there")
	sync := fs.String("sync", "always", "sync_interval of JetStream, in ours and in nats-server")
	more := fs.String("args", "", "more flags for the bridge, separated by spaces")
	bins := map[string]*string{}
	for _, sys := range systems {
		bins[sys.flag] = fs.String(sys.flag, "", "its program; none = "+sys.found())
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	w, err := parseWork(fs.Args())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "livebridge-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	killAtInterrupt()
	var chosen []system
	var specs []spec
	for _, sys := range systems {
		if *only != "" && !strings.Contains(","+*only+",", ","+sys.flag+",") || w.alone && len(chosen) == 1 {
			continue
		}
		bin, err := program(dir, sys.flag, *bins[sys.flag])
		if err != nil {
			if *only != "" || packages[sys.flag] != "" {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s is not measured: %v\n", sys.name, err)
			continue
		}
		chosen = append(chosen, sys)
		specs = append(specs, spec{bin: bin, sync: *sync, long: w.name == "storm", args: append(strings.Fields(*more), w.args...)})
	}
	r := newReport(w, fs.Args(), *sync)
	for round := range *rounds {
		for i, sys := range chosen {
			rows, err := once(sys, specs[i], w)
			if err != nil {
				fmt.Fprintf(os.Stderr, "round %d: %s: %v\n", round+1, sys.name, err)
				r.failed(sys.name, err)
				continue
			}
			for _, row := range rows {
				fmt.Fprintf(os.Stderr, "round %d: %s\n", round+1, row)
				r.add(row)
			}
		}
	}
	fmt.Print(r)
	return nil
}

// once starts a server, measures it and stops it.
func once(sys system, sp spec, w *work) ([]row, error) {
	t, err := sys.launch(sp)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	rows, err := w.run(t)
	if err != nil {
		err = errors.Join(err, errors.New(t.proc.said()))
	}
	return rows, err
}

// program finds a server's program, or builds it.
func program(dir, name, given string) (string, error) {
	pkg := packages[name]
	switch {
	case given != "":
		return filepath.Abs(given)
	case name == floorName:
		return os.Executable()
	case pkg == "":
		return exec.LookPath(name)
	}
	bin := filepath.Join(dir, name)
	if out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return bin, nil
}
