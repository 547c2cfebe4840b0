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
	// lookEvery is how often a process looks whether NATS still has everything; a reconnect and a refusal make it look at
	// once.
	lookEvery = 10 * time.Second
	// lookPause lies between two looks at the least, however many callers are refused.
	lookPause = 500 * time.Millisecond
	// mendPauseMax is the longest pause after a mending that failed.
	mendPauseMax = 30 * time.Second
	// ownersFirst is how long a follower leaves the mending to the owners, whose settings count.
	ownersFirst = 2 * time.Second
)

// ErrIncomplete is returned while streams, buckets or consumers are missing in NATS.
var ErrIncomplete = errors.New("NATS does not have all streams and consumers")

// keeper watches that what was declared stays there. A NATS without replicas forgets what lies in memory whenever it is
// restarted, and one whose disk was wiped comes back with nothing at all.
type keeper struct {
	wake chan struct{}
	stop context.CancelFunc
	done chan struct{}
	// amiss says that something is missing.
	amiss atomic.Bool
	// looked is how often the connection had come back when a look last found everything.
	looked atomic.Uint64
	// born is when each stream was made, as this process saw it last.
	born map[string]time.Time
}

// startKeeper takes down what is there and watches it until stopKeeper.
func (b *Broker) startKeeper(ctx context.Context) error {
	seen, err := b.survey(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.complete(b.nc.Stats().Reconnects)
	b.keeper.born, b.keeper.stop, b.keeper.done = seen.born, stop, make(chan struct{})
	go func() {
		defer close(b.keeper.done)
		b.keep(ctx)
	}()
	return nil
}

func (b *Broker) stopKeeper() {
	if b.keeper.stop != nil {
		b.keeper.stop()
		<-b.keeper.done
	}
}

// Suspect has the broker look at once whether NATS still has everything. Whoever is told that a stream or a consumer is
// not there, or that nobody answers, calls it. It may be called often and does not wait.
func (b *Broker) Suspect() {
	select {
	case b.keeper.wake <- struct{}{}:
	default:
	}
}

// keep looks again and again until ctx ends.
func (b *Broker) keep(ctx context.Context) {
	timer := time.NewTimer(b.cfg.LookEvery)
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.keeper.wake:
		case <-timer.C:
		}
		err := b.look(ctx)
		switch {
		case err == nil && failures > 0:
			b.log.InfoContext(ctx, "NATS has all streams and consumers again")
			failures = 0
		case err != nil && b.nc.IsConnected() && ctx.Err() == nil:
			if failures++; failures == 1 {
				b.log.ErrorContext(ctx, "cannot check NATS for missing streams, trying again", "error", err)
			}
		}
		pause := lookPause
		if failures > 0 {
			pause = min(lookPause<<min(failures, 10), mendPauseMax)
		}
		if !lifecycle.Sleep(ctx, pause) {
			return
		}
		timer.Reset(b.cfg.LookEvery)
		if err != nil {
			timer.Reset(0)
		}
	}
}

// look declares again what is missing and tells the operator of what was lost with it.
func (b *Broker) look(ctx context.Context) error {
	if !b.nc.IsConnected() {
		return nil // The reconnect makes it look again.
	}
	reconnects := b.nc.Stats().Reconnects
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	seen, err := b.survey(ctx)
	if err == nil && len(seen.missing) > 0 && b.cfg.Follower && lifecycle.Sleep(ctx, ownersFirst) {
		seen, err = b.survey(ctx)
	}
	if err != nil {
		return err
	}
	missing, lost := seen.missing, b.lost(seen)
	if len(missing) == 0 && len(lost) == 0 {
		b.complete(reconnects)
		return nil
	}
	b.keeper.amiss.Store(true)
	if !b.cfg.Follower {
		// A backup is being restored: what is missing is still to come.
		if err := b.refuseUnfinished(ctx); err != nil {
			return err
		}
	}
	// Also when somebody else was faster: it may have been a follower with other settings.
	if err := insist(ctx, func(ctx context.Context) error { return declare(ctx, b.js, b.cfg, b.log) }); err != nil {
		return err
	}
	if seen, err = b.survey(ctx); err != nil {
		return err
	}
	if len(seen.missing) > 0 {
		return fmt.Errorf("%w: %v", ErrIncomplete, seen.missing)
	}
	if b.embedded != nil {
		b.recordStore()
	}
	if err := b.report(ctx, missing, lost, seen); err != nil {
		return err
	}
	b.keeper.born = seen.born
	b.complete(reconnects)
	return nil
}

func (b *Broker) complete(reconnects uint64) {
	b.keeper.looked.Store(reconnects)
	b.keeper.amiss.Store(false)
}

// Complete reports whether NATS is there with everything that was declared, as far as is known: after each reconnect it
// is not, until that was looked at. It costs nothing.
func (b *Broker) Complete() bool {
	return b.nc.IsConnected() && !b.keeper.amiss.Load() && b.keeper.looked.Load() == b.nc.Stats().Reconnects
}

// report says what was mended. Only what lies on the disk is a loss.
func (b *Broker) report(ctx context.Context, missing, lost []string, seen survey) error {
	if len(lost) == 0 {
		b.log.InfoContext(ctx, "missing streams and consumers were declared again", "missing", missing)
		return nil
	}
	at := seen.born[StreamJobs]
	for _, name := range lost {
		if seen.born[name].After(at) {
			at = seen.born[name]
		}
	}
	if err := b.recordLoss(ctx, Loss{At: at, Streams: lost}); err != nil {
		return err
	}
	b.log.ErrorContext(ctx, "NATS came back without stored streams: jobs accepted before and results in them are gone; "+
		"the streams are declared again, empty", "streams", lost)
	return nil
}

// survey is what NATS has at a moment.
type survey struct {
	// born is when each stream that is there was made. A stream that was made again is another one.
	born map[string]time.Time
	// missing names the streams and consumers that are not there.
	missing []string
}

// survey asks for everything that declare makes. It costs thirteen requests.
func (b *Broker) survey(ctx context.Context) (survey, error) {
	// What meets a cluster between two leaders is never answered: the next look is better than patience with this one.
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	seen := survey{born: make(map[string]time.Time)}
	for _, name := range []string{
		StreamJobs, StreamDead, ProgressStream, ResultsStream, ControlStream, UsersStream, ResetsStream, StreamUsage, StreamUsageMinute,
		FeedbackStream, ImagesStream,
	} {
		if !b.cfg.uses(name) {
			continue
		}
		stream, err := b.js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			seen.missing = append(seen.missing, name)
			continue
		case err != nil:
			return survey{}, fmt.Errorf("look for stream %s: %w", name, err)
		}
		seen.born[name] = stream.CachedInfo().Created
		if name != StreamJobs {
			continue
		}
		there, err := consumerNames(ctx, stream)
		if err != nil {
			return survey{}, err
		}
		for _, consumer := range consumers(b.cfg) {
			if !slices.Contains(there, consumer.Durable) {
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

// lost names the streams on the disk that are not the ones of before. What was taken of quotas is no loss to anybody.
func (b *Broker) lost(seen survey) []string {
	var names []string
	for _, name := range []string{StreamJobs, StreamDead, ResultsStream, ControlStream, UsersStream, ResetsStream, FeedbackStream, ImagesStream} {
		if !seen.born[name].Equal(b.keeper.born[name]) {
			names = append(names, name)
		}
	}
	return names
}
