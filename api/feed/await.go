package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// Await returns the state of a job once done reports true. If ctx ends or the feed stops earlier, it returns the current state
// without an error. It fails with jobs.ErrNotFound.
func (f *Feed) Await(ctx context.Context, owners []string, id string, done func(*job.Snapshot) bool) (*job.Snapshot, error) {
	r, err := f.Watch(ctx, owners, id)
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(err, jobs.ErrNotFound):
		return f.readNow(ctx, owners, id)
	case err != nil:
		return nil, err
	}
	defer r.Close()
	wake := make(chan struct{}, 1)
	r.Notify(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	var last *job.Snapshot
	for {
		e, err := r.Next()
		switch {
		case err == nil && done(e.Snapshot):
			return e.Snapshot, nil
		case err == nil:
			last = e.Snapshot
		case errors.Is(err, ErrNone):
			<-wake // The end of ctx and of the feed wake it, too.
		case last != nil && (ctx.Err() != nil || last.Record != nil):
			return last, nil
		default:
			return f.readNow(ctx, owners, id)
		}
	}
}

// readNowTimeout bounds readNow, whose context has ended.
const readNowTimeout = 5 * time.Second

// readNow reads a job although ctx may have ended.
func (f *Feed) readNow(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readNowTimeout)
	defer cancel()
	snap, err := f.jobs.Read(ctx, owners, id)
	if err != nil {
		return nil, fmt.Errorf("read job after watching it: %w", err)
	}
	return snap, nil
}
