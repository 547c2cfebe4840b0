package feed

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// measuredAge is how long what the workers told about themselves, and what was counted in the queue, is taken as true.
const measuredAge = time.Second

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
	showETA(j, p.eta)
}

// isNews reports whether a position is worth telling to whoever knows another one. An estimate that changes by little
// is not: who watches it counts it down.
func (p position) isNews(last position) bool {
	if p.ahead != last.ahead || p.held != last.held || (p.eta == 0) != (last.eta == 0) {
		return true
	}
	const share = 10
	by := max(p.eta-last.eta, last.eta-p.eta)
	return by > 1 && by*share > last.eta
}

func showETA(j *job.Job, seconds int) {
	if seconds > 0 {
		j.ETASeconds = &seconds
	}
}

// estimator tells how long jobs take, from what the workers measured and what is in the queue.
type estimator struct {
	queue   *queue.Queue
	control *queue.Control

	mu      sync.Mutex
	workers time.Time
	// counted is when the loads of a kind's lines were read.
	counted map[job.Kind]time.Time
	known   forecast
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
	if p.held == "" {
		of := lane{entry.Spec.Kind, entry.Spec.Lane}
		p.eta = whole(e.forecast(ctx, of.kind).queued(of, ahead))
	}
	return p, true
}

// held returns what holds up a job that waits, or nothing. Nobody knows how long it stays so, hence there is no estimate.
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
	kind := s.Spec.Kind
	switch s.Status() {
	case job.StatusQueued:
		if s.Sequence == 0 {
			return
		}
		if p, ok := e.placeOf(ctx, &queue.Entry{Spec: s.Spec, Sequence: s.Sequence}); ok {
			p.addTo(j)
		}
	case job.StatusRunning:
		showETA(j, whole(e.forecast(ctx, kind).running(kind, s.Progress, time.Now())))
	case job.StatusRetrying:
		if e.held(s.Spec) != "" {
			return
		}
		showETA(j, whole(e.forecast(ctx, kind).retrying(kind, s.Progress, time.Now())))
	case job.StatusSucceeded, job.StatusFailed, job.StatusCanceled:
	}
}

// whole rounds an estimate up to seconds.
func whole(seconds float64) int {
	const most = 1 << 30
	return int(math.Ceil(min(seconds, most)))
}

// forecast returns what is known about a kind. It costs a request for the workers and one for each line of the kind's
// pool, but only when they were not asked for a while.
func (e *estimator) forecast(ctx context.Context, kind job.Kind) forecast {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if now.Sub(e.workers) > measuredAge {
		// Whatever the outcome, the next try is due in a while: a view must not wait for NATS again and again.
		e.workers = now
		if workers, err := e.queue.Workers(ctx); err == nil {
			e.known.slots, e.known.seconds = sum(workers)
		}
	}
	if e.known.seconds[kind] > 0 {
		e.count(ctx, kind, now)
	}
	known := e.known
	known.loads = maps.Clone(known.loads)
	return known
}

// count reads the loads of the lines of a kind's pool.
func (e *estimator) count(ctx context.Context, kind job.Kind, now time.Time) {
	if e.counted == nil {
		e.counted, e.known.loads = make(map[job.Kind]time.Time), make(map[lane]load)
	}
	for _, k := range poolOf(kind) {
		if now.Sub(e.counted[k]) <= measuredAge {
			continue
		}
		e.counted[k] = now
		for _, l := range job.Lanes() {
			if waiting, inHand, err := e.queue.Depth(ctx, k, l); err == nil {
				e.known.loads[lane{k, l}] = load{waiting, inHand}
			}
		}
	}
}
