package server

import (
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// TestRefusalLogCountsSkippedLines counts lines over two minutes.
func TestRefusalLogCountsSkippedLines(t *testing.T) {
	t.Parallel()
	l, at := newRefusalLog(), time.Now()
	lines := func(route string, n int) (lines, leftOut int) {
		for range n {
			level, left := l.level(route, "code", at)
			leftOut += left
			if level == slog.LevelInfo {
				lines++
			}
		}
		return lines, leftOut
	}
	if n, left := lines("a", 1000); n != refusalsPerKind || left != 0 {
		t.Errorf("%d lines, %d left out", n, left)
	}
	for i := range 100 {
		lines(fmt.Sprint("route ", i), 1)
	}
	if l.total != refusalsTotal {
		t.Errorf("%d lines in all", l.total)
	}
	at = at.Add(refusalEvery)
	if n, left := lines("a", 1); n != 1 || left != 1000-refusalsPerKind {
		t.Errorf("%d lines, %d left out", n, left)
	}
}
