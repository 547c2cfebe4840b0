package jobs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// erasePause is the interval at which Erase checks jobs that a worker is still settling.
const erasePause = 50 * time.Millisecond

// Erase removes all data of an owner: jobs, including those that have not ended, their results and media, and dead letters. It
// returns when nothing is left or ctx ends, and may be repeated. It costs a handful of requests for each job.
func (s *Service) Erase(ctx context.Context, owner string) error {
	for {
		left, err := s.eraseJobs(ctx, owner)
		if err != nil {
			return err
		}
		if left == 0 {
			break
		}
		if !lifecycle.Sleep(ctx, erasePause) {
			return fmt.Errorf("erase an owner: %w", context.Cause(ctx))
		}
	}
	// A worker may have left media or progress of a job that was removed from the queue meanwhile.
	if err := s.store.EraseRemains(ctx, owner); err != nil {
		return err
	}
	// Dead letters come last: a job that was being settled may have left one.
	return s.store.EachDeadLetter(ctx, store.DeadLetterFilter{Owner: owner}, 1, math.MaxUint64, func(letter *store.DeadLetter) (bool, error) {
		_, err := s.store.RemoveDeadLetter(ctx, letter)
		return err == nil, err
	})
}

// EraseTombstones removes the tombstones that Erase leaves in place of jobs. It must not be called before WorkerDrain has
// passed, since until then a worker may try to end one of the jobs. It costs one request.
func (s *Service) EraseTombstones(ctx context.Context, owner string) error {
	return s.store.EraseTombstones(ctx, owner)
}

// eraseJobs ends and deletes every job of an owner, and returns how many could not be deleted yet.
func (s *Service) eraseJobs(ctx context.Context, owner string) (left int, err error) {
	queued, err := s.queue.OwnerIDs(ctx, owner)
	if err != nil {
		return 0, err
	}
	ended, err := s.store.OwnerIDs(ctx, owner)
	if err != nil {
		return 0, err
	}
	ids := slices.Concat(queued, ended)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if !slices.Contains(queued, id) {
			// After the first round, most ids are those of tombstones.
			if _, err := s.store.RecordLeader(ctx, owner, id); errors.Is(err, store.ErrNotFound) {
				continue
			}
		}
		erased, err := s.eraseJob(ctx, owner, id)
		if errors.Is(err, job.ErrNewer) {
			erased, err = true, s.eraseUnread(ctx, owner, id)
		}
		if err != nil {
			return 0, err
		}
		if !erased {
			left++
		}
	}
	return left, nil
}

// eraseJob ends and deletes a job. It reports false if it could not be deleted yet.
func (s *Service) eraseJob(ctx context.Context, owner, id string) (erased bool, err error) {
	owners := []string{owner}
	snap, err := s.Cancel(ctx, owners, id)
	if err != nil && !errors.Is(err, ErrFinished) && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	err = s.Delete(ctx, owners, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return true, nil
	case errors.Is(err, ErrNotFinished) && snap != nil && snap.Record != nil:
		// The worker that was settling it may be dead, and while its kind is paused no other one gets it.
		return false, s.resume(ctx, snap.Record)
	}
	return err == nil, err
}

// eraseUnread removes a job that a newer version of the program has stored. The tombstone keeps its worker from storing a result.
func (s *Service) eraseUnread(ctx context.Context, owner, id string) error {
	if err := s.store.Delete(ctx, owner, id, true); err != nil {
		return err
	}
	if err := s.queue.AnnounceCancel(id); err != nil {
		return err
	}
	return s.queue.Remove(ctx, owner, id)
}
