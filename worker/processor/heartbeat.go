package processor

import (
	"context"
	"sync"
	"time"
)

// keepAlive reports the job in progress until the returned function is called. When the broker has not confirmed for
// two heartbeats the attempt is broken off before somebody else gets the job; when the job turns out to have ended, a
// cancel among others, it is broken off too.
func (a *attempt) keepAlive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		every := a.processor.cfg.heartbeat()
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		confirmed := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if a.beat(ctx, every) {
				confirmed = time.Now()
			} else if time.Since(confirmed) >= 2*every && ctx.Err() == nil {
				a.cancel(errLost)
			}
			a.processor.breaker.keep(ctx, a.right())
			if a.over(ctx, every) {
				a.cancel(errEnded)
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// over reports whether the job is known to have ended. It never keeps the next beat waiting for long.
func (a *attempt) over(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := a.ended(ctx)
	return err == nil
}

// beat reports the job in progress once and reports whether the broker confirmed.
func (a *attempt) beat(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return a.delivery.Beat(ctx) == nil
}
