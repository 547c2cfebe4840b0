package jobs

import (
	"container/heap"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// due is a queued job as the sweeper remembers it: its place in the queue and its deadline.
type due struct {
	sequence uint64
	deadline time.Time
}

// dues is a heap of jobs, the earliest deadline on top.
type dues []due

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }
func (d dues) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dues) Push(x any)        { *d = append(*d, x.(due)) }
func (d *dues) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}

// timetable is the deadlines of the jobs in the queue, so that the queue need not be read again and again. It holds a few
// bytes for each job and may hold jobs that have left the queue.
type timetable struct {
	// made tells one stream from the next, and next is the sequence from which it was not read yet.
	made time.Time
	next uint64
	dues dues
	// failed are the jobs that could not be ended, and failedAt when that was.
	failed   []due
	failedAt time.Time
}

// slack is how many jobs that have left the queue are not worth reading it anew.
const slack = 1024

// fit begins anew when the queue is not the one that was read, and when most of the jobs here have left it: reading a
// queue again costs less than keeping what has passed through it within the longest deadline.
func (t *timetable) fit(e queue.Extent) {
	if !e.Made.Equal(t.made) || e.Last+1 < t.next || len(t.dues) > 2*e.Jobs+slack {
		*t = timetable{made: e.Made}
	}
	t.next = max(t.next, e.First)
}

func (t *timetable) add(sequence uint64, deadline time.Time) {
	heap.Push(&t.dues, due{sequence, deadline})
}

// take removes and returns up to limit jobs whose deadline is not after the given moment.
func (t *timetable) take(until time.Time, limit int) []due {
	var taken []due
	for len(t.dues) > 0 && len(taken) < limit && !t.dues[0].deadline.After(until) {
		taken = append(taken, heap.Pop(&t.dues).(due))
	}
	return taken
}

// putBack returns jobs that were not ended after all, for the next look.
func (t *timetable) putBack(jobs ...due) {
	for _, d := range jobs {
		heap.Push(&t.dues, d)
	}
}

// fail keeps jobs that could not be ended for a later look.
func (t *timetable) fail(jobs ...due) {
	if len(jobs) > 0 {
		t.failed, t.failedAt = append(t.failed, jobs...), time.Now()
	}
}

// forgive has the failed jobs looked at again when they have rested long enough.
func (t *timetable) forgive(rest time.Duration) {
	if len(t.failed) > 0 && time.Since(t.failedAt) >= rest {
		t.putBack(t.failed...)
		t.failed = nil
	}
}
