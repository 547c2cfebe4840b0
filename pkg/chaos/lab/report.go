//go:build unix

package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
)

// report writes what was done and found.
func (e *experiment) report() {
	line := func(label, format string, args ...any) {
		_, _ = fmt.Fprintf(e.out, "  %-15s "+format+"\n", append([]any{label}, args...)...)
	}
	_, _ = fmt.Fprintln(e.out)
	line("seed", "%d", e.cfg.Seed)
	line("faults", "%s", summary(e.trouble.counts))
	jobs := e.book.Jobs()
	ends, deleted, codes := map[string]int{}, 0, map[string]int{}
	for _, j := range jobs {
		if j.Deleted {
			deleted++
		}
		if j.End != nil {
			ends[j.End.Status]++
			if j.End.Error != nil {
				codes[j.End.Error.Code]++
			}
		}
	}
	line("accepted", "%d jobs", len(jobs))
	line("ended once", "%s; %d of them deleted", summary(ends), deleted)
	if ends[claims.Failed] > 0 {
		line("failed for", "%s", summary(codes))
	}
	made, needed := e.audit.upstream(jobs)
	line("upstream calls", "%d, where %d would have sufficed: factor %.2f", made, needed, float64(made)/float64(max(1, needed)))
	for _, what := range slices.Sorted(maps.Keys(e.load.recoveries)) {
		n, median, longest := e.load.recovered(what)
		line("recovery", "after %d kills of %s: median %s, longest %s", n, what, median.Round(time.Millisecond), longest.Round(time.Millisecond))
	}
	line("last end", "%s after all faults were removed", e.ending.Round(100*time.Millisecond))
	line("answers", "%s", summary(e.load.answers.counts))
	line("read backward", "%d", e.book.Backward())
	busiest, odd := make(map[string]int), []string(nil)
	for _, c := range append(slices.Clone(e.plant.apis), e.plant.workers...) {
		var some []string
		busiest[c.name], some = e.plant.readLogs(c)
		odd = append(odd, some...)
	}
	line("busiest second", "%s log lines", summary(busiest))
	for _, o := range odd[:min(len(odd), maxOddShown)] {
		line("unexplained", "%s", o)
	}
	faults := e.book.Faults()
	if len(faults) == 0 {
		_, _ = fmt.Fprintf(e.out, "\nPASS in %s\n", time.Since(e.begun).Round(time.Second))
		return
	}
	_, _ = fmt.Fprintf(e.out, "\nFAIL: %d violations\n", len(faults))
	for _, f := range faults[:min(len(faults), maxFaultsShown)] {
		_, _ = fmt.Fprintf(e.out, "  %s\n", f)
	}
}

// maxOddShown is how many requests are shown that were answered with 500: no fault, but nothing to be proud of.
const maxOddShown = 5

// maxFaultsShown is enough to see what is wrong.
const maxFaultsShown = 50

// summary writes counts as "3 this, 4 that", in the order of the names.
func summary(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
