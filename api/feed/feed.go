package feed

import (
	"cmp"
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
	// ErrSlow ends a reader that does not keep up.
	ErrSlow = errors.New("the reader does not keep up")
	// ErrStopped ends readers when the feed stops.
	ErrStopped = errors.New("the feed has stopped")
)

// Config says how often the feed reads by itself. The zero value is that of every real installation.
type Config struct {
	// Tick is how often the queue positions of watched jobs are updated; a second when 0.
	Tick time.Duration
	// Reread is how often a watched job is read again in case an event was lost; five seconds when 0.
	Reread time.Duration
}

// Feed distributes live events.
type Feed struct {
	cfg   Config
	nc    *nats.Conn
	jobs  *jobs.Service
	queue *queue.Queue
	log   *slog.Logger
	ctx   context.Context //nolint:containedctx // The life of the feed, which outlives every request.
	stop  context.CancelCauseFunc
	wg    sync.WaitGroup

	estimate    estimator
	positions   positions
	control     *control.Controller
	slowTimeout time.Duration
	// ticking starts the one loop that updates queue positions.
	ticking sync.Once

	// afterRead, for tests, is called after the jobs of an owner were read and before an event of theirs is sent.
	afterRead func()

	mu   sync.Mutex
	hubs map[string]*hub
}

// New returns a feed on a broker. It shows with each job what holds it up, as c knows it. Stop ends it.
func New(b *broker.Broker, l *jobs.Service, q *queue.Queue, c *control.Controller, cfg Config, log *slog.Logger) *Feed {
	cfg.Tick, cfg.Reread = cmp.Or(cfg.Tick, time.Second), cmp.Or(cfg.Reread, 5*time.Second)
	ctx, stop := context.WithCancelCause(context.Background())
	f := &Feed{
		cfg: cfg, nc: b.Conn(), jobs: l, queue: q, control: c, log: log, ctx: ctx, stop: stop, hubs: make(map[string]*hub), slowTimeout: slowTimeout,
	}
	f.estimate.queue, f.estimate.control, f.estimate.ctx, f.estimate.acquire = q, c, ctx, f.acquire
	return f
}

// Stop ends every reader with ErrStopped and waits for all background work. Nothing can be watched afterwards.
func (f *Feed) Stop() {
	f.mu.Lock()
	f.stop(ErrStopped)
	f.mu.Unlock()
	f.wg.Wait()
}

// acquire has Stop wait until release is called. It fails with ErrStopped.
func (f *Feed) acquire() (release func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := context.Cause(f.ctx); err != nil {
		return nil, err
	}
	f.wg.Add(1)
	return f.wg.Done, nil
}

// Event is a change of a job or of its position in the queue.
type Event struct {
	// ID names the state among the job's events; empty for a change of the position, which is not stored.
	ID       string
	Snapshot *job.Snapshot
	Job      *job.Job
}

// View returns a job as the API shows it, with its queue position and the estimated seconds to its end where they apply. It
// costs two requests for a waiting job, and a few more for any unfinished job when nothing was estimated within the last
// second.
func (f *Feed) View(ctx context.Context, s *job.Snapshot) *job.Job {
	j := f.Show(s)
	f.estimate.add(ctx, s, j)
	return j
}

// Show is View without position and estimate. It costs no request.
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

// WatchOwner follows every job of an owner, including new ones. The active ones come first, and with them those that ended
// after since, unless that is zero. It fails with ErrStopped and with the cause of ctx's end.
func (f *Feed) WatchOwner(ctx context.Context, owner string, since time.Time) (*Reader, error) {
	return f.open(ctx, func(r *Reader) error { return f.watchOwner(r, owner, since) })
}

// open returns a reader that attach has attached to a hub. It fails with ErrStopped.
func (f *Feed) open(ctx context.Context, attach func(*Reader) error) (*Reader, error) {
	release, err := f.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	r := newReader(ctx, f)
	if err := attach(r); err != nil {
		return nil, r.abandon(f, err)
	}
	return r, nil
}

// watch subscribes before it reads the state that the reader starts with, so that no change is missed in between.
func (f *Feed) watch(r *Reader, owners []string, id string) error {
	r.single = true
	for _, owner := range owners {
		if !f.watched(owner, id) {
			continue
		}
		// A hub exists only for a job that was found to be its owner's.
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
		h.release()
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
		h.release()
		return err
	}
	if f.afterRead != nil {
		f.afterRead()
	}
	h.attach(r, snaps, read)
	return nil
}

// withEnded adds the jobs of an owner that ended after since to the active ones.
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

// event returns the event of a state, without position and estimate.
func (f *Feed) event(snap *job.Snapshot) Event {
	return Event{ID: snap.EventID(), Snapshot: snap, Job: f.Show(snap)}
}

// events returns the events of states, and by id the positions of the waiting jobs. A position that was queried within the
// last second is not queried again.
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

// places returns the positions of the waiting jobs among snaps, by id.
func (f *Feed) places(ctx context.Context, snaps []*job.Snapshot) map[string]position {
	places := make(map[string]position)
	unknown := make(map[lane][]*job.Snapshot)
	queried := 0
	for _, snap := range snaps {
		if snap.Status() != job.StatusQueued || snap.Sequence == 0 {
			continue
		}
		of := lane{snap.Spec.Kind, snap.Spec.Lane}
		if ahead, at, ok := f.positions.recent(snap.Spec, min(f.cfg.Tick, measuredAge)); ok {
			places[snap.Spec.ID] = f.estimate.positionAt(snap.Spec, ahead, at, f.estimate.forecast(ctx, of.kind))
		} else if queried < initialPlaces {
			unknown[of] = append(unknown[of], snap)
			queried++
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
				places[snap.Spec.ID] = f.estimate.positionAt(snap.Spec, ahead, now, known)
			}
		}
	}
	return places
}

// resumeLimit is how many of the newest ended jobs are considered when a reader resumes.
const resumeLimit = 200
