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
	if _, err := b.timeStart(ctx, dir, ids, (*process).stop); err != nil {
		return err
	}
	clean, err := b.timeStart(ctx, dir, ids, func(p *process) error { p.kill(); return nil })
	if err != nil {
		return err
	}
	killed, err := b.timeStart(ctx, dir, ids, (*process).stop)
	if err != nil {
		return err
	}
	fresh, err := b.timeStart(ctx, b.path("empty"), nil, (*process).stop)
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
func (b *bench) timeStart(ctx context.Context, dir string, ids []string, end func(*process) error) (start, error) {
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
	return start{a.startTime, resident}, end(a.process)
}

// fillStore stores finished jobs, each with one image, through the packages that workers use, and returns their IDs.
func (b *bench) fillStore(ctx context.Context, dir string, n int) (ids []string, err error) {
	br, err := broker.Open(ctx, broker.Config{DataDir: dir, Sync: syncInterval}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	defer func() {
		if closeErr := br.Close(context.WithoutCancel(ctx)); err == nil && closeErr != nil {
			err = fmt.Errorf("close broker: %w", closeErr)
		}
	}()
	q, err := queue.New(ctx, br)
	if err != nil {
		return nil, err
	}
	st, err := store.New(ctx, br)
	if err != nil {
		return nil, err
	}
	const side = 64
	data, err := b.upstream.image(side, side)
	if err != nil {
		return nil, err
	}
	service := jobs.New(br, q, st)
	ids = make([]string, n)
	err = parallel(ctx, connections, n, func(ctx context.Context, i int) error {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("create ID: %w", err)
		}
		ids[i] = id.String()
		_, _, err = service.Settle(ctx, finishedJob(ids[i], data))
		return err
	})
	return ids, err
}

// finishedJob is the settlement of an image job of a guest.
func finishedJob(id string, image []byte) jobs.Settlement {
	const maxAttempts = 8
	now, side, seed := time.Now(), 64, int64(1)
	at := func(d time.Duration) job.Time { return job.Time{Time: now.Add(d)} }
	started := at(0)
	return jobs.Settlement{
		Record: &job.Record{
			Status: job.StatusSucceeded, Attempt: 1, StartedAt: &started, FinishedAt: at(time.Second),
			Spec: &job.Spec{
				ID: id, Kind: job.KindImage, Lane: job.LaneGuest, Owner: job.OwnerAnonymous, CreatedAt: at(0), Deadline: at(time.Hour),
				MaxAttempts: maxAttempts, Fingerprint: id, RequestID: id,
				Input: &job.ImageInput{Prompt: "a stored job", Model: "flux", Width: &side, Height: &side, Seed: &seed},
			},
		},
		Products: []store.Product{{Media: job.Media{ContentType: "image/png", Width: side, Height: side, Seed: &seed, Model: "flux"}, Data: image}},
		// It was never in the queue.
		Remove: func(context.Context) error { return nil },
	}
}
