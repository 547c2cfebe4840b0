package lifecycle

import (
	"context"
	"time"
)

// Sleep waits for d, or until ctx ends. It reports whether ctx goes on. It measures by the monotonic clock, so that a
// wall clock that jumps neither prolongs nor shortens it.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
