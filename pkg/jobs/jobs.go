// Package jobs is the service of jobs: submit, read, list, cancel, retry, delete, settle and expire. It joins the queue and
// the store into one state of a job, and it is the only place that knows the order of their writes.
//
// A Submitter accepts jobs for API processes: it completes requests and applies idempotency keys, limits and quotas. A
// Service reads and ends jobs; workers settle theirs with it. A Sweeper ends jobs whose deadline has passed.
//
// The package does not know HTTP and does not run jobs.
package jobs

import (
	"errors"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

var (
	// ErrNotFound is returned for a job that does not exist, has expired or belongs to another owner.
	ErrNotFound = errors.New("no such job")
	// ErrFinished is returned by Cancel when the job has ended in another way.
	ErrFinished = errors.New("the job has ended already")
	// ErrNotFinished is returned by Delete when the job has not ended, or is not settled.
	ErrNotFinished = errors.New("the job has not ended")
	// ErrKeyReused is returned when an idempotency key was used for another request before.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
	// ErrNotRetryable is returned for a job that cannot be retried: it has not ended, it has succeeded, or its request cannot
	// be decoded.
	ErrNotRetryable = errors.New("the job cannot be done again")
	// ErrReferencesGone is returned when a dead letter cannot be replayed, since its stored reference images have expired or were deleted
	// with the job.
	ErrReferencesGone = errors.New("the reference images of the job are gone")
)

// Service reads and ends jobs.
type Service struct {
	broker *broker.Broker
	queue  *queue.Queue
	store  *store.Store
	now    func() time.Time
	// spending counts what jobs have cost.
	spending *spend.Counters
	// created spares List reading the times of jobs again.
	created creationTimes
	// pushed has the jobs that this process has put into the queue, where no other process does.
	pushed pushed
	// burst counts the submissions in progress.
	burst burst
	// metrics count the jobs that this service ends, and log has a line for each; both may be nil.
	metrics *telemetry.Metrics
	log     *slog.Logger
	// after is for tests: it is called after each step, and its error stops the operation there, as a crash would.
	after func(Step) error
}

// Option configures a new service.
type Option func(*Service)

// WithMetrics counts the jobs that the service ends.
func WithMetrics(m *telemetry.Metrics) Option { return func(s *Service) { s.metrics = m } }

// WithLog logs the jobs that the service ends.
func WithLog(log *slog.Logger) Option { return func(s *Service) { s.log = log } }

// New returns a service on a broker's queue and store.
func New(b *broker.Broker, q *queue.Queue, st *store.Store, options ...Option) *Service {
	s := &Service{broker: b, queue: q, store: st, now: time.Now, spending: spend.New(b), burst: burst{epoch: time.Now()}}
	for _, option := range options {
		option(s)
	}
	return s
}
