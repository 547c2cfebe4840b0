package feed

import (
	"context"
	"errors"
	"fmt"
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
	ctx, stop := context.WithCancelCause(context.Background())
	f := &Feed{
		cfg: cfg, nc: b.Conn(), ledger: l, queue: q, log: log, ctx: ctx, stop: stop, topics: make(map[string]*topic),
	}
	f.estimate.queue = q
	return f
}

// Stop ends every reader with ErrStopped and waits until all is quiet.
func (f *Feed) Stop() {
	f.stop(ErrStopped)
	f.wg.Wait()
}

// Event is a change of a job, or a tick of its place in the queue.
type Event struct {
	// ID names the state among the job's events; empty for a tick, which is no state.
	ID       string
	Snapshot *job.Snapshot
	Job      *job.Job
}

// View returns the job as the API shows it, with its place in the queue and the estimated seconds to its end where they
// apply. It costs two requests for a job that waits, none otherwise.
func (f *Feed) View(ctx context.Context, s *job.Snapshot) *job.Job {
	j := s.View()
	f.estimate.add(ctx, s, j)
	return j
}

// Watch follows one job that belongs to one of the owners. It fails with ledger.ErrNotFound. The subscription stands
// before the job is read, so that no change falls in between.
func (f *Feed) Watch(ctx context.Context, owners []string, id string) (*Reader, error) {
	snap, err := f.ledger.Read(ctx, owners, id)
	if err != nil {
		return nil, err
	}
	owner := snap.Spec.Owner
	r := newReader(ctx, f)
	if snap.Record != nil {
		// Nothing can follow, so nothing is watched.
		f.start(r, nil, func() error { return f.follow(r, nil, snap) })
		return r, nil
	}
	t, sub, err := f.join(broker.JobEventsSubject(owner, id), func(t *topic) { t.tick(owner, id) })
	if err != nil {
		return nil, err
	}
	snap, err = f.ledger.Read(ctx, []string{owner}, id)
	if err != nil {
		t.leave(sub)
		return nil, err
	}
	f.start(r, func() { t.leave(sub) }, func() error { return f.follow(r, sub, snap) })
	return r, nil
}

// WatchOwner follows every job of an owner, those to come included. The active ones come first, and with them those
// that ended after since, unless that is zero.
func (f *Feed) WatchOwner(ctx context.Context, owner string, since time.Time) (*Reader, error) {
	t, sub, err := f.join(broker.OwnerEventsSubject(owner), nil)
	if err != nil {
		return nil, err
	}
	first, err := f.present(ctx, owner, since)
	if err != nil {
		t.leave(sub)
		return nil, err
	}
	r := newReader(ctx, f)
	f.start(r, func() { t.leave(sub) }, func() error { return f.followOwner(r, sub, owner, first) })
	return r, nil
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

// Await returns a job as soon as done says so, or as it stands when ctx ends, which is no error. It fails with
// ledger.ErrNotFound.
func (f *Feed) Await(ctx context.Context, owners []string, id string, done func(*job.Snapshot) bool) (*job.Snapshot, error) {
	r, err := f.Watch(ctx, owners, id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var last *job.Snapshot
	for {
		select {
		case e, ok := <-r.Events():
			if ok {
				last = e.Snapshot
			}
			if last != nil && done(last) {
				return last, nil
			}
			if !ok {
				return f.rest(ctx, owners, id, last, r.Err())
			}
		case <-ctx.Done():
			return f.rest(ctx, owners, id, last, nil)
		}
	}
}

// rest reads a job whose watching ended before it was done.
func (f *Feed) rest(ctx context.Context, owners []string, id string, last *job.Snapshot, err error) (*job.Snapshot, error) {
	if last != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return last, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	snap, err := f.ledger.Read(ctx, owners, id)
	if err != nil {
		return nil, fmt.Errorf("read job after watching it: %w", err)
	}
	return snap, nil
}
