package processor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// storeRetryDelay is the delay between writes while NATS refuses them.
const storeRetryDelay = 2 * time.Second

// storageState tracks whether NATS refuses writes, because it is full or its disk has failed. No job is fetched
// meanwhile: its result would be billed and could not be stored.
type storageState struct {
	log *slog.Logger
	// probe tries a write.
	probe func(context.Context) error

	mu       sync.Mutex
	refusing bool
	// probing is held by the slot that tries a write.
	probing sync.Mutex
}

// reportRefused records that a write was refused, and logs it once. A nil storageState records nothing.
func (s *storageState) reportRefused(ctx context.Context, err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.refusing {
		s.refusing = true
		s.log.ErrorContext(ctx, "NATS stores no results: no further jobs are started, and finished results are kept until it does", "error", err)
	}
}

// reportAccepted records that a write succeeded. A nil storageState records nothing.
func (s *storageState) reportAccepted(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusing {
		s.refusing = false
		s.log.InfoContext(ctx, "NATS stores results again")
	}
}

func (s *storageState) isRefusing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusing
}

// waitUntilAccepting waits until writes are accepted or ctx ends. Only one of the waiting slots tries a write.
func (s *storageState) waitUntilAccepting(ctx context.Context, timeout time.Duration) {
	for s.isRefusing() && ctx.Err() == nil {
		if s.probing.TryLock() {
			s.probeOnce(ctx, timeout)
			s.probing.Unlock()
		}
		if s.isRefusing() && !lifecycle.Sleep(ctx, storeRetryDelay) {
			return
		}
	}
}

func (s *storageState) probeOnce(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if s.probe(ctx) == nil {
		s.reportAccepted(ctx)
	}
}

// worthKeeping reports whether to retry a failed write without a time limit: NATS refuses writes but confirms that the
// job is in progress, and the deadline has not passed. The result is kept in memory meanwhile; without that, it would be
// generated and billed again.
func (a *attempt) worthKeeping(ctx context.Context, err error) bool {
	if !errors.Is(err, store.ErrFull) && !errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	a.mu.Lock()
	stopped := a.stopped
	a.mu.Unlock()
	select {
	case <-stopped:
		return false
	default:
	}
	return !a.spec.Expired(a.processor.now()) && a.sendHeartbeat(ctx, a.processor.heartbeat)
}
