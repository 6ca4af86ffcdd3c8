//go:build linux

package faults

import (
	"fmt"
	"strconv"
	"strings"
)

// metric is a metric of all bridges that answer, added up; the name is as in /metrics, with its labels.
func (w *world) metric(name string) (sum float64) {
	for i := range w.bridges {
		sum += w.metricOf(i, name)
	}
	return sum
}

// metricOf is a metric of one bridge; 0 where it is not there, or nobody answers.
func (w *world) metricOf(bridge int, name string) float64 {
	v, _ := w.lookUp(bridge, name)
	return v
}

func (w *world) lookUp(bridge int, name string) (float64, error) {
	_, body, err := w.bridges[bridge].Get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
