package feed

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// measuredAge is how long the run times that workers report and the load of the lanes are cached.
const measuredAge = time.Second

// estimateTimeout bounds the requests for a position and an estimate.
const estimateTimeout = 2 * time.Second

// position is a position in the queue with the estimate that follows from it.
type position struct {
	ahead int
	// at is the time of the query.
	at time.Time
	// eta is the estimated number of seconds to the end of the job; 0 if unknown.
	eta int
	// heldBy says what else delays the job, such as a pause, in a sentence.
	heldBy string
}

func (p position) addTo(j *jobview.Job) {
	ahead := p.ahead
	j.QueuePosition = &ahead
	showETA(j, p.eta)
}

// isNews reports whether a position differs enough from the last one to be sent. A small change of the estimate does not,
// because clients count it down.
func (p position) isNews(last position) bool {
	if p.ahead != last.ahead || p.heldBy != last.heldBy || (p.eta == 0) != (last.eta == 0) {
		return true
	}
	const share = 10
	by := max(p.eta-last.eta, last.eta-p.eta)
	return by > 1 && by*share > last.eta
}

func showETA(j *jobview.Job, seconds int) {
	if seconds > 0 {
		j.ETASeconds = &seconds
	}
}

// estimator estimates how long jobs take, from the run times that workers report and the load of the queue.
type estimator struct {
	queue   *queue.Queue
	control *control.Controller
	// ctx is the lifetime of the feed. acquire makes Stop wait for a refresh.
	ctx     context.Context //nolint:containedctx // A refresh outlives the context of its first caller.
	acquire func() (release func(), err error)

	// refreshes lets concurrent callers share a refresh of the workers and lanes.
	refreshes singleflight.Group

	// mu guards the fields below. It is never held during a request.
	mu          sync.Mutex
	workersRead time.Time
	// loadRead has the times at which the loads of lanes were read.
	loadRead map[lane]time.Time
	known    forecast
}

// locate returns the queue position of a job. ok is false if the job has left the queue or cannot be queried.
func (e *estimator) locate(ctx context.Context, s *job.Snapshot) (p position, ok bool) {
	of := lane{s.Spec.Kind, s.Spec.Lane}
	places, err := e.ahead(ctx, of, []uint64{s.Sequence})
	ahead, queued := places[s.Sequence]
	if err != nil || !queued {
		return position{}, false
	}
	return e.positionAt(s.Spec, ahead, time.Now(), e.forecast(ctx, of.kind)), true
}

// positionAt returns a position with its estimate.
func (e *estimator) positionAt(spec *job.Spec, ahead int, at time.Time, known forecast) position {
	p := position{ahead: ahead, at: at, heldBy: e.heldBy(spec)}
	if p.heldBy == "" {
		p.eta = whole(known.queued(lane{spec.Kind, spec.Lane}, ahead))
	}
	return p
}

// ahead returns the positions of jobs of a lane by their sequences, and stores the load of the lane. Jobs that have left the
// queue are omitted. It makes one request per job and one for the lane.
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

// setLoad stores the load of a lane. The caller holds the lock.
func (e *estimator) setLoad(of lane, l load, now time.Time) {
	if e.loadRead == nil {
		e.loadRead, e.known.loads = make(map[lane]time.Time), make(map[lane]load)
	}
	e.loadRead[of], e.known.loads[of] = now, l
}

// heldBy returns what delays a queued job, or "". There is no estimate during such a delay, because its length is unknown.
func (e *estimator) heldBy(spec *job.Spec) string {
	w := e.control.View().Waiting(spec.Kind, job.StatusQueued, nil, time.Now())
	if w == nil {
		return ""
	}
	return jobview.WaitingFor(*w, job.English)
}

// add adds position and estimate to the view of a job.
func (e *estimator) add(ctx context.Context, s *job.Snapshot, j *jobview.Job) {
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

// forecast returns the data for estimates of a kind. If the data is older than measuredAge, it makes one request for the workers
// and one per lane of the pool of the kind. Concurrent callers share the requests.
func (e *estimator) forecast(ctx context.Context, kind job.Kind) forecast {
	if workers, lanes := e.stale(kind); workers || len(lanes) > 0 {
		done := e.refreshes.DoChan(string(poolOf(kind)[0]), func() (any, error) {
			e.refresh(kind)
			return nil, nil //nolint:nilnil // The result is in known.
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

// stale reports whether the workers, and which lanes, must be reread.
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

// refresh reads the stale data. After an error the next attempt is also due only after measuredAge, so that not every view waits
// for NATS.
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
		waiting, inFlight, err := e.queue.Depth(ctx, of.kind, of.lane)
		e.mu.Lock()
		if err != nil {
			waiting, inFlight = e.known.loads[of].waiting, e.known.loads[of].inFlight
		}
		e.setLoad(of, load{waiting, inFlight}, time.Now())
		e.mu.Unlock()
	}
}
