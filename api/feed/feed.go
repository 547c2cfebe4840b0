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

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

var (
	// ErrSlow is the error of a reader that does not keep up.
	ErrSlow = errors.New("the reader does not keep up")
	// ErrStopped is the error of readers when the feed stops.
	ErrStopped = errors.New("the feed has stopped")
)

// Config has the intervals of the feed. Production uses the zero value.
type Config struct {
	// Tick is the interval at which the queue positions of watched jobs are updated; 1 s if 0.
	Tick time.Duration
	// Reread is the interval at which a watched job is reread in case an event was lost; 5 s if 0.
	Reread time.Duration
}

// Feed distributes live events.
type Feed struct {
	cfg  Config
	nc   *nats.Conn
	jobs *jobs.Service
	log  *slog.Logger
	ctx  context.Context //nolint:containedctx // The lifetime of the feed, which is longer than that of a request.
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	estimate  estimator
	positions positions
	rereads   rereads
	control   *control.Controller
	// background starts the loops that update queue positions and reread jobs.
	background sync.Once

	// maxInbox is the constant of the same name, except in tests.
	maxInbox int
	// afterRead is a hook for tests, called after the jobs of an owner were read and before their events are sent.
	afterRead func()

	mu   sync.Mutex
	hubs map[hubKey]*hub
	// sub is nil while no job is watched.
	sub *subscription
}

// New returns a feed of the jobs in b. Events show why a job waits, from the state of c. Call Stop to end the feed.
func New(b *broker.Broker, service *jobs.Service, q *queue.Queue, c *control.Controller, cfg Config, log *slog.Logger) *Feed {
	cfg.Tick, cfg.Reread = cmp.Or(cfg.Tick, time.Second), cmp.Or(cfg.Reread, 5*time.Second)
	ctx, stop := context.WithCancelCause(context.Background())
	f := &Feed{
		cfg: cfg, nc: b.Conn(), jobs: service, control: c, log: log, ctx: ctx, stop: stop, hubs: make(map[hubKey]*hub), maxInbox: maxInbox,
	}
	f.rereads.wake = make(chan struct{}, 1)
	f.estimate.queue, f.estimate.control, f.estimate.ctx, f.estimate.acquire = q, c, ctx, f.acquire
	return f
}

// Stop ends every reader with ErrStopped and waits for all background work. Watch fails afterwards.
func (f *Feed) Stop() {
	f.mu.Lock()
	f.stop(ErrStopped)
	for _, h := range f.hubs {
		h.remove()
		h.failReaders(ErrStopped)
	}
	f.mu.Unlock()
	f.wg.Wait()
}

// acquire makes Stop wait until release is called. It fails with ErrStopped.
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
	// ID identifies the state of the job; it is empty for a change of the queue position, which is not stored.
	ID       string
	Snapshot *job.Snapshot
	Job      *jobview.Job

	// encodings holds what Encode has returned; nil if the event has a single reader.
	encodings *encodings
}

// encodings are the encodings of an event by language.
type encodings [2]struct {
	once sync.Once
	data []byte
	err  error
}

// Encode returns what encode returns. It calls encode once for all readers that watch the same and have the same language. They
// must not change the data.
func (e Event) Encode(lang job.Lang, encode func() ([]byte, error)) ([]byte, error) {
	if e.encodings == nil {
		return encode()
	}
	of := &e.encodings[0]
	if lang == job.Chinese {
		of = &e.encodings[1]
	}
	of.once.Do(func() { of.data, of.err = encode() })
	return of.data, of.err
}

// View returns a job as the API shows it, with queue position and estimated seconds to its end where they apply. It costs two
// requests for a queued job, and a few more for an unfinished job if no estimate was made within the last second.
func (f *Feed) View(ctx context.Context, s *job.Snapshot) *jobview.Job {
	j := f.Show(s)
	f.estimate.add(ctx, s, j)
	return j
}

// Show returns a job like View, but without position and estimate. It makes no request.
func (f *Feed) Show(s *job.Snapshot) *jobview.Job {
	j := jobview.Of(s)
	if w := f.control.View().Waiting(j.Kind, j.Status, j.NextAttemptAt, time.Now()); w != nil {
		j.SetWaiting(*w)
	}
	return j
}

