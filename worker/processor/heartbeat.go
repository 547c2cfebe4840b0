package processor

import (
	"context"
	"sync"
	"time"
)

// keepAlive sends heartbeats until the returned function is called. It cancels the attempt if the broker has confirmed
// none for two intervals, before another worker gets the job, and if the job has ended, for example by a cancel.
// Heartbeats wait only for their own confirmation: an unanswered read must not cause the job to be delivered, and billed,
// a second time.
func (a *attempt) keepAlive(ctx context.Context) (stop func()) {
	every, began := a.processor.heartbeat, time.Now()
	stopped, ended := make(chan struct{}), make(chan struct{})
	// An attempt that is over before its first heartbeat costs no goroutine and no context.
	first := time.AfterFunc(every, func() {
		defer close(ended)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			<-stopped
			cancel()
		}()
		a.beat(ctx, every, began)
	})
	return func() {
		close(stopped)
		if !first.Stop() {
			<-ended
		}
	}
}

// beat sends heartbeats until ctx ends; confirmed is when the broker last knew that the attempt was running.
func (a *attempt) beat(ctx context.Context, every time.Duration, confirmed time.Time) {
	var wg sync.WaitGroup
	wg.Go(func() {
		tick(ctx, every, func() {
			// Half the interval, so that a lost confirmation leaves time for a second try.
			if a.sendHeartbeat(ctx, every/2) {
				confirmed = time.Now()
			} else if time.Since(confirmed) >= 2*every && ctx.Err() == nil {
				a.cancel(errLost)
			}
		})
	})
	wg.Go(func() {
		tick(ctx, every, func() {
			a.renewProbes(ctx)
			if a.hasEnded(ctx, every) {
				a.cancel(errEnded)
			}
		})
	})
	wg.Wait()
}

// tick calls f now and at every interval until ctx ends. A slow call delays the next one.
func tick(ctx context.Context, every time.Duration, f func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		f()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// hasEnded reports whether the job is known to have ended.
func (a *attempt) hasEnded(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := a.terminalRecord(ctx)
	return err == nil
}

// sendHeartbeat sends one heartbeat and reports whether the broker confirmed it.
func (a *attempt) sendHeartbeat(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return a.delivery.InProgress(ctx) == nil
}
