package feed

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

var (
	// ErrSlow is why a reader ends that did not keep up.
	ErrSlow = errors.New("the reader does not keep up")
	// ErrStopped is why a reader ends when the feed stops.
	ErrStopped = errors.New("the feed has stopped")
)

// Config says how often the feed looks for itself. The zero value is that of every real installation.
type Config struct {
	// Tick is how often the queue position of a watched job is asked for; a second when 0.
	Tick time.Duration
	// Reread is how often a watched job is read again in case an event was lost; five seconds when 0.
	Reread time.Duration
	// Patience is how long a reader may leave its events alone before it counts as slow; ten seconds when 0.
	Patience time.Duration
}

// Feed hands out live events.
type Feed struct {
	cfg   Config
	nc    *nats.Conn
	jobs  *jobs.Service
	queue *queue.Queue
	log   *slog.Logger
	ctx   context.Context //nolint:containedctx // The life of the feed, which outlives every request.
	stop  context.CancelCauseFunc
	wg    sync.WaitGroup

	estimate  estimator
	positions positions
	control   *control.Controller
	// ticking starts the one loop that tells places in the queue.
	ticking sync.Once

	// afterRead is for tests: it is called when the jobs of an owner were read and no event of theirs was shown yet.
	afterRead func()

	mu   sync.Mutex
	hubs map[string]*hub
}

// New returns a feed on a broker. It shows with each job what holds it up, as c knows it. Stop ends it.
func New(b *broker.Broker, l *jobs.Service, q *queue.Queue, c *control.Controller, cfg Config, log *slog.Logger) *Feed {
	if cfg.Tick == 0 {
		cfg.Tick = time.Second
	}
	if cfg.Reread == 0 {
		cfg.Reread = 5 * time.Second
	}
	if cfg.Patience == 0 {
		cfg.Patience = 10 * time.Second
	}
	ctx, stop := context.WithCancelCause(context.Background())
	f := &Feed{
		cfg: cfg, nc: b.Conn(), jobs: l, queue: q, control: c, log: log, ctx: ctx, stop: stop, hubs: make(map[string]*hub),
	}
	f.estimate.queue, f.estimate.control, f.estimate.ctx, f.estimate.enter = q, c, ctx, f.enter
	return f
}

// Stop ends every reader with ErrStopped and waits until all is quiet. Nothing can be watched afterwards.
func (f *Feed) Stop() {
	f.mu.Lock()
	f.stop(ErrStopped)
	f.mu.Unlock()
	f.wg.Wait()
}

// enter lets a call in, for which Stop then waits until leave. It fails with ErrStopped.
func (f *Feed) enter() (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := context.Cause(f.ctx); err != nil {
		return nil, err
	}
	f.wg.Add(1)
	return f.wg.Done, nil
}

// Event is a change of a job, or a tick of its place in the queue.
type Event struct {
	// ID names the state among the job's events; empty for a tick, which is no state.
	ID       string
	Snapshot *job.Snapshot
	Job      *job.Job
}

// View returns the job as the API shows it, with its place in the queue and the estimated seconds to its end where they
// apply. It costs two requests for a job that waits, and a few more for any that has not ended when none was estimated
// for a while.
func (f *Feed) View(ctx context.Context, s *job.Snapshot) *job.Job {
	j := f.Show(s)
	f.estimate.add(ctx, s, j)
	return j
}

// Show is View without the place in the queue. It costs no request.
func (f *Feed) Show(s *job.Snapshot) *job.Job {
	j := s.View()
	f.control.View().Annotate(j, time.Now())
	return j
}

// Watch follows one job that belongs to one of the owners. It fails with jobs.ErrNotFound, with ErrStopped and with
// the cause of ctx's end.
func (f *Feed) Watch(ctx context.Context, owners []string, id string) (*Reader, error) {
	return f.open(ctx, func(r *Reader) error { return f.watch(r, owners, id) })
}

// WatchOwner follows every job of an owner, those to come included. The active ones come first, and with them those
// that ended after since, unless that is zero. It fails with ErrStopped and with the cause of ctx's end.
func (f *Feed) WatchOwner(ctx context.Context, owner string, since time.Time) (*Reader, error) {
	return f.open(ctx, func(r *Reader) error { return f.watchOwner(r, owner, since) })
}

// open makes a reader and begins with it, unless the feed has stopped.
func (f *Feed) open(ctx context.Context, begin func(*Reader) error) (*Reader, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	r := newReader(ctx, f)
	if err := begin(r); err != nil {
		return nil, r.abandon(err)
	}
	return r, nil
}

