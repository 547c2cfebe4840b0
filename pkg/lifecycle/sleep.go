package lifecycle

import (
	"context"
	"time"
)

// Sleep waits for d, or until ctx ends, and returns whether ctx has not ended. Changes of the wall clock do not affect it.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
