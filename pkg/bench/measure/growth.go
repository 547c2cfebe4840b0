//go:build linux

package measure

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
)

const (
	manyStored  = 1_000_000
	manyWaiting = 100_000
	growthJobs  = 5000
	// growthBursts are measured one after the other: a collection of the garbage of many stored jobs falls into some of them, and many
	// waiting jobs are read during the first. A burst ends as many jobs as it submits, so that as many wait in the next one.
	growthBursts = 3
	// maxQueued leaves room for a burst beside all that wait.
	maxQueued = 2 * manyWaiting
)

// measureGrowth measures how fast jobs are accepted and end while many others are stored, and while many others wait, beside an empty
// store.
func measureGrowth(ctx context.Context, b *bench) error {
	b.upstream.size.Store(small)
	none, err := b.burstsOn(ctx, b.path("empty"))
	if err != nil {
		return err
	}
	stored, err := b.fillStore(ctx, b.path("stored"), b.cfg.count(manyStored, 100))
	if err != nil {
		return err
	}
	onStored, err := b.burstsOn(ctx, b.path("stored"))
	if err != nil {
		return err
	}
	waiting, err := b.fillQueue(ctx, b.path("waiting"), b.cfg.count(manyWaiting, 50))
	if err != nil {
		return err
	}
	onWaiting, err := b.burstsOn(ctx, b.path("waiting"))
	if err != nil {
		return err
	}
	for _, on := range []struct {
		name string
		r    *growth
	}{{fmt.Sprintf(" on %d stored jobs", len(stored)), onStored}, {fmt.Sprintf(" on %d waiting jobs", len(waiting)), onWaiting}} {
		b.add(figureAccepted+on.name, on.r.accepted, "jobs/s", Ceiling{Name: "on none", Value: none.accepted})
		b.add(figureJobs+on.name, on.r.ended, "jobs/s", Ceiling{Name: "on none", Value: none.ended})
	}
	return nil
}

// growth are the rates of a burst.
type growth struct{ accepted, ended float64 }

// burstsOn starts the API on a store and submits one burst after the other. It returns the medians of how many jobs were accepted per
// second, and how many ended per second, those of the store included.
func (b *bench) burstsOn(ctx context.Context, dir string) (*growth, error) {
	// What filled the store is not to be written to the disk during the bursts.
	syscall.Sync()
	a, err := b.startAPI(ctx, syncAlways, dir, "MAX_QUEUED_JOBS="+strconv.Itoa(maxQueued))
	if err != nil {
		return nil, err
	}
	defer a.kill()
	defer a.client.close()
	if _, err := a.burst(ctx, b.cfg.count(warmUpJobs, 8), nil); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	var accepted, ended []float64
	for range growthBursts {
		r, err := a.burst(ctx, b.cfg.count(growthJobs, 16), nil)
		if err != nil {
			return nil, err
		}
		accepted = append(accepted, float64(len(r.jobs))/r.accepting.Seconds())
		ended = append(ended, r.ended/r.all.Seconds())
	}
	return &growth{median(accepted), median(ended)}, nil
}
