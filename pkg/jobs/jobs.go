// Package jobs is the service of jobs: submit, read, list, cancel, delete and expire. It joins
// the queue and the store into the one truth about a job, and holds the order of their writes.
//
// It knows nothing of HTTP, and it never works a job.
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

var (
	// ErrNotFound is returned for a job that does not exist, has expired or belongs to somebody else.
	ErrNotFound = errors.New("no such job")
	// ErrFinished is returned when a job that has ended is to be canceled.
	ErrFinished = errors.New("the job has ended already")
	// ErrNotFinished is returned when a job that has not ended, or is not settled, is to be deleted.
	ErrNotFinished = errors.New("the job has not ended")
	// ErrKeyReused is returned when an idempotency key comes with another request than before.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
)

// Service is the truth about jobs.
type Service struct {
	js    jetstream.JetStream
	queue *queue.Queue
	store *store.Store
	now   func() time.Time
	// metrics count the jobs that are ended here; nil counts nothing.
	metrics *telemetry.Metrics
	// log gets a line for each of them; nil logs nothing.
	log *slog.Logger
	// after is for tests: it is called behind each step, and its error ends what is under way as a crash would.
	after func(Step) error
}

// Option changes a new service.
type Option func(*Service)

// WithMetrics counts the jobs that the service ends as workers count theirs.
func WithMetrics(m *telemetry.Metrics) Option { return func(l *Service) { l.metrics = m } }

// WithLog logs the jobs that the service ends as workers log theirs.
func WithLog(log *slog.Logger) Option { return func(l *Service) { l.log = log } }

// New returns a service on a broker's queue and store.
func New(b *broker.Broker, q *queue.Queue, s *store.Store, options ...Option) *Service {
	l := &Service{js: b.JetStream(), queue: q, store: s, now: time.Now}
	for _, option := range options {
		option(l)
	}
	return l
}

// Read returns the job with the given id that belongs to one of the owners, who are asked in order. It fails with
// ErrNotFound only after the streams' leaders have said so. A job whose deadline has passed is ended first.
func (l *Service) Read(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	if !job.ValidToken(id) {
		return nil, ErrNotFound
	}
	for _, read := range []func(context.Context, string, string) (*job.Snapshot, error){l.readDirect, l.readLeader} {
		for _, owner := range owners {
			snap, err := read(ctx, owner, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			return l.expire(ctx, snap)
		}
	}
	return nil, ErrNotFound
}

// readDirect reads from whichever replica answers, but asks the leader whether the job has not ended yet: nobody is told
// that a job goes on who was told before, perhaps by another replica, how it ended.
func (l *Service) readDirect(ctx context.Context, owner, id string) (*job.Snapshot, error) {
	return l.read(ctx, owner, id, l.record, l.store.Progress, l.queue.Find)
}

// record returns how a job ended. An end never changes, so that a replica's word is enough; only the leader knows that
// there is none.
func (l *Service) record(ctx context.Context, owner, id string) (*job.Record, error) {
	r, err := l.store.Record(ctx, owner, id)
	if errors.Is(err, store.ErrNotFound) {
		return l.store.RecordLeader(ctx, owner, id)
	}
	return r, err
}

// readLeader reads from the leaders of the streams.
func (l *Service) readLeader(ctx context.Context, owner, id string) (*job.Snapshot, error) {
	return l.read(ctx, owner, id, l.store.RecordLeader, l.store.ProgressLeader, l.queue.FindLeader)
}

type (
	readRecord   func(ctx context.Context, owner, id string) (*job.Record, error)
	readProgress func(ctx context.Context, owner, id string) (*job.Progress, uint64, error)
	readEntry    func(ctx context.Context, owner, id string) (*queue.Entry, error)
)

// read asks the three places in the order in which a job leaves them last, and the results once more, since a job may
// be settled in between.
func (l *Service) read(ctx context.Context, owner, id string, record readRecord, progress readProgress, entry readEntry) (*job.Snapshot, error) {
	snap, err := ended(record(ctx, owner, id))
	if snap != nil || err != nil {
		return snap, err
	}
	p, _, err := progress(ctx, owner, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	e, err := entry(ctx, owner, id)
	if err == nil {
		return &job.Snapshot{Spec: e.Spec, Progress: p, Sequence: e.Sequence}, nil
	}
	if !errors.Is(err, queue.ErrNotFound) {
		return nil, err
	}
	snap, err = ended(record(ctx, owner, id))
	if snap == nil && err == nil {
		err = ErrNotFound
	}
	return snap, err
}

func ended(r *job.Record, err error) (*job.Snapshot, error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &job.Snapshot{Spec: r.Spec, Record: r}, nil
}