// Watch returns a reader of the events of a job until ctx ends. The job must belong to one of the owners. It fails with jobs.ErrNotFound, with
// ErrStopped or with the cause of ctx.
func (f *Feed) Watch(ctx context.Context, owners []string, id string) (*Reader, error) {
	return f.open(ctx, func(ctx context.Context, r *Reader) error { return f.watch(ctx, r, owners, id) })
}

// WatchOwners returns a reader of the events of all jobs of the owners, including new ones. It starts with the active jobs and,
// if since is not zero, the jobs that ended after since. It fails with ErrStopped or with the cause of ctx.
func (f *Feed) WatchOwners(ctx context.Context, owners []string, since time.Time) (*Reader, error) {
	return f.open(ctx, func(ctx context.Context, r *Reader) error {
		for _, owner := range owners {
			if err := f.watchOwner(ctx, r, owner, since); err != nil {
				r.Close()
				return err
			}
		}
		return nil
	})
}

// watch attaches a reader to the hub of a job. It subscribes before it reads the first state, so that no change is missed.
func (f *Feed) watch(ctx context.Context, r *Reader, owners []string, id string) error {
	r.single = true
	for _, owner := range owners {
		if !f.watched(owner, id) {
			continue
		}
		// A hub exists only for a job that belongs to the owner.
		if err := f.follow(ctx, r, owner, id); !errors.Is(err, jobs.ErrNotFound) {
			return err
		}
	}
	snap, err := f.jobs.Read(ctx, owners, id)
	if err != nil {
		return err
	}
	if snap.Record != nil {
		// A finished job does not change, so no hub is needed.
		r.queue = []Event{f.event(snap)}
		return nil
	}
	return f.follow(ctx, r, snap.Spec.Owner, id)
}

// follow attaches a reader to the hub of a job.
func (f *Feed) follow(ctx context.Context, r *Reader, owner, id string) error {
	h, err := f.join(ctx, hubKey{owner, id})
	if err != nil {
		return err
	}
	snap, read, err := h.readCurrent(ctx)
	if err != nil {
		h.release()
		return err
	}
	h.attach(ctx, r, []*job.Snapshot{snap}, read)
	return nil
}

func (f *Feed) watchOwner(ctx context.Context, r *Reader, owner string, since time.Time) error {
	h, err := f.join(ctx, hubKey{owner: owner})
	if err != nil {
		return err
	}
	snaps, read, err := h.readActive(ctx)
	if err == nil && !since.IsZero() {
		snaps, err = f.withEnded(ctx, owner, since, snaps)
	}
	if err != nil {
		h.release()
		return err
	}
	if f.afterRead != nil {
		f.afterRead()
	}
	h.attach(ctx, r, snaps, read)
	return nil
}

// withEnded returns the active jobs and the jobs of the owner that ended after since: those that the store names, and those among the
// latest submissions, since a replica may not have the ends of the last moment yet.
func (f *Feed) withEnded(ctx context.Context, owner string, since time.Time, active []*job.Snapshot) ([]*job.Snapshot, error) {
	ended, err := f.jobs.EndedSince(ctx, owner, since)
	if err != nil {
		return nil, err
	}
	filter := jobs.Filter{Statuses: []job.Status{job.StatusSucceeded, job.StatusFailed, job.StatusCanceled}, Limit: resumeLimit}
	for {
		page, err := f.jobs.List(ctx, []string{owner}, filter)
		if err != nil {
			return nil, err
		}
		ended = append(ended, page.Jobs...)
		if filter.Limit -= len(page.Jobs); filter.Limit <= 0 || page.Next == nil {
			break
		}
		filter.After = *page.Next
	}
	all, taken := slices.Clone(active), make(map[string]bool, len(ended))
	for _, s := range ended {
		if id := s.Spec.ID; !taken[id] && s.Record.FinishedAt.After(since) {
			taken[id] = true
			all = append(all, s)
		}
	}
	return all, nil
}

// event returns the event for a state, without position and estimate.
func (f *Feed) event(snap *job.Snapshot) Event {
	return Event{ID: snap.EventID(), Snapshot: snap, Job: f.Show(snap)}
}

// events returns the events for states, and the positions of the queued jobs by ID. Positions that were queried within the
// last second are not queried again.
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

// places returns the positions of the queued jobs among snaps by ID.
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

// resumeLimit is how many of the latest ended submissions are considered when a reader resumes.
const resumeLimit = 200
