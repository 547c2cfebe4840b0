package jobs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// erasePause lies between two looks at jobs that a worker is still settling.
const erasePause = 50 * time.Millisecond

// Erase removes everything of an owner: jobs, those that have not ended included, their results and media, and dead
// letters. It may be repeated, and comes back when nothing is left or ctx ends. It costs a handful of requests for each
// job.
func (l *Service) Erase(ctx context.Context, owner string) error {
	for {
		left, err := l.eraseJobs(ctx, owner)
		if err != nil {
			return err
		}
		if left == 0 {
			break
		}
		timer := time.NewTimer(erasePause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("erase an owner: %w", context.Cause(ctx))
		}
	}
	// A job that left the queue while a worker was busy with it may have left media or progress that no record names.
	if err := l.store.EraseRemains(ctx, owner); err != nil {
		return err
	}
	// The letters come last: a job that was being settled may have left one.
	return l.store.EachLetter(ctx, store.LetterFilter{Owner: owner}, 1, math.MaxUint64, func(letter *store.Letter) (bool, error) {
		_, err := l.store.RemoveLetter(ctx, letter)
		return err == nil, err
	})
}

// StrayAge is for how long after a job's end some worker may still be busy with it.
const StrayAge = stray

// EraseMarks removes the marks that Erase leaves in the place of jobs, so that nothing of the owner is left at all. It is to
// be called once StrayAge has passed, since until then a worker may try to end one of the jobs. It costs one request.
func (l *Service) EraseMarks(ctx context.Context, owner string) error {
	return l.store.EraseMarks(ctx, owner)
}

// eraseJobs ends and deletes every job of an owner, and returns how many could not be deleted yet.
func (l *Service) eraseJobs(ctx context.Context, owner string) (left int, err error) {
	queued, err := l.queue.OwnerIDs(ctx, owner)
	if err != nil {
		return 0, err
	}
	ended, err := l.store.OwnerIDs(ctx, owner)
	if err != nil {
		return 0, err
	}
	ids := slices.Concat(queued, ended)
	slices.Sort(ids)
	owners := []string{owner}
	for _, id := range slices.Compact(ids) {
		if !slices.Contains(queued, id) {
			// Most of what is there after the first time are marks of deleted jobs.
			if _, err := l.store.RecordLeader(ctx, owner, id); errors.Is(err, store.ErrNotFound) {
				continue
			}
		}
		if _, err := l.Cancel(ctx, owners, id); err != nil && !errors.Is(err, ErrFinished) && !errors.Is(err, ErrNotFound) {
			return 0, err
		}
		err := l.Delete(ctx, owners, id)
		switch {
		case errors.Is(err, ErrNotFinished):
			left++
		case err != nil && !errors.Is(err, ErrNotFound):
			return 0, err
		}
	}
	return left, nil
}
