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

// measuredAge is for how long the run times that workers report and the load of the lanes are used without reading them again.
const measuredAge = time.Second

// estimateTimeout bounds the requests for a position; a view does not wait longer for one.
const estimateTimeout = 2 * time.Second

// position is a place in the queue and what follows from it.
type position struct {
	ahead int
	// at is when it was queried.
	at time.Time
	// eta is the estimated seconds to the end; 0 when no run time is known.
	eta int
	// heldBy is what holds the job up beside its position, in a sentence.
	heldBy string
}

func (p position) addTo(j *job.Job) {
	ahead := p.ahead
	j.QueuePosition = &ahead
	showETA(j, p.eta)
}

// isNews reports whether a position is worth sending to those who know another one. A small change of the estimate is not:
// clients count it down.
func (p position) isNews(last position) bool {
	if p.ahead != last.ahead || p.heldBy != last.heldBy || (p.eta == 0) != (last.eta == 0) {
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

// estimator estimates how long jobs take, from the run times that workers report and the load of the queue.
type estimator struct {
	queue   *queue.Queue
	control *control.Controller
	// ctx is the life of the feed, and acquire has Stop wait for a refresh.
	ctx     context.Context //nolint:containedctx // A refresh is shared by callers that come and go.
	acquire func() (release func(), err error)

	// refreshes reads the workers and the lanes of a kind's pool once at a time, for all callers.
	refreshes singleflight.Group

	// mu guards what follows. It is never held across a request.
	mu          sync.Mutex
	workersRead time.Time
	// loadRead is when the load of a lane was read.
	loadRead map[lane]time.Time
	known    forecast
}

// locate returns the queue position of a job; waits is false when the job no longer waits or cannot be queried.
func (e *estimator) locate(ctx context.Context, s *job.Snapshot) (p position, waits bool) {
	of := lane{s.Spec.Kind, s.Spec.Lane}
	places, err := e.ahead(ctx, of, []uint64{s.Sequence})
	ahead, ok := places[s.Sequence]
	if err != nil || !ok {
		return position{}, false
	}
	return e.positionAt(s.Spec, ahead, time.Now(), e.forecast(ctx, of.kind)), true
}

// positionAt returns a position with what follows from it.
func (e *estimator) positionAt(spec *job.Spec, ahead int, at time.Time, known forecast) position {
	p := position{ahead: ahead, at: at, heldBy: e.heldBy(spec)}
	if p.heldBy == "" {
		p.eta = whole(known.queued(lane{spec.Kind, spec.Lane}, ahead))
	}
	return p
}

// ahead returns the positions of jobs of one lane by their sequences, and stores the lane's load. A job that has left the
// queue is left out. It costs one request for each job and one for the lane.
func (e *estimator) ahead(ctx context.Context, of lane, sequences []uint64) (map[uint64]int, error) {
	places, err := e.queue.Positions(ctx, of.kind, of.lane, sequences)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setLoad(of, load{places.Waiting, places.InFlight}, time.Now())
	return places.Ahead, nil
}

// setLoad stores the load of a lane. The lock is held.
func (e *estimator) setLoad(of lane, l load, now time.Time) {
	if e.loadRead == nil {
		e.loadRead, e.known.loads = make(map[lane]time.Time), make(map[lane]load)
	}
	e.loadRead[of], e.known.loads[of] = now, l
}

// heldBy returns what holds up a waiting job, or "". How long that lasts is unknown, so there is no estimate then.
func (e *estimator) heldBy(spec *job.Spec) string {
	j := &job.Job{Kind: spec.Kind, Status: job.StatusQueued}
	e.control.View().Annotate(j, time.Now())
	return j.WaitingFor
}

// add puts position and estimate into the view of a job.
func (e *estimator) add(ctx context.Context, s *job.Snapshot, j *job.Job) {
	ctx, cancel := context.WithTimeout(ctx, estimateTimeout)
	defer cancel()
	kind := s.Spec.Kind
	switch s.Status() {
	case job.StatusQueued:
		if s.Sequence == 0 {
			return
		}
		if p, ok := e.locate(ctx, s); ok {
			p.addTo(j)
		}
	case job.StatusRunning:
		showETA(j, whole(e.forecast(ctx, kind).running(kind, s.Progress, time.Now())))
	case job.StatusRetrying:
		if e.heldBy(s.Spec) != "" {
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

// forecast returns what is known about a kind. It costs a request for the workers and one for each lane of the kind's pool, but
// only when they are older than a second, and callers who come meanwhile share the outcome.
func (e *estimator) forecast(ctx context.Context, kind job.Kind) forecast {
	if workers, lanes := e.stale(kind); workers || len(lanes) > 0 {
		done := e.refreshes.DoChan(string(poolOf(kind)[0]), func() (any, error) {
			e.refresh(kind)
			return nil, nil //nolint:nilnil // The outcome is in known.
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

// stale reports what has to be read again.
func (e *estimator) stale(kind job.Kind) (workers bool, lanes []lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.known.seconds[kind] > 0 {
		for _, k := range poolOf(kind) {
			for _, l := range job.Lanes() {
				if of := (lane{k, l}); now.Sub(e.loadRead[of]) > measuredAge {
					lanes = append(lanes, of)
				}
			}
		}
	}
	return now.Sub(e.workersRead) > measuredAge, lanes
}

// refresh reads what is stale. Whatever the outcome, the next attempt is due only after measuredAge: views must not wait for NATS
// again and again.
func (e *estimator) refresh(kind job.Kind) {
	release, err := e.acquire()
	if err != nil {
		return
	}
	defer release()
	ctx, cancel := context.WithTimeout(e.ctx, estimateTimeout)
	defer cancel()
	if workers, _ := e.stale(kind); workers {
		list, err := e.control.Workers(ctx)
		e.mu.Lock()
		e.workersRead = time.Now()
		if err == nil {
			e.known.slots, e.known.seconds = sumWorkers(list)
		}
		e.mu.Unlock()
	}
	_, lanes := e.stale(kind)
	for _, of := range lanes {
		waiting, inHand, err := e.queue.Depth(ctx, of.kind, of.lane)
		e.mu.Lock()
		if err != nil {
			waiting, inHand = e.known.loads[of].waiting, e.known.loads[of].inFlight
		}
		e.setLoad(of, load{waiting, inHand}, time.Now())
		e.mu.Unlock()
	}
}
