package jobs

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// entry is a queued job: its sequence and its deadline.
type entry struct {
	sequence uint64
	deadline time.Time
}

// deadlineHeap is a container/heap of jobs, the earliest deadline first.
type deadlineHeap []entry

func (d deadlineHeap) Len() int           { return len(d) }
func (d deadlineHeap) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }
func (d deadlineHeap) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *deadlineHeap) Push(x any)        { *d = append(*d, x.(entry)) }
func (d *deadlineHeap) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}

// deadlines holds the deadlines of the queued jobs, so that each is read only once. It takes a few bytes for each job and may
// hold jobs that have left the queue.
type deadlines struct {
	// created identifies the stream, and next is the first sequence that was not read yet.
	created time.Time
	next    uint64
	heap    deadlineHeap
	// known are sequences from next on, in order, that need not be read, and end is the end of the queue at the last sweep.
	known []uint64
	end   uint64
	// failed are the jobs that could not be ended, and failedAt is the time of the last failure.
	failed   []entry
	failedAt time.Time
}

// slack is how many jobs that have left the queue are kept before the queue is read again.
const slack = 1024

// fit starts over, and reports that, when the stream was replaced and when most of the jobs have left the queue: reading the queue again costs
// less than keeping every job that has passed through it within the longest deadline.
func (t *deadlines) fit(e queue.Extent) (anew bool) {
	if !e.Created.Equal(t.created) || e.Last+1 < t.next || len(t.heap) > 2*e.Jobs+slack {
		*t = deadlines{created: e.Created}
		anew = true
	}
	t.next = max(t.next, e.First)
	return anew
}

func (t *deadlines) add(sequence uint64, deadline time.Time) {
	heap.Push(&t.heap, entry{sequence, deadline})
}

// learn adds jobs that this process has put into the queue, and that need not be read.
func (t *deadlines) learn(pushed []entry) {
	for _, d := range pushed {
		if d.sequence >= t.next {
			t.putBack(d)
			t.known = append(t.known, d.sequence)
		}
	}
	slices.Sort(t.known)
}

// unknown returns the next sequences, up to last, that have to be read; false if there are none.
func (t *deadlines) unknown(last uint64) (from, to uint64, found bool) {
	for len(t.known) > 0 && t.known[0] <= t.next {
		t.next = max(t.next, t.known[0]+1)
		t.known = t.known[1:]
	}
	if len(t.known) > 0 {
		last = min(last, t.known[0]-1)
	}
	return t.next, last, t.next <= last
}

// take removes and returns up to limit jobs whose deadline is not after until.
func (t *deadlines) take(until time.Time, limit int) []entry {
	var taken []entry
	for len(t.heap) > 0 && len(taken) < limit && !t.heap[0].deadline.After(until) {
		taken = append(taken, heap.Pop(&t.heap).(entry))
	}
	return taken
}

// putBack adds jobs again that take has returned, for the next sweep.
func (t *deadlines) putBack(jobs ...entry) {
	for _, d := range jobs {
		heap.Push(&t.heap, d)
	}
}

// fail keeps jobs that could not be ended for a later sweep.
func (t *deadlines) fail(jobs ...entry) {
	if len(jobs) > 0 {
		t.failed, t.failedAt = append(t.failed, jobs...), time.Now()
	}
}

// retryFailed adds the failed jobs again after the given time.
func (t *deadlines) retryFailed(after time.Duration) {
	if len(t.failed) > 0 && time.Since(t.failedAt) >= after {
		t.putBack(t.failed...)
		t.failed = nil
	}
}

// maxPushed bounds the jobs that are kept for the sweeper: 2 MiB. It reads the others from the queue.
const maxPushed = 1 << 16

// pushed are the jobs that this process has put into the queue since the last sweep.
type pushed struct {
	mu   sync.Mutex
	jobs []entry
}

func (p *pushed) add(d entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.jobs) < maxPushed {
		p.jobs = append(p.jobs, d)
	}
}

func (p *pushed) take() []entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.jobs
	p.jobs = nil
	return taken
}
