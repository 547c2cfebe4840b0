//go:build unix

package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
)

// report prints a summary of the run and its violations.
func (e *experiment) report() {
	line := func(label, format string, args ...any) {
		_, _ = fmt.Fprintf(e.out, "  %-15s "+format+"\n", append([]any{label}, args...)...)
	}
	_, _ = fmt.Fprintln(e.out)
	line("seed", "%d", e.cfg.Seed)
	line("faults", "%s", summary(e.injector.counts))
	if e.cfg.embedded() {
		l := e.injector.losses
		line("not synced", "%d bytes of %d files, which %d power cuts have removed", l.bytes, l.files, l.cuts)
		line("ends removed", "%d, of which clients had seen %d", len(l.ends), e.model.TakenBack())
	}
	jobs := e.model.Jobs()
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
	if ends[model.Failed] > 0 {
		line("failed for", "%s", summary(codes))
	}
	line("accounts", "%s", e.load.accounts.summary())
	made, needed := e.audit.upstream(jobs)
	line("upstream calls", "%d, where %d would have sufficed: factor %.2f", made, needed, float64(made)/float64(max(1, needed)))
	for _, what := range slices.Sorted(maps.Keys(e.load.recoveries)) {
		n, median, longest := e.load.recovery(what)
		line("recovery", "after %d %s: median %s, longest %s", n, what, median.Round(time.Millisecond), longest.Round(time.Millisecond))
	}
	line("last end", "%s after all faults were removed", e.settleTime.Round(100*time.Millisecond))
	line("answers", "%s", summary(e.load.responses.counts))
	line("read backward", "%d", e.model.StaleReads())
	busiest, internalErrors := make(map[string]int), []string(nil)
	for _, c := range append(slices.Clone(e.cluster.apis), e.cluster.workers...) {
		var lines []string
		busiest[c.name], lines = e.cluster.checkLog(c)
		internalErrors = append(internalErrors, lines...)
	}
	line("busiest second", "%s log lines", summary(busiest))
	for _, text := range internalErrors[:min(len(internalErrors), maxErrorsShown)] {
		line("unexplained", "%s", text)
	}
	violations := e.model.Violations()
	if len(violations) == 0 {
		_, _ = fmt.Fprintf(e.out, "\nPASS in %s\n", time.Since(e.started).Round(time.Second))
		return
	}
	_, _ = fmt.Fprintf(e.out, "\nFAIL: %d violations\n", len(violations))
	for _, f := range violations[:min(len(violations), maxViolationsShown)] {
		_, _ = fmt.Fprintf(e.out, "  %s\n", f)
	}
}

// maxErrorsShown is how many requests that returned 500 are shown. They are not violations.
const maxErrorsShown = 5

// maxViolationsShown is how many violations are shown.
const maxViolationsShown = 50

// summary formats counts as "3 this, 4 that", sorted by name.
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
