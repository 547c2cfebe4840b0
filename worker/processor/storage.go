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

// storageState knows whether NATS refuses writes because it is full or its disk has failed. No job is fetched meanwhile: its
// result could not be stored and would have been paid for.
type storageState struct {
	log *slog.Logger
	// probe tries a write.
	probe func(context.Context) error

	mu       sync.Mutex
	refusing bool
	// probing is held by the slot that tries.
	probing sync.Mutex
}

// reportRefused records that a write was refused, and logs it once. A nil storage records nothing.
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

// reportAccepted records that a write succeeded.
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

// waitUntilAccepting returns once writes are accepted, at once if none was refused, or when ctx ends. Only one of the
// waiting slots tries.
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

// worthKeeping reports whether to repeat a failed write for as long as it takes: NATS refuses writes, but confirms that the job
// is in progress, and the deadline has not passed. The result is then kept in memory; else it would be lost, and made
// and paid for again.
func (a *attempt) worthKeeping(ctx context.Context, err error) bool {
	if !errors.Is(err, store.ErrFull) && !errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	a.mu.Lock()
	leaving := a.stopped
	a.mu.Unlock()
	select {
	case <-leaving:
		return false
	default:
	}
	return !a.spec.Expired(a.processor.now()) && a.sendHeartbeat(ctx, a.processor.heartbeat)
}
