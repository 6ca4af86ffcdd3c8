package program

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Stacks ends the process, a Go program, and returns where its goroutines were: each stack once, with how many stood there and what for, the
// most frequent first. It is for a test that has failed.
func (p *Process) Stacks() string {
	p.mu.Lock()
	before := len(p.out)
	p.keep = 1 << 20
	p.mu.Unlock()
	p.Signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.Kill()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	dump := strings.Join(p.out[before:], "\n")
	p.out = p.out[:before]
	return summary(dump)
}

// summary counts the goroutines of a dump that stand at the same place.
func summary(dump string) string {
	type place struct {
		count  int
		states []string
	}
	places := map[string]*place{}
	for block := range strings.SplitSeq(dump, "\n\n") {
		head, stack, _ := strings.Cut(block, "\n")
		if !strings.HasPrefix(head, "goroutine ") {
			continue
		}
		key := frames(stack)
		if places[key] == nil {
			places[key] = &place{}
		}
		at := places[key]
		at.count++
		_, state, _ := strings.Cut(head, "[")
		if state, _, _ = strings.Cut(state, "]"); !slices.Contains(at.states, state) {
			at.states = append(at.states, state)
		}
	}
	often := func(a, b string) int { return cmp.Or(places[b].count-places[a].count, strings.Compare(a, b)) }
	var b strings.Builder
	for _, key := range slices.SortedFunc(maps.Keys(places), often) {
		at := places[key]
		fmt.Fprintf(&b, "%d × %s\n%s", at.count, strings.Join(at.states[:min(len(at.states), 5)], "; "), key)
	}
	return b.String()
}

// frames are the functions of a stack, with their lines, without those of the Go runtime.
func frames(stack string) string {
	var b strings.Builder
	lines := strings.Split(stack, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		name := lines[i]
		if strings.HasPrefix(name, "runtime.") {
			continue
		}
		if open := strings.LastIndex(name, "("); open > 0 && !strings.HasPrefix(name, "created by") {
			name = name[:open]
		}
		name, _, _ = strings.Cut(name, " in goroutine")
		line, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
		fmt.Fprintf(&b, "    %s %s\n", name, line[strings.LastIndex(line, "/")+1:])
	}
	return b.String()
}
