//go:build linux

package measure

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const latencyRate = 20 // jobs per second

// measureLatency measures the time from when a job is due until its client has seen its end, at a rate far below the maximum.
func measureLatency(ctx context.Context, b *bench) error {
	b.upstream.size.Store(small)
	a, err := b.startAPI(ctx, syncAlways, b.path("data"))
	if err != nil {
		return err
	}
	defer a.kill()
	defer a.client.close()
	if _, err := a.burst(ctx, b.cfg.count(warmUpJobs, 8), nil); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	jobs := make([]accepted, b.cfg.count(15*latencyRate, latencyRate/2))
	times, err := openLoop(ctx, len(jobs), func(ctx context.Context, i int) (err error) {
		if jobs[i], err = a.client.submit(ctx, i, ""); err != nil {
			return err
		}
		return a.client.awaitEnd(ctx, jobs[i].id)
	})
	if err != nil {
		return err
	}
	if err := a.client.verify(ctx, jobs, small); err != nil {
		return err
	}
	if err := a.stop(); err != nil {
		return err
	}
	// The same two requests without any work between them.
	p, err := b.startCeiling(ctx)
	if err != nil {
		return err
	}
	defer p.kill()
	c := newClient(p.url())
	defer c.close()
	floor, err := openLoop(ctx, len(jobs), func(ctx context.Context, i int) error {
		if err := c.send(ctx, http.MethodPost, "/accept", "", submission(i), http.StatusAccepted, io.Discard); err != nil {
			return err
		}
		return c.send(ctx, http.MethodGet, fmt.Sprintf("/bytes/%d", small), "", nil, http.StatusOK, io.Discard)
	})
	if err != nil {
		return err
	}
	for _, percent := range []float64{50, 99} {
		b.add(fmt.Sprintf("p%g at %d jobs/s", percent, latencyRate), milliseconds(percentile(times, percent)), "ms",
			Ceiling{Name: "Gin, the same two requests", Value: milliseconds(percentile(floor, percent))})
	}
	return p.stop()
}

// awaitEnd waits until a job has ended well.
func (c *client) awaitEnd(ctx context.Context, id string) error {
	for {
		v, err := c.job(ctx, http.MethodGet, "/api/jobs/"+id+"?wait=60", "", nil, http.StatusOK)
		switch {
		case err != nil:
			return err
		case v.Status == succeeded:
			return nil
		case v.Error != nil || v.Status == "canceled":
			return fmt.Errorf("job %s has the status %s: %+v", id, v.Status, v.Error)
		}
	}
}

// openLoop calls do n times at the constant rate, whether or not earlier calls have returned, and returns how long each took from
// the time when it was due.
func openLoop(ctx context.Context, n int, do func(ctx context.Context, i int) error) ([]time.Duration, error) {
	g, group := errgroup.WithContext(ctx)
	times := make([]time.Duration, n)
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / latencyRate)
		if !lifecycle.Sleep(group, time.Until(due)) {
			break
		}
		g.Go(func() error {
			err := do(group, i)
			times[i] = time.Since(due)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return times, context.Cause(ctx)
}

// percentile returns the smallest time that is not exceeded by a percentage of all.
func percentile(times []time.Duration, percent float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[max(int(math.Ceil(percent/100*float64(len(sorted))))-1, 0)]
}
