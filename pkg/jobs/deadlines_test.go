package jobs_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

func TestDeadlinesTake(t *testing.T) {
	t.Parallel()
	var table jobs.Deadlines
	start := time.Unix(1_700_000_000, 0)
	const jobs = 500
	for _, i := range rand.Perm(jobs) {
		table.Add(uint64(i), start.Add(time.Duration(i)*time.Second))
	}
	if got := table.Take(start.Add(-time.Millisecond), 10); len(got) != 0 {
		t.Errorf("%v have expired before any deadline", got)
	}
	if got := table.Take(start.Add(2*time.Second), 10); !slices.Equal(got, []uint64{0, 1, 2}) {
		t.Errorf("took %v", got)
	}
	if got := table.Take(start.Add(time.Hour), 4); !slices.Equal(got, []uint64{3, 4, 5, 6}) {
		t.Errorf("took %v", got)
	}
	table.Fail(3, start)
	if got := table.Take(start, 10); len(got) != 0 {
		t.Errorf("a failed job is returned: %v", got)
	}
	table.RetryFailed(time.Hour)
	if got := table.Take(start, 10); len(got) != 0 {
		t.Errorf("a job that has just failed is returned: %v", got)
	}
	table.RetryFailed(0)
	if got := table.Take(start, 10); !slices.Equal(got, []uint64{3}) || table.Len() != jobs-7 {
		t.Errorf("took %v, %d left", got, table.Len())
	}
}

// TestDeadlinesUnknown leaves out what was learned.
func TestDeadlinesUnknown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		learned []uint64
		last    uint64
		want    []uint64
		// then is what is unknown up to 9 after that.
		then []uint64
	}{
		"nothing":           {nil, 6, []uint64{3, 4, 5, 6}, []uint64{7, 8, 9}},
		"all":               {[]uint64{3, 4, 5, 6}, 6, nil, []uint64{7, 8, 9}},
		"out of order":      {[]uint64{6, 3, 5, 4, 7}, 6, nil, []uint64{8, 9}},
		"gaps":              {[]uint64{4, 6}, 6, []uint64{3, 5}, []uint64{7, 8, 9}},
		"gap before later":  {[]uint64{3, 8}, 6, []uint64{4, 5, 6}, []uint64{7, 9}},
		"before the first":  {[]uint64{1, 2}, 4, []uint64{3, 4}, []uint64{5, 6, 7, 8, 9}},
		"twice":             {[]uint64{3, 3, 4, 4}, 4, nil, []uint64{5, 6, 7, 8, 9}},
		"beyond the last":   {[]uint64{3, 4, 5, 9}, 4, nil, []uint64{6, 7, 8}},
		"nothing to read":   {nil, 2, nil, []uint64{3, 4, 5, 6, 7, 8, 9}},
		"last is the first": {nil, 3, []uint64{3}, []uint64{4, 5, 6, 7, 8, 9}},
	} {
		var table jobs.Deadlines
		table.Fit(queue.Extent{First: 3, Last: 9, Jobs: 7})
		table.Learn(tc.learned...)
		if got := table.Unknown(tc.last); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v has to be read, want %v", name, got, tc.want)
		}
		if got := table.Unknown(9); !slices.Equal(got, tc.then) {
			t.Errorf("%s: %v has to be read then, want %v", name, got, tc.then)
		}
	}
}

func TestDeadlinesFit(t *testing.T) {
	t.Parallel()
	made := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		extent queue.Extent
		// next is the sequence to continue from, and kept whether the jobs are kept.
		next uint64
		kept bool
	}{
		"nothing new":      {queue.Extent{Created: made, First: 1, Last: 3000, Jobs: 3000}, 3001, true},
		"new jobs":         {queue.Extent{Created: made, First: 1, Last: 3500, Jobs: 3500}, 3001, true},
		"old jobs left":    {queue.Extent{Created: made, First: 2500, Last: 3100, Jobs: 1000}, 3001, true},
		"all were passed":  {queue.Extent{Created: made, First: 4000, Last: 4100, Jobs: 1000}, 4000, true},
		"most have left":   {queue.Extent{Created: made, First: 1, Last: 3000, Jobs: 10}, 1, false},
		"all have left":    {queue.Extent{Created: made, First: 3001, Last: 3000, Jobs: 0}, 3001, false},
		"renumbered":       {queue.Extent{Created: made, First: 1, Last: 2998, Jobs: 2998}, 1, false},
		"recreated":        {queue.Extent{Created: made.Add(1), First: 1, Last: 5000, Jobs: 5000}, 1, false},
		"recreated, empty": {queue.Extent{Created: made.Add(1)}, 0, false},
	} {
		var table jobs.Deadlines
		if next := table.Fit(queue.Extent{Created: made, First: 1, Last: 3000, Jobs: 3000}); next != 1 {
			t.Errorf("the first scan starts at %d", next)
		}
		for i := range uint64(3000) {
			table.Add(i+1, made)
		}
		next := table.Fit(c.extent)
		if kept := table.Len() == 3000; next != c.next || kept != c.kept || !kept && table.Len() != 0 {
			t.Errorf("%s: next %d, want %d; %d jobs are kept", name, next, c.next, table.Len())
		}
	}
}