// watch subscribes before the job is read for good, so that no change falls in between.
func (f *Feed) watch(r *Reader, owners []string, id string) error {
	r.single = true
	for _, owner := range owners {
		if !f.watched(owner, id) {
			continue
		}
		// Whose job it is is known already.
		if err := f.follow(r, owner, id); !errors.Is(err, jobs.ErrNotFound) {
			return err
		}
	}
	snap, err := f.jobs.Read(r.ctx, owners, id)
	if err != nil {
		return err
	}
	if snap.Record != nil {
		// Nothing can follow, so nothing is subscribed to.
		r.finish(f.event(snap))
		return nil
	}
	return f.follow(r, snap.Spec.Owner, id)
}

// follow attaches a reader to the hub of a job.
func (f *Feed) follow(r *Reader, owner, id string) error {
	h, err := f.join(r.ctx, broker.JobEventsSubject(owner, id), owner, id)
	if err != nil {
		return err
	}
	snap, read, err := h.readCurrent(r.ctx)
	if err != nil {
		h.leave()
		return err
	}
	h.attach(r, []*job.Snapshot{snap}, read)
	return nil
}

func (f *Feed) watchOwner(r *Reader, owner string, since time.Time) error {
	h, err := f.join(r.ctx, broker.OwnerEventsSubject(owner), owner, "")
	if err != nil {
		return err
	}
	snaps, read, err := h.readActive(r.ctx)
	if err == nil && !since.IsZero() {
		snaps, err = f.withEnded(r.ctx, owner, since, snaps)
	}
	if err != nil {
		h.leave()
		return err
	}
	if f.afterRead != nil {
		f.afterRead()
	}
	h.attach(r, snaps, read)
	return nil
}

// withEnded adds to the active jobs of an owner those that ended after since.
func (f *Feed) withEnded(ctx context.Context, owner string, since time.Time, active []*job.Snapshot) ([]*job.Snapshot, error) {
	page, err := f.jobs.List(ctx, owner, jobs.Filter{
		Statuses: []job.Status{job.StatusSucceeded, job.StatusFailed, job.StatusCanceled}, Limit: resumeLimit,
	})
	if err != nil {
		return nil, err
	}
	all := slices.Clone(active)
	for _, s := range page.Jobs {
		if s.Record.FinishedAt.After(since) {
			all = append(all, s)
		}
	}
	return all, nil
}

// event returns a state as readers get it, without what has to be asked for.
func (f *Feed) event(snap *job.Snapshot) Event {
	return Event{ID: snap.EventID(), Snapshot: snap, Job: f.Show(snap)}
}

// events returns states as readers get them, and by id the places of the jobs that wait. A place that was asked for
// lately is not asked for again.
func (f *Feed) events(ctx context.Context, snaps []*job.Snapshot) ([]Event, map[string]position) {
	ctx, cancel := context.WithTimeout(ctx, estimateTimeout)
	defer cancel()
	places := f.places(ctx, snaps)
	events := make([]Event, len(snaps))
	for i, snap := range snaps {
		events[i] = f.event(snap)
		if snap.Status() != job.StatusQueued {
			f.estimate.add(ctx, snap, events[i].Job)
		} else if place, ok := places[snap.Spec.ID]; ok {
			place.addTo(events[i].Job)
		}
	}
	return events, places
}

// places returns the places of those jobs that wait, by id.
func (f *Feed) places(ctx context.Context, snaps []*job.Snapshot) map[string]position {
	places := make(map[string]position)
	unknown := make(map[lane][]*job.Snapshot)
	asked := 0
	for _, snap := range snaps {
		if snap.Status() != job.StatusQueued || snap.Sequence == 0 {
			continue
		}
		of := lane{snap.Spec.Kind, snap.Spec.Lane}
		if ahead, at, ok := f.positions.recent(snap.Spec, min(f.cfg.Tick, measuredAge)); ok {
			places[snap.Spec.ID] = f.estimate.placed(snap.Spec, ahead, at, f.estimate.forecast(ctx, of.kind))
		} else if asked < viewedPlaces {
			unknown[of] = append(unknown[of], snap)
			asked++
		}
	}
	for of, list := range unknown {
		sequences := make([]uint64, len(list))
		for i, snap := range list {
			sequences[i] = snap.Sequence
		}
		found, err := f.estimate.ahead(ctx, of, sequences)
		if err != nil {
			continue
		}
		known, now := f.estimate.forecast(ctx, of.kind), time.Now()
		for _, snap := range list {
			if ahead, ok := found[snap.Sequence]; ok {
				places[snap.Spec.ID] = f.estimate.placed(snap.Spec, ahead, now, known)
			}
		}
	}
	return places
}

// resumeLimit is how many of the newest ended jobs are looked at when a reader resumes.
const resumeLimit = 200
