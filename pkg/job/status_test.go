package job_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestEveryEdge holds each pair of states against the drawing of the state machine.
func TestEveryEdge(t *testing.T) {
	t.Parallel()
	const q, r, y, s, f, c = job.StatusQueued, job.StatusRunning, job.StatusRetrying, job.StatusSucceeded,
		job.StatusFailed, job.StatusCanceled
	columns := []job.Status{q, r, y, s, f, c}
	table := map[job.Status][6]bool{
		//  queued running retrying succeeded failed canceled
		q: {false, true, false, false, true, true},
		r: {false, true, true, true, true, true},
		y: {false, true, false, false, true, true},
		s: {false, false, false, false, false, false},
		f: {false, false, false, false, false, false},
		c: {false, false, false, false, false, false},
	}
	if len(table) != len(job.Statuses()) {
		t.Fatalf("the table has %d states, there are %d", len(table), len(job.Statuses()))
	}
	for from, row := range table {
		for i, want := range row {
			if got := from.CanBecome(columns[i]); got != want {
				t.Errorf("%s → %s: %t, want %t", from, columns[i], got, want)
			}
		}
		for _, unknown := range []job.Status{"", "done", "Running"} {
			if from.CanBecome(unknown) || unknown.CanBecome(from) {
				t.Errorf("an edge between %s and the unknown state %q", from, unknown)
			}
		}
	}
}

func TestStatusValidAndTerminal(t *testing.T) {
	t.Parallel()
	terminal := map[job.Status]bool{job.StatusSucceeded: true, job.StatusFailed: true, job.StatusCanceled: true}
	for _, s := range job.Statuses() {
		if !s.Valid() {
			t.Errorf("%s is not valid", s)
		}
		if s.Terminal() != terminal[s] {
			t.Errorf("%s: terminal %t", s, s.Terminal())
		}
	}
	for _, s := range []job.Status{"", "QUEUED", "cancelled", "done"} {
		if s.Valid() || s.Terminal() {
			t.Errorf("%q is valid or terminal", s)
		}
	}
}
