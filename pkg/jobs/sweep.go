package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	// sweepInterval is how often the sweeper looks for jobs past their deadline.
	sweepInterval = time.Second
	// sweepReading is after how long a sweep leaves the rest of the queue to the next one.
	sweepReading = 50 * time.Millisecond
	// leaseHold is how long the lease is valid after its last renewal.
	leaseHold = 10 * time.Second
	// releaseTimeout bounds the release of the lease.
	releaseTimeout = 2 * time.Second
	// sweeperLease is the name of the lease.
	sweeperLease = "sweeper"
)

// Sweeper ends jobs whose deadline has passed, in whatever state: of a kind that is paused or has no workers, between two
// attempts, or on a worker that hangs. Every API process has one; the one that holds the lease sweeps, and another takes over
// when that process dies. Two may sweep at once for a moment without harm, since the first terminal record of a job is final.
type Sweeper struct {
	jobs    *Service
	leases  *control.Store
	metrics *telemetry.Metrics
	log     *slog.Logger
	stop    context.CancelFunc
	done    chan struct{}
	// interval, reading and hold are sweepInterval, sweepReading and leaseHold; tests change them.
	interval, reading, hold time.Duration

	// Used by the one goroutine only.
	revision uint64
	renewed  time.Time
	failing  bool
}

// NewSweeper returns a sweeper that does nothing until Start.
func NewSweeper(s *Service, leases *control.Store, m *telemetry.Metrics, log *slog.Logger) *Sweeper {
	return &Sweeper{
		jobs: s, leases: leases, metrics: m, log: log, done: make(chan struct{}),
		interval: sweepInterval, reading: sweepReading, hold: leaseHold,
	}
}

// Start starts to compete for the lease and, while holding it, to sweep. The sweeping process costs NATS one request per second
// and one for each 1,000 new jobs that it has not submitted itself, which takes at most about 50 milliseconds of a second. Every other
// process tries to acquire the lease every few seconds.
func (s *Sweeper) Start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
}

// Stop stops the sweeper and releases the lease, so that another can take over at once. It is safe before Start.
func (s *Sweeper) Stop(ctx context.Context) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop sweeper: %w", context.Cause(ctx))
	}
}

// errLost is returned when another process has the lease.
var errLost = errors.New("another process has the lease")

// run competes for the lease until ctx ends.
func (s *Sweeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		start := time.Now()
		revision, wait, err := s.leases.AcquireLease(ctx, sweeperLease, s.hold, s.interval)
		switch {
		case err == nil:
			s.revision, s.renewed = revision, start
			s.sweepUntilLost(ctx)
			wait = s.interval
		case errors.Is(err, control.ErrLeased):
			s.report(ctx, nil)
		default:
			s.report(ctx, err)
			wait = s.interval
		}
		lifecycle.Sleep(ctx, wait)
	}
}

// sweepUntilLost sweeps until ctx ends or another process has the lease.
func (s *Sweeper) sweepUntilLost(ctx context.Context) {
	s.log.DebugContext(ctx, "this process ends jobs past their deadline")
	s.metrics.SweeperLeads.Set(1)
	defer s.metrics.SweeperLeads.Set(0)
	var t deadlines
	for {
		err := s.sweep(ctx, &t)
		if errors.Is(err, errLost) {
			s.log.DebugContext(ctx, "another process ends jobs past their deadline")
			return
		}
		if err != nil || len(t.failed) == 0 {
			s.report(ctx, err)
		}
		if !lifecycle.Sleep(ctx, s.interval) {
			s.release(ctx)
			return
		}
	}
}

// renew renews the lease if a third of its time has passed. It fails with errLost.
func (s *Sweeper) renew(ctx context.Context) error {
	now := time.Now()
	if now.Sub(s.renewed) < s.hold/3 {
		return nil
	}
	revision, err := s.leases.RenewLease(ctx, sweeperLease, s.revision, s.hold, s.interval)
	if errors.Is(err, control.ErrLeased) {
		return errLost
	}
	if err == nil {
		s.revision, s.renewed = revision, now
	}
	return err
}

// release releases the lease, so that another process need not wait until it expires.
func (s *Sweeper) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := s.leases.ShortenLease(ctx, sweeperLease, s.revision, time.Now()); err != nil {
		s.log.DebugContext(ctx, "cannot release the lease", "error", err)
	}
}

// report logs the first of several failures, and that jobs can be ended again.
func (s *Sweeper) report(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !s.failing:
		s.failing = true
		s.log.WarnContext(ctx, "cannot find or end jobs past their deadline", "error", err)
	case err == nil && s.failing:
		s.failing = false
		s.log.InfoContext(ctx, "jobs past their deadline can be ended again")
	}
}
