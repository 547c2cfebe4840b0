package feed

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// workersAge is how long what the workers told about themselves is taken as true.
const workersAge = 2 * time.Second

// estimateTimeout bounds the requests for a position; a view is not held up by one.
const estimateTimeout = 2 * time.Second

// position is a place in the queue and what follows from it.
type position struct {
	ahead int
	// eta is the estimated seconds to the end; 0 when nothing was measured yet.
	eta int
	// held is what the job waits for beside its turn, in a sentence.
	held string
}

func (p position) addTo(j *job.Job) {
	ahead := p.ahead
	j.QueuePosition = &ahead
	if p.eta > 0 {
		eta := p.eta
		j.ETASeconds = &eta
	}
}

// estimator tells how long jobs take, from what the workers measured.
type estimator struct {
	queue   *queue.Queue
	control *queue.Control

	mu      sync.Mutex
	read    time.Time
	slots   map[job.Kind]int
	seconds map[job.Kind]float64
}

// place returns the place of a job in the queue; waits is false when the job no longer waits or cannot be asked about.
func (e *estimator) place(ctx context.Context, owner, id string) (p position, waits bool) {
	ctx, cancel := context.WithTimeout(ctx, estimateTimeout)
	defer cancel()
	entry, err := e.queue.Find(ctx, owner, id)
	if err != nil {
		return position{}, false
	}
	return e.placeOf(ctx, entry)
}

func (e *estimator) placeOf(ctx context.Context, entry *queue.Entry) (position, bool) {
	ahead, err := e.queue.Position(ctx, entry)
	if err != nil {
		return position{}, false
	}
	p := position{ahead: ahead, held: e.held(entry.Spec)}
	if p.held != "" {
		// Nobody knows how long it stays closed.
		return p, true
	}
	if slots, seconds := e.measured(ctx, entry.Spec.Kind); slots > 0 && seconds > 0 {
		p.eta = int(math.Ceil(float64(ahead/slots+1) * seconds))
	}
	return p, true
}

// held returns what holds up a job that waits, or nothing.
func (e *estimator) held(spec *job.Spec) string {
	if e.control == nil {
		return ""
	}
	j := &job.Job{Kind: spec.Kind, Status: job.StatusQueued}
	e.control.View().Show(j, time.Now())
	return j.WaitingFor
}

// add puts place and estimate into the view of a job.
func (e *estimator) add(ctx context.Context, s *job.Snapshot, j *job.Job) {
	ctx, cancel := context.WithTimeout(ctx, estimateTimeout)
	defer cancel()
	switch s.Status() {
	case job.StatusQueued:
		if s.Sequence == 0 {
			return
		}
		if p, ok := e.placeOf(ctx, &queue.Entry{Spec: s.Spec, Sequence: s.Sequence}); ok {
			p.addTo(j)
		}
	case job.StatusRunning:
		slots, seconds := e.measured(ctx, s.Spec.Kind)
		if slots == 0 || seconds == 0 || s.Progress.StartedAt == nil {
			return
		}
		eta := max(1, int(math.Ceil(seconds-time.Since(s.Progress.StartedAt.Time).Seconds())))
		j.ETASeconds = &eta
	case job.StatusRetrying, job.StatusSucceeded, job.StatusFailed, job.StatusCanceled:
	}
}

// measured returns how many jobs of a kind all workers together run at once and how long one takes.
func (e *estimator) measured(ctx context.Context, kind job.Kind) (slots int, seconds float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.read) > workersAge {
		// Whatever the outcome, the next try is due in a while: a view must not wait for NATS again and again.
		e.read = time.Now()
		if workers, err := e.queue.Workers(ctx); err == nil {
			e.slots, e.seconds = sum(workers)
		}
	}
	return e.slots[kind], e.seconds[kind]
}

// sum adds the workers' slots and averages their run times, each weighed by its slots.
func sum(workers []queue.Worker) (map[job.Kind]int, map[job.Kind]float64) {
	slots, weight := map[job.Kind]int{}, map[job.Kind]int{}
	seconds := map[job.Kind]float64{}
	for _, w := range workers {
		for kind, n := range w.Slots {
			slots[kind] += n
			if run := w.RunSeconds[kind]; run > 0 && n > 0 {
				seconds[kind] += run * float64(n)
				weight[kind] += n
			}
		}
	}
	for kind, n := range weight {
		seconds[kind] /= float64(n)
	}
	return slots, seconds
}
