package job_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func running(delivery, step uint64) *job.Snapshot {
	return &job.Snapshot{Spec: imageSpec(), Progress: &job.Progress{Status: job.StatusRunning, Delivery: delivery, Step: step}}
}

func ended(status job.Status) *job.Snapshot {
	return &job.Snapshot{Spec: imageSpec(), Record: &job.Record{Status: status}}
}

func TestSnapshotStatusAndEventID(t *testing.T) {
	t.Parallel()
	both := ended(job.StatusFailed)
	both.Progress = &job.Progress{Status: job.StatusRunning, Delivery: 1, Step: 1}
	for name, c := range map[string]struct {
		snap   *job.Snapshot
		status job.Status
		id     string
	}{
		"queued":    {&job.Snapshot{Spec: imageSpec()}, job.StatusQueued, "0.0"},
		"running":   {running(3, 7), job.StatusRunning, "3.7"},
		"succeeded": {ended(job.StatusSucceeded), job.StatusSucceeded, "end"},
		"canceled":  {ended(job.StatusCanceled), job.StatusCanceled, "end"},
		"both":      {both, job.StatusFailed, "end"},
	} {
		if got := c.snap.Status(); got != c.status {
			t.Errorf("%s: status %s", name, got)
		}
		if got := c.snap.EventID(); got != c.id {
			t.Errorf("%s: event id %s", name, got)
		}
	}
}

func TestFollows(t *testing.T) {
	t.Parallel()
	queued := &job.Snapshot{Spec: imageSpec()}
	for name, c := range map[string]struct {
		next, prev *job.Snapshot
		want       bool
	}{
		"the first":                {queued, nil, true},
		"terminal first":           {ended(job.StatusFailed), nil, true},
		"queued again":             {queued, queued, false},
		"queued after running":     {queued, running(1, 1), false},
		"running after queued":     {running(1, 1), queued, true},
		"same step":                {running(1, 1), running(1, 1), false},
		"next step":                {running(1, 2), running(1, 1), true},
		"earlier step":             {running(1, 1), running(1, 2), false},
		"next delivery":            {running(2, 1), running(1, 9), true},
		"forgotten delivery count": {running(1, 1), running(4, 2), true},
		"end after queued":         {ended(job.StatusCanceled), queued, true},
		"end after running":        {ended(job.StatusSucceeded), running(1, 1), true},
		"running after the end":    {running(9, 9), ended(job.StatusFailed), false},
		"queued after the end":     {queued, ended(job.StatusFailed), false},
		"end after the end":        {ended(job.StatusSucceeded), ended(job.StatusCanceled), false},
	} {
		if got := c.next.Follows(c.prev); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
