package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// Await returns a job as soon as done says so, or as it stands when ctx ends or the feed stops, which is no error. It
// fails with jobs.ErrNotFound.
func (f *Feed) Await(ctx context.Context, owners []string, id string, done func(*job.Snapshot) bool) (*job.Snapshot, error) {
	r, err := f.Watch(ctx, owners, id)
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(err, jobs.ErrNotFound):
		return f.rest(ctx, owners, id)
	case err != nil:
		return nil, err
	}
	defer r.Close()
	var last *job.Snapshot
	for {
		select {
		case e, open := <-r.Events():
			switch {
			case open && done(e.Snapshot):
				return e.Snapshot, nil
			case open:
				last = e.Snapshot
				continue
			case last != nil && (ctx.Err() != nil || r.Err() == nil):
				return last, nil
			}
		case <-ctx.Done():
			if last != nil {
				return last, nil
			}
		}
		return f.rest(ctx, owners, id)
	}
}

// restTimeout bounds the reading of a job whose watching ended too early.
const restTimeout = 5 * time.Second

// rest reads a job whose watching ended before it was done.
func (f *Feed) rest(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restTimeout)
	defer cancel()
	snap, err := f.jobs.Read(ctx, owners, id)
	if err != nil {
		return nil, fmt.Errorf("read job after watching it: %w", err)
	}
	return snap, nil
}
