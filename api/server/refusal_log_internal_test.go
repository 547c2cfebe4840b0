package server

import (
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// TestRefusalLogCountsSkippedLines counts logged and skipped lines over two intervals.
func TestRefusalLogCountsSkippedLines(t *testing.T) {
	t.Parallel()
	l, at := newRefusalLog(), time.Now()
	lines := func(route string, n int) (lines, skipped int) {
		for range n {
			level, before := l.level(route, "code", at)
			skipped += before
			if level == slog.LevelInfo {
				lines++
			}
		}
		return lines, skipped
	}
	if n, skipped := lines("a", 1000); n != refusalsPerKind || skipped != 0 {
		t.Errorf("%d lines, %d skipped", n, skipped)
	}
	for i := range 100 {
		lines(fmt.Sprint("route ", i), 1)
	}
	if l.total != refusalsTotal {
		t.Errorf("%d lines in total", l.total)
	}
	at = at.Add(refusalEvery)
	if n, skipped := lines("a", 1); n != 1 || skipped != 1000-refusalsPerKind {
		t.Errorf("%d lines, %d skipped", n, skipped)
	}
}
