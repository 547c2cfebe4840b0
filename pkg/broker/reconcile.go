package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// reconcileInterval is how often a process checks whether NATS still has everything; a reconnect and TriggerReconcile
	// trigger a check at once.
	reconcileInterval = 10 * time.Second
	// reconcilePause is the shortest time between two checks, however many callers ask for one.
	reconcilePause = 500 * time.Millisecond
	// reconcilePauseMax is the longest pause after a check that failed.
	reconcilePauseMax = 30 * time.Second
	// followerDelay is how long a follower waits for the API to declare what is missing, because its settings take precedence.
	followerDelay = 2 * time.Second
)

// ErrIncomplete is returned while streams, buckets or consumers are missing in NATS.
var ErrIncomplete = errors.New("NATS does not have all streams and consumers")

// reconciler recreates streams, buckets and consumers that disappear from NATS. Without replicas NATS loses everything in
// memory whenever it is restarted, and when its disk was wiped it comes back with nothing at all.
type reconciler struct {
	background
	// incomplete reports that something is missing.
	incomplete atomic.Bool
	// verifiedReconnects is the number of reconnects when a check last found everything.
	verifiedReconnects atomic.Uint64
	// created is when each stream was created, as of the last check.
	created map[string]time.Time
}

// startReconciler takes the inventory and reconciles until the broker is closed.
func (b *Broker) startReconciler(ctx context.Context) error {
	reconnects := b.nc.Stats().Reconnects
	seen, err := b.takeInventory(ctx)
	if err != nil {
		return err
	}
	b.reconciler.created = seen.created
	if len(seen.missing) == 0 {
		b.markComplete(reconnects)
	} else {
		b.reconciler.incomplete.Store(true)
		b.TriggerReconcile()
	}
	b.reconciler.start(b.reconcileUntil)
	return nil
}

// TriggerReconcile makes the broker check at once whether NATS still has everything. Callers that find a stream or a consumer
// missing, or get no response, call it. It may be called often and does not wait.
func (b *Broker) TriggerReconcile() { b.reconciler.wake() }

// reconcileUntil reconciles repeatedly until ctx ends.
func (b *Broker) reconcileUntil(ctx context.Context) {
	timer := time.NewTimer(b.cfg.hooks.ReconcileInterval)
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.reconciler.wakeups:
		case <-timer.C:
		}
		err := b.reconcile(ctx)
		switch {
		case err == nil && failures > 0:
			b.log.InfoContext(ctx, "NATS has all streams and consumers again")
			failures = 0
		case err != nil && b.nc.IsConnected() && ctx.Err() == nil:
			if failures++; failures == 1 {
				b.log.ErrorContext(ctx, "cannot check NATS for missing streams, trying again", "error", err)
			}
		}
		pause := reconcilePause
		if failures > 0 {
			pause = min(reconcilePause<<min(failures, 10), reconcilePauseMax)
		}
		if !lifecycle.Sleep(ctx, pause) {
			return
		}
		timer.Reset(b.cfg.hooks.ReconcileInterval)
		if err != nil {
			timer.Reset(0)
		}
	}
}

// reconcile recreates what is missing and reports data that was lost with it.
func (b *Broker) reconcile(ctx context.Context) error {
	if !b.nc.IsConnected() {
		return nil // The reconnect triggers the next check.
	}
	reconnects := b.nc.Stats().Reconnects
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	seen, err := b.takeInventory(ctx)
	if err == nil && len(seen.missing) > 0 && b.cfg.Follower && lifecycle.Sleep(ctx, followerDelay) {
		seen, err = b.takeInventory(ctx)
	}
	if err != nil {
		return err
	}
	missing, lost := seen.missing, b.lostStreams(seen)
	if len(missing) == 0 && len(lost) == 0 {
		b.markComplete(reconnects)
		return nil
	}
	b.reconciler.incomplete.Store(true)
	if !b.cfg.Follower {
		// A running restore of a backup will create what is missing.
		if err := b.checkRestore(ctx); err != nil {
			return err
		}
	}
	// This is needed even if another process was faster: it may have been a follower with other settings.
	if err := b.declareAll(ctx); err != nil {
		return err
	}
	if seen, err = b.takeInventory(ctx); err != nil {
		return err
	}
	if len(seen.missing) > 0 {
		return fmt.Errorf("%w: %v", ErrIncomplete, seen.missing)
	}
	if b.embedded != nil {
		b.recordStore()
	}
	if err := b.reportRestored(ctx, missing, lost, seen); err != nil {
		return err
	}
	b.reconciler.created = seen.created
	b.markComplete(reconnects)
	return nil
}

