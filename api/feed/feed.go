package feed

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/ledger"
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
	cfg    Config
	nc     *nats.Conn
	ledger *ledger.Ledger
	queue  *queue.Queue
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // The life of the feed, which outlives every request.
	stop   context.CancelCauseFunc
	wg     sync.WaitGroup

	estimate estimator
	control  *queue.Control

	mu     sync.Mutex
	topics map[string]*topic
}

// New returns a feed on a broker. Stop ends it.
func New(b *broker.Broker, l *ledger.Ledger, q *queue.Queue, cfg Config, log *slog.Logger) *Feed {
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
		cfg: cfg, nc: b.Conn(), ledger: l, queue: q, log: log, ctx: ctx, stop: stop, topics: make(map[string]*topic),
	}
	f.estimate.queue = q
	return f
}

// Heed makes the feed show what holds jobs up. It is called before the first reader.
func (f *Feed) Heed(c *queue.Control) { f.control, f.estimate.control = c, c }

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
	if f.control != nil {
		f.control.View().Show(j, time.Now())
	}
	return j
}

// Watch follows one job that belongs to one of the owners. It fails with ledger.ErrNotFound, with ErrStopped and with
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
	snap, err := f.ledger.Read(r.ctx, owners, id)
	if err != nil {
		return err
	}
	if snap.Record != nil {
		// Nothing can follow, so nothing is subscribed to.
		f.start(r, nil, func() error { return f.show(r, snap) })
		return nil
	}
	owner := snap.Spec.Owner
	sub, err := f.join(r.ctx, broker.JobEventsSubject(owner, id), func(t *topic) { t.tick(owner, id) })
	if err != nil {
		return err
	}
	if snap, err = f.ledger.Read(r.ctx, []string{owner}, id); err != nil {
		sub.leave()
		return err
	}
	f.start(r, sub, func() error { return f.follow(r, sub, snap) })
	return nil
}

func (f *Feed) watchOwner(r *Reader, owner string, since time.Time) error {
	sub, err := f.join(r.ctx, broker.OwnerEventsSubject(owner), nil)
	if err != nil {
		return err
	}
	first, err := f.present(r.ctx, owner, since)
	if err != nil {
		sub.leave()
		return err
	}
	f.start(r, sub, func() error { return f.followOwner(r, sub, owner, first) })
	return nil
}

// present returns the jobs with which the stream of an owner begins.
func (f *Feed) present(ctx context.Context, owner string, since time.Time) ([]*job.Snapshot, error) {
	active, err := f.ledger.Active(ctx, owner)
	if err != nil || since.IsZero() {
		return active, err
	}
	page, err := f.ledger.List(ctx, owner, ledger.Filter{
		Statuses: []job.Status{job.StatusSucceeded, job.StatusFailed, job.StatusCanceled}, Limit: resumeLimit,
	})
	if err != nil {
		return nil, err
	}
	for _, s := range page.Jobs {
		if s.Record.FinishedAt.After(since) {
			active = append(active, s)
		}
	}
	return active, nil
}

// resumeLimit is how many of the newest ended jobs are looked at when a reader resumes.
const resumeLimit = 200
