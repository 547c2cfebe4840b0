package processor

import (
	"context"
	"sync"
	"time"
)

// keepAlive reports the job in progress until the returned function is called. When the broker has not confirmed for
// two heartbeats the attempt is broken off before somebody else gets the job; when the job turns out to have ended, a
// cancel among others, it is broken off too.
//
// The heartbeat waits for nothing but its own answer: a read that NATS leaves unanswered must not have the job delivered,
// and billed, a second time.
func (a *attempt) keepAlive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	every := a.processor.heartbeat
	var wg sync.WaitGroup
	wg.Go(func() {
		confirmed := time.Now()
		tick(ctx, every, func() {
			// Half the time, so that one answer that is lost leaves time for a second try.
			if a.beat(ctx, every/2) {
				confirmed = time.Now()
			} else if time.Since(confirmed) >= 2*every && ctx.Err() == nil {
				a.cancel(errLost)
			}
		})
	})
	wg.Go(func() {
		tick(ctx, every, func() {
			a.processor.breaker.keep(ctx, a.right())
			if a.over(ctx, every) {
				a.cancel(errEnded)
			}
		})
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// tick calls f at every interval until ctx ends. A call that takes longer than the interval delays the next one.
func tick(ctx context.Context, every time.Duration, f func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// over reports whether the job is known to have ended.
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
