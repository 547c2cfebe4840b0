package control

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// ErrLeased is returned for a lease that another process holds.
var ErrLeased = errors.New("another process holds the lease")

// lease gives one process an exclusive right until a time.
type lease struct {
	V     int      `json:"v"`
	Until job.Time `json:"until"`
	// Next is when other processes should try again, because the lease may be released early.
	Next job.Time `json:"next"`
}

const (
	// minRetry is the retry interval while a lease is held longer than its holder expected.
	minRetry = 5 * time.Second
	// conflictRetry is the delay of the retry after another process was faster.
	conflictRetry = time.Second
)

// leaseTTL returns how long the message is kept: a little longer than the lease.
func leaseTTL(l *lease) time.Duration {
	return max(time.Until(l.Until.Time), 0).Truncate(time.Second) + time.Minute
}

// AcquireLease acquires the lease with a name for the duration hold; other processes should try again after next. If another
// process holds it, AcquireLease returns ErrLeased and the time after which to retry. It costs two requests. The clocks of
// all processes are assumed to agree within about a second.
func (s *Store) AcquireLease(ctx context.Context, name string, hold, next time.Duration) (revision uint64, retryAfter time.Duration, err error) {
	held, err := s.leases.Get(ctx, name)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return 0, 0, err
	}
	if rest := time.Until(held.Value.Until.Time); rest > 0 {
		return 0, min(rest, max(time.Until(held.Value.Next.Time), minRetry)), ErrLeased
	}
	now := time.Now()
	revision, err = s.putLease(ctx, name, now.Add(hold), now.Add(next), held.Revision)
	if errors.Is(err, ErrLeased) {
		retryAfter = conflictRetry
	}
	return revision, retryAfter, err
}

// RenewLease extends the lease with the given revision by the duration hold from now, and returns its new revision. It fails
// with ErrLeased when another process holds the lease, or when an earlier renewal was stored but its response was lost. It
// costs one request.
func (s *Store) RenewLease(ctx context.Context, name string, revision uint64, hold, next time.Duration) (uint64, error) {
	now := time.Now()
	return s.putLease(ctx, name, now.Add(hold), now.Add(next), revision)
}

// ShortenLease sets another end for the lease with the given revision. It does nothing if another process holds the lease.
func (s *Store) ShortenLease(ctx context.Context, name string, revision uint64, until time.Time) error {
	_, err := s.putLease(ctx, name, until, until, revision)
	if errors.Is(err, ErrLeased) {
		return nil
	}
	return err
}

func (s *Store) putLease(ctx context.Context, name string, until, next time.Time, revision uint64) (uint64, error) {
	revision, err := s.leases.Update(ctx, name, lease{V: job.Version, Until: job.At(until), Next: job.At(next)}, revision)
	if errors.Is(err, kv.ErrConflict) {
		return 0, ErrLeased
	}
	return revision, err
}
