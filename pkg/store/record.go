package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// PutRecord stores the terminal record of a job unless there is one already, and returns the stored record; won reports whether
// that is r. It fails with ErrDeleted, and removes the job's media, when the job was deleted.
func (s *Store) PutRecord(ctx context.Context, r *job.Record) (final *job.Record, won bool, err error) {
	s.TakeNew(r.Spec.ID)
	data, err := r.Encode()
	if err != nil {
		return nil, false, err
	}
	msg, err := createOrExisting(ctx, s.js, broker.RecordSubject(r.Spec.Owner, r.Spec.ID), data)
	switch {
	case err != nil:
		return nil, false, err
	case msg == nil:
		return r, true, nil
	case len(msg.Data) == 0:
		return nil, false, errors.Join(ErrDeleted, s.deleteMedia(ctx, r.Spec.Owner, r.Spec.ID))
	}
	existing, err := job.DecodeRecord(msg.Data)
	if err != nil {
		return nil, false, fmt.Errorf("read the existing record: %w", err)
	}
	return existing, same(existing, r), nil
}

// same reports whether the existing record equals r, because an earlier try stored it and the answer was lost.
func same(existing, r *job.Record) bool {
	a, errA := existing.Encode()
	b, errB := r.Encode()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}