func (b *Broker) markComplete(reconnects uint64) {
	b.reconciler.verifiedReconnects.Store(reconnects)
	b.reconciler.incomplete.Store(false)
}

// Complete reports whether NATS is connected and the last check found everything that was declared. After a reconnect it is
// false until the next check. It makes no request.
func (b *Broker) Complete() bool {
	return b.nc.IsConnected() && !b.reconciler.incomplete.Load() && b.reconciler.verifiedReconnects.Load() == b.nc.Stats().Reconnects
}

// reportRestored logs what was recreated. Only missing streams on disk are a loss.
func (b *Broker) reportRestored(ctx context.Context, missing, lost []string, seen inventory) error {
	if len(lost) == 0 {
		b.log.InfoContext(ctx, "missing streams and consumers were declared again", "missing", missing)
		return nil
	}
	at := seen.created[StreamJobs]
	for _, name := range lost {
		if seen.created[name].After(at) {
			at = seen.created[name]
		}
	}
	if err := b.recordDataLoss(ctx, DataLoss{At: at, Streams: lost}); err != nil {
		return err
	}
	b.log.ErrorContext(ctx, "NATS came back without stored streams: jobs accepted before and results in them are gone; "+
		"the streams are declared again, empty", "streams", lost)
	return nil
}

// inventory is what NATS has at one moment.
type inventory struct {
	// created is when each existing stream was created; a recreated stream has another time.
	created map[string]time.Time
	// missing names the streams and consumers that do not exist.
	missing []string
}

// takeInventory looks up everything that declare creates. It costs a request for each stream and one for the
// consumers.
func (b *Broker) takeInventory(ctx context.Context) (inventory, error) {
	// A request to a cluster between two leaders gets no response: checking again is better than waiting for longer.
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	seen := inventory{created: make(map[string]time.Time)}
	for _, name := range StreamNames() {
		if !b.cfg.uses(name) {
			continue
		}
		stream, err := b.js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			seen.missing = append(seen.missing, name)
			continue
		case err != nil:
			return inventory{}, fmt.Errorf("look for stream %s: %w", name, err)
		}
		seen.created[name] = stream.CachedInfo().Created
		if name != StreamJobs {
			continue
		}
		existing, err := consumerNames(ctx, stream)
		if err != nil {
			return inventory{}, err
		}
		for _, consumer := range consumers(b.cfg) {
			if !slices.Contains(existing, consumer.Durable) {
				seen.missing = append(seen.missing, consumer.Durable)
			}
		}
	}
	return seen, nil
}

func consumerNames(ctx context.Context, stream jetstream.Stream) ([]string, error) {
	lister := stream.ConsumerNames(ctx)
	var names []string
	for name := range lister.Name() {
		names = append(names, name)
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("look for consumers: %w", err)
	}
	return names, nil
}

// lostStreams returns the names of the streams on disk that were recreated since the last check. Used quota is not a loss.
func (b *Broker) lostStreams(seen inventory) []string {
	var names []string
	for _, name := range storedStreams() {
		if name != StreamUsage && !seen.created[name].Equal(b.reconciler.created[name]) {
			names = append(names, name)
		}
	}
	return names
}
