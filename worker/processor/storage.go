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

// storagePause is how often it is tried again to store something while NATS takes nothing.
const storagePause = 2 * time.Second

// storage remembers that NATS is there and takes no more: it is full, or its disk has failed. What was made in vain would
// have been paid for, so no further job is taken until it is over.
type storage struct {
	log *slog.Logger
	// probe tries to store something.
	probe func(context.Context) error

	mu sync.Mutex
	on bool
	// probing is held by the one that tries.
	probing sync.Mutex
}

// refused takes note that something could not be stored, and says so once. A nil storage takes no notes.
func (s *storage) refused(ctx context.Context, err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.on {
		s.on = true
		s.log.ErrorContext(ctx, "NATS stores no results: no further jobs are started, and finished results are kept until it does", "error", err)
	}
}

// accepted takes note that something was stored.
func (s *storage) accepted(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on {
		s.on = false
		s.log.InfoContext(ctx, "NATS stores results again")
	}
}

func (s *storage) isRefusing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on
}

// await returns as soon as results can be stored, at once when nothing is known to the contrary, or when ctx ends. One of
// all that wait tries.
func (s *storage) await(ctx context.Context, timeout time.Duration) {
	for s.isRefusing() && ctx.Err() == nil {
		if s.probing.TryLock() {
			s.try(ctx, timeout)
			s.probing.Unlock()
		}
		if s.isRefusing() && !lifecycle.Sleep(ctx, storagePause) {
			return
		}
	}
}

func (s *storage) try(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if s.probe(ctx) == nil {
		s.accepted(ctx)
	}
}

// holds reports whether a write that failed is worth waiting for: NATS takes nothing, but confirms that the job is in
// progress, and the job's time is not over. What was made is then kept here, where it would otherwise be lost and made,
// and paid, again.
func (a *attempt) holds(ctx context.Context, err error) bool {
	if !errors.Is(err, store.ErrFull) && !errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	a.mu.Lock()
	leaving := a.leaving
	a.mu.Unlock()
	select {
	case <-leaving:
		return false
	default:
	}
	return !a.spec.Expired(a.processor.now()) && a.beat(ctx, a.processor.heartbeat)
}
