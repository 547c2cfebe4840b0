//go:build linux

package measure

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	storedJobs = 100_000
	// checkedJobs is how many stored jobs are read after each start.
	checkedJobs = 500
)

// measureStored measures what finished jobs cost: the disk, the memory and the time of a start.
func measureStored(ctx context.Context, b *bench) error {
	b.upstream.size.Store(small)
	empty, err := b.startAPI(ctx, syncAlways, b.path("empty"))
	if err != nil {
		return err
	}
	defer empty.kill()
	if err := empty.stop(); err != nil {
		return err
	}
	dir := b.path("data")
	ids, err := b.fillStore(ctx, dir, b.cfg.count(storedJobs, 100))
	if err != nil {
		return err
	}
	onDisk, err := diskUsage(dir)
	if err != nil {
		return err
	}
	// The first start creates what only the API needs.
	if _, err := b.timeStart(ctx, dir, ids, (*api).stop); err != nil {
		return err
	}
	clean, err := b.timeStart(ctx, dir, ids, func(a *api) error { a.kill(); return nil })
	if err != nil {
		return err
	}
	killed, err := b.timeStart(ctx, dir, ids, (*api).stop)
	if err != nil {
		return err
	}
	fresh, err := b.timeStart(ctx, b.path("empty"), nil, (*api).stop)
	if err != nil {
		return err
	}
	n := float64(len(ids))
	b.add("disk", onDisk/n/kib, "KiB/job", Ceiling{Name: "its image", Value: small / kib})
	of := fmt.Sprintf(" on %d jobs", len(ids))
	b.add("memory after a start"+of, clean.resident/mib, "MiB", Ceiling{Name: "on none", Value: fresh.resident / mib})
	// With few jobs the difference says nothing.
	if len(ids) >= storedJobs/10 {
		b.add("memory", (clean.resident-fresh.resident)/n/kib, "KiB/job")
	}
	ceiling := Ceiling{Name: "on none", Value: milliseconds(fresh.took)}
	b.add("start"+of, milliseconds(clean.took), "ms", ceiling)
	b.add("start after kill -9"+of, milliseconds(killed.took), "ms", ceiling)
	return nil
}

type start struct {
	took     time.Duration
	resident float64
}

// timeStart starts the API on a store, checks that jobs of it can be read, and ends it.
func (b *bench) timeStart(ctx context.Context, dir string, ids []string, end func(*api) error) (start, error) {
	a, err := b.startAPI(ctx, syncAlways, dir)
	if err != nil {
		return start{}, err
	}
	defer a.kill()
	defer a.client.close()
	resident, err := a.resident()
	if err != nil {
		return start{}, err
	}
	var sample []accepted
	for i := 0; i < len(ids); i += max(1, len(ids)/checkedJobs) {
		sample = append(sample, accepted{id: ids[i]})
	}
	if err := a.client.verify(ctx, sample, small); err != nil {
		return start{}, err
	}
	return start{a.startTime, resident}, end(a)
}

// fillStore stores finished jobs, each with one image, as workers do, and returns their IDs.
func (b *bench) fillStore(ctx context.Context, dir string, n int) ([]string, error) {
	const side = 64
	data, err := b.upstream.image(side, side)
	if err != nil {
		return nil, err
	}
	ids := make([]string, n)
	err = withStore(ctx, dir, func(service *jobs.Service) error {
		return parallel(ctx, connections, n, func(ctx context.Context, i int) error {
			s, err := newSpec()
			if err != nil {
				return err
			}
			ids[i] = s.ID
			_, _, err = service.Settle(ctx, finishedJob(s, data))
			return err
		})
	})
	return ids, err
}

// fillQueue stores waiting jobs as the API does, and returns them.
func (b *bench) fillQueue(ctx context.Context, dir string, n int) ([]accepted, error) {
	waiting := make([]accepted, n)
	err := withStore(ctx, dir, func(service *jobs.Service) error {
		return parallel(ctx, connections, n, func(ctx context.Context, i int) error {
			s, err := newSpec()
			if err != nil {
				return err
			}
			waiting[i].id = s.ID
			_, _, err = service.Enqueue(ctx, s, false)
			return err
		})
	})
	return waiting, err
}

// withStore passes the service of jobs on a store in dir to fill. No worker runs, so that the jobs it stores are left alone.
func withStore(ctx context.Context, dir string, fill func(*jobs.Service) error) (err error) {
	br, err := broker.Open(ctx, broker.Config{DataDir: dir, Sync: syncInterval}, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("open broker: %w", err)
	}
	defer func() {
		if closeErr := br.Close(context.WithoutCancel(ctx)); err == nil && closeErr != nil {
			err = fmt.Errorf("close broker: %w", closeErr)
		}
	}()
	q, err := queue.New(ctx, br)
	if err != nil {
		return err
	}
	st, err := store.New(ctx, br)
	if err != nil {
		return err
	}
	return fill(jobs.New(br, q, st))
}

// newSpec returns a new image job of a guest.
func newSpec() (*job.Spec, error) {
	const maxAttempts = 8
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("create ID: %w", err)
	}
	now, side, seed, one := time.Now(), 64, int64(1), 1
	return &job.Spec{
		ID: id.String(), Kind: job.KindImage, Lane: job.LaneGuest, Owner: job.OwnerAnonymous,
		CreatedAt: job.Time{Time: now}, Deadline: job.Time{Time: now.Add(time.Hour)},
		MaxAttempts: maxAttempts, Fingerprint: id.String(), RequestID: id.String(),
		Input: &job.ImageInput{Prompt: "a job in the store", Model: "flux", Width: &side, Height: &side, Seed: &seed, N: &one},
	}, nil
}

// finishedJob is the settlement of a job that has produced an image.
func finishedJob(s *job.Spec, image []byte) jobs.Settlement {
	return jobs.Settlement{
		Record: &job.Record{
			Status: job.StatusSucceeded, Spec: s, Attempt: 1, StartedAt: &s.CreatedAt, FinishedAt: job.Time{Time: s.CreatedAt.Add(time.Second)},
		},
		Products: []store.Product{{Media: job.Media{ContentType: "image/png", Width: 64, Height: 64, Model: "flux"}, Data: image}},
		// It was never in the queue.
		Remove: func(context.Context) error { return nil },
	}
}
