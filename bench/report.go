//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A report gathers rows of several runs, and prints their medians as a table in Markdown.
type report struct {
	work    *work
	command string
	names   []string // in the order of their first run
	runs    map[string][]row
	errors  map[string]string // the last of each
}

func newReport(w *work, args []string, sync string) *report {
	return &report{work: w, command: strings.Join(args, " ") + ", sync_interval: " + sync, runs: make(map[string][]row), errors: make(map[string]string)}
}

func (r *report) know(name string) {
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
}

func (r *report) add(of row) {
	r.know(of.name)
	r.runs[of.name] = append(r.runs[of.name], of)
}

func (r *report) failed(name string, err error) {
	r.know(name)
	r.errors[name], _, _ = strings.Cut(err.Error(), "\n")
}

// String is the table, with the machine it was made on.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n%s\n", machine(), r.command)
	var heads []metric
	for _, name := range r.names {
		if runs := r.runs[name]; len(runs) > 0 {
			heads = runs[0].metrics
			break
		}
	}
	b.WriteString("\n| |")
	for _, m := range heads {
		fmt.Fprintf(&b, " %s |", m.name)
	}
	b.WriteString(" runs |\n|---|" + strings.Repeat("--:|", len(heads)+1) + "\n")
	for _, name := range r.names {
		fmt.Fprintf(&b, "| %s |", name)
		for i, m := range heads {
			b.WriteString(" " + r.cell(name, i, m.form) + " |")
		}
		fmt.Fprintf(&b, " %d |\n", len(r.runs[name]))
	}
	if len(r.names) > 1 && !r.work.alone {
		b.WriteString("| **times better than the best other** |")
		for i, m := range heads {
			b.WriteString(" " + r.ratio(i, m) + " |")
		}
		b.WriteString(" |\n")
	}
	for _, name := range r.names {
		if why := r.errors[name]; why != "" {
			fmt.Fprintf(&b, "\n%s, in a run that does not count: %s\n", name, why)
		}
	}
	return b.String()
}

// cell is the median, with the least and the greatest where they differ.
func (r *report) cell(name string, i int, form string) string {
	v := r.values(name, i)
	if len(v) == 0 {
		return "–"
	}
	text, least, most := fmt.Sprintf(form, median(v)), fmt.Sprintf(form, v[0]), fmt.Sprintf(form, v[len(v)-1])
	if least == most {
		return text
	}
	return fmt.Sprintf("%s (%s–%s)", text, least, most)
}

// values of one metric, sorted.
func (r *report) values(name string, i int) (v []float64) {
	for _, run := range r.runs[name] {
		v = append(v, run.metrics[i].value)
	}
	slices.Sort(v)
	return v
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio is how many times better the first is than the best of the others, of which the floor is none.
func (r *report) ratio(i int, m metric) string {
	ours := r.values(r.names[0], i)
	best := 0.0
	for _, name := range r.names[1:] {
		if name == floorName {
			continue
		}
		if v := r.values(name, i); len(v) > 0 {
			if x := median(v); best == 0 || (x < best) == m.less {
				best = x
			}
		}
	}
	if m.bare || len(ours) == 0 || best == 0 || median(ours) == 0 {
		return ""
	}
	x := median(ours) / best
	if m.less {
		x = 1 / x
	}
	return fmt.Sprintf("**%.1f**", x)
}

// machine is what the figures were made on.
func machine() string {
	cpu := "unknown CPU"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, ok := strings.Cut(string(info), "model name"); ok {
			cpu = strings.TrimSpace(strings.TrimLeft(strings.SplitN(after, "\n", 2)[0], "\t :"))
		}
	}
	var name unix.Utsname
	_ = unix.Uname(&name)
	var mem unix.Sysinfo_t
	_ = unix.Sysinfo(&mem)
	return fmt.Sprintf("%s, %d cores, %d GiB, %s %s, %s; servers and clients on this machine", cpu, runtime.NumCPU(), mem.Totalram*uint64(mem.Unit)>>30,
		unix.ByteSliceToString(name.Sysname[:]), unix.ByteSliceToString(name.Release[:]), runtime.Version())
}
