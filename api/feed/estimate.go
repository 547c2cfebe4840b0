package feed

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/text2image-audio/text2image-audio/pkg/control"
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
	// at is when it was asked for.
	at time.Time
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
	control *control.Controller
	// ctx is the life of the feed, and enter keeps it from being stopped meanwhile.
	ctx   context.Context //nolint:containedctx // What is asked for is shared by callers that come and go.
	enter func() (leave func(), err error)

	// refreshes has the workers and lanes of a kind's pool asked for once at a time.
	refreshes singleflight.Group

	// mu guards what follows. It is never held across a request.
	mu      sync.Mutex
	workers time.Time
	// counted is when the load of a lane was read.
	counted map[lane]time.Time
	known   forecast
}

// placeOf returns the place of a job in the queue; waits is false when the job no longer waits or cannot be asked about.
func (e *estimator) placeOf(ctx context.Context, s *job.Snapshot) (p position, waits bool) {
	of := lane{s.Spec.Kind, s.Spec.Lane}
	places, err := e.ahead(ctx, of, []uint64{s.Sequence})
	ahead, ok := places[s.Sequence]
	if err != nil || !ok {
		return position{}, false
	}
	return e.placed(s.Spec, ahead, time.Now(), e.forecast(ctx, of.kind)), true
}

// placed returns a place with what follows from it.
func (e *estimator) placed(spec *job.Spec, ahead int, at time.Time, known forecast) position {
	p := position{ahead: ahead, at: at, held: e.held(spec)}
	if p.held == "" {
		p.eta = whole(known.queued(lane{spec.Kind, spec.Lane}, ahead))
	}
	return p
}

// ahead returns the places of jobs of one lane by their sequences, and takes note of the lane's load. A job that has
// left the queue is left out. It costs a request for each job and one for the lane.
func (e *estimator) ahead(ctx context.Context, of lane, sequences []uint64) (map[uint64]int, error) {
	places, err := e.queue.Positions(ctx, of.kind, of.lane, sequences)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.load(of, load{places.Waiting, places.InHand}, time.Now())
	return places.Ahead, nil
}

// load takes note of a lane's load. The lock is held.
func (e *estimator) load(of lane, l load, now time.Time) {
	if e.counted == nil {
		e.counted, e.known.loads = make(map[lane]time.Time), make(map[lane]load)
	}
	e.counted[of], e.known.loads[of] = now, l
}

// held returns what holds up a job that waits, or nothing. Nobody knows how long it stays so, hence there is no estimate.
func (e *estimator) held(spec *job.Spec) string {
	j := &job.Job{Kind: spec.Kind, Status: job.StatusQueued}
	e.control.View().Annotate(j, time.Now())
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
		if p, ok := e.placeOf(ctx, s); ok {
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

// forecast returns what is known about a kind. It costs a request for the workers and one for each lane of the kind's
// pool, but only when they were not asked for a while, and whoever comes meanwhile waits for the same answers.
func (e *estimator) forecast(ctx context.Context, kind job.Kind) forecast {
	if workers, lanes := e.stale(kind); workers || len(lanes) > 0 {
		done := e.refreshes.DoChan(string(poolOf(kind)[0]), func() (any, error) {
			e.refresh(kind)
			return nil, nil //nolint:nilnil // What was learned is in known.
		})
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.known
	known.loads = maps.Clone(known.loads)
	return known
}

// stale reports what has to be asked for again.
func (e *estimator) stale(kind job.Kind) (workers bool, lanes []lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.known.seconds[kind] > 0 {
		for _, k := range poolOf(kind) {
			for _, l := range job.Lanes() {
				if of := (lane{k, l}); now.Sub(e.counted[of]) > measuredAge {
					lanes = append(lanes, of)
				}
			}
		}
	}
	return now.Sub(e.workers) > measuredAge, lanes
}

// refresh asks for what is stale. Whatever the outcome, the next try is due in a while: a view must not wait for NATS
// again and again.
func (e *estimator) refresh(kind job.Kind) {
	leave, err := e.enter()
	if err != nil {
		return
	}
	defer leave()
	ctx, cancel := context.WithTimeout(e.ctx, estimateTimeout)
	defer cancel()
	if workers, _ := e.stale(kind); workers {
		list, err := e.control.Workers(ctx)
		e.mu.Lock()
		e.workers = time.Now()
		if err == nil {
			e.known.slots, e.known.seconds = sum(list)
		}
		e.mu.Unlock()
	}
	_, lanes := e.stale(kind)
	for _, of := range lanes {
		waiting, inHand, err := e.queue.Depth(ctx, of.kind, of.lane)
		e.mu.Lock()
		if err != nil {
			waiting, inHand = e.known.loads[of].waiting, e.known.loads[of].inHand
		}
		e.load(of, load{waiting, inHand}, time.Now())
		e.mu.Unlock()
	}
}
