package app

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// releaseTimeout bounds the release of a lease.
const releaseTimeout = 5 * time.Second

// gate returns a Gate that allows one call to a legacy service at a time across all workers. It never waits: other calls
// fail as throttled, and their jobs wait in the queue.
func (w *Worker) gate(leases *control.Store) pollinations.Gate {
	return func(ctx context.Context, name string) (func(), error) {
		spacing, timeout := pollinations.Spacing(name), w.cfg.Processor.ImageTimeout
		if name == job.UpstreamSpeech {
			timeout = w.cfg.Processor.AudioTimeout
		}
		begun := time.Now()
		revision, retryAfter, err := leases.AcquireLease(ctx, name, max(spacing, timeout), spacing)
		switch {
		case errors.Is(err, control.ErrLeased):
			return nil, pollinations.Busy(name, retryAfter)
		case err != nil:
			return nil, processor.StoreError(err)
		}
		return func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
			defer cancel()
			if err := leases.ShortenLease(ctx, name, revision, begun.Add(spacing)); err != nil {
				// The lease expires anyway.
				w.log.DebugContext(ctx, "cannot release the lease", "upstream", name, "error", err)
			}
		}, nil
	}
}
