// Package heap adapts the garbage collector to the load of the process.
package heap

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// interval is how often the load is measured.
	interval = time.Second
	// frequent is how many collections in an interval are many.
	frequent = 3
	// calmIntervals is for how many intervals collections must be few before the heap is kept small again.
	calmIntervals = 10
	// normalPercent is Go's default of GOGC.
	normalPercent = 100
	// maxPercent and maxExtra bound how much more than by default the heap may grow between two collections.
	maxPercent = 175
	maxExtra   = 64 << 20
)

// Adapt lets the heap grow further than by default while collections are frequent, by three quarters of what it has live, but 64 MiB
// at most. A small heap under load is collected many times a second, which costs a tenth of the CPU. It does nothing if GOGC is set
// to another value than the default, and returns when ctx ends. It changes a setting of the whole process, so a process may only
// call it once. It costs some microseconds a second.
func Adapt(ctx context.Context) {
	if percent() != normalPercent {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var p pace
	p.measure(collections())
	for {
		select {
		case <-ticker.C:
			if next, changed := p.measure(collections()); changed {
				debug.SetGCPercent(next)
			}
		case <-ctx.Done():
			return
		}
	}
}

// percent returns the value of GOGC that is in use.
func percent() uint64 {
	samples := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64()
}

// collections returns how many collections there were so far, and how many bytes were live at the last one.
func collections() (cycles, live uint64) {
	samples := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}

// pace decides how far the heap may grow.
type pace struct {
	cycles uint64
	// calm is for how many intervals collections have been few.
	calm int
	// percent is 0 before the first interval.
	percent int
}

// measure takes the result of collections at the end of an interval. It returns the value for GOGC, and whether that has changed.
func (p *pace) measure(cycles, live uint64) (percent int, changed bool) {
	first, before := p.percent == 0, p.percent
	n := cycles - p.cycles
	p.cycles = cycles
	switch {
	case first:
		p.percent = normalPercent
		return p.percent, false
	case n >= frequent:
		extra := math.Min(maxPercent-normalPercent, 100*maxExtra/float64(max(1, live)))
		p.calm, p.percent = 0, normalPercent+int(extra)
	default:
		if p.calm++; p.calm >= calmIntervals {
			p.percent = normalPercent
		}
	}
	return p.percent, p.percent != before
}
