package jobs

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// reader reads a job of an owner.
type reader func(ctx context.Context, owner, id string) (*job.Snapshot, error)

// Read returns the job with the given id that belongs to one of the owners, which are tried in order. It fails with ErrNotFound
// only if the leaders of the streams do not have the job. A job whose deadline has passed is ended first, unless nothing can be stored.
func (s *Service) Read(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	return s.readAs(ctx, owners, id, s.expireIfStored, s.readDirect, s.readLeader)
}

// readCurrent is Read from the leaders only, for decisions. It fails if a job whose deadline has passed cannot be ended.
func (s *Service) readCurrent(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	end := func(ctx context.Context, snap *job.Snapshot) (*job.Snapshot, error) {
		snap, _, err := s.expire(ctx, snap)
		return snap, err
	}
	return s.readAs(ctx, owners, id, end, s.readLeader)
}

// expireIfStored is expire for a reader: while the store is full or its disk has failed, it returns the job as it is, which the sweeper
// will end.
func (s *Service) expireIfStored(ctx context.Context, snap *job.Snapshot) (*job.Snapshot, error) {
	ended, _, err := s.expire(ctx, snap)
	if errors.Is(err, store.ErrFull) || errors.Is(err, broker.ErrDiskFull) || errors.Is(err, broker.ErrDiskFailed) {
		// The record may be stored, without what follows it.
		return s.readLeader(ctx, snap.Spec.Owner, snap.Spec.ID)
	}
	return ended, err
}

func (s *Service) readAs(
	ctx context.Context, owners []string, id string, end func(context.Context, *job.Snapshot) (*job.Snapshot, error), readers ...reader,
) (*job.Snapshot, error) {
	if !job.ValidToken(id) {
		return nil, ErrNotFound
	}
	for _, read := range readers {
		for _, owner := range owners {
			snap, err := read(ctx, owner, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			return end(ctx, snap)
		}
	}
	return nil, ErrNotFound
}

// Retryable returns a job of one of the owners if it can be retried. It fails with ErrNotFound and, together with the job, with
// ErrNotRetryable. It reads from the leaders of the streams.
func (s *Service) Retryable(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	snap, err := s.readCurrent(ctx, owners, id)
	if err != nil {
		return nil, err
	}
	if snap.Record == nil || !snap.Record.CanBeRetried() {
		return snap, ErrNotRetryable
	}
	return snap, nil
}

// readDirect reads from any replica, except that only the leader decides that a job has not ended: a caller that has seen the
// end of a job, perhaps on another replica, must not see it running later.
func (s *Service) readDirect(ctx context.Context, owner, id string) (*job.Snapshot, error) {
	return s.read(ctx, owner, id, s.record, s.store.Progress, s.queue.Find)
}

// record returns the record of a job. Any replica may return it, since it never changes; only the leader knows that there is
// none.
func (s *Service) record(ctx context.Context, owner, id string) (*job.Record, error) {
	r, err := s.store.Record(ctx, owner, id)
	if errors.Is(err, store.ErrNotFound) {
		return s.store.RecordLeader(ctx, owner, id)
	}
	return r, err
}

// readLeader reads from the leaders of the streams.
func (s *Service) readLeader(ctx context.Context, owner, id string) (*job.Snapshot, error) {
	return s.read(ctx, owner, id, s.store.RecordLeader, s.store.ProgressLeader, s.queue.FindLeader)
}

type (
	readRecord   func(ctx context.Context, owner, id string) (*job.Record, error)
	readProgress func(ctx context.Context, owner, id string) (*job.Progress, uint64, error)
	readEntry    func(ctx context.Context, owner, id string) (*queue.Entry, error)
)

// read looks for the record first, for the message in the queue last, since it is removed last, and then for the record once
// more, since the job may have been settled in between.
func (s *Service) read(ctx context.Context, owner, id string, record readRecord, progress readProgress, entry readEntry) (*job.Snapshot, error) {
	snap, err := ended(record(ctx, owner, id))
	if snap != nil || err != nil {
		return snap, err
	}
	p, _, err := progress(ctx, owner, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	e, err := entry(ctx, owner, id)
	if err == nil {
		return &job.Snapshot{Spec: e.Spec, Progress: p, Sequence: e.Sequence}, nil
	}
	if !errors.Is(err, queue.ErrNotFound) {
		return nil, err
	}
	snap, err = ended(record(ctx, owner, id))
	if snap == nil && err == nil {
		err = ErrNotFound
	}
	return snap, err
}

// ended returns the snapshot of a record, nil when there is none.
func ended(r *job.Record, err error) (*job.Snapshot, error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &job.Snapshot{Spec: r.Spec, Record: r}, nil
}
