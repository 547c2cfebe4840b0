package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// PutRecord stores how a job ended, once, and returns the final record. won says whether that is r, and not one that was
// stored before.
//
// It fails with ErrDeleted, and removes the job's media, when the job was deleted.
func (s *Store) PutRecord(ctx context.Context, r *job.Record) (final *job.Record, won bool, err error) {
	data, err := r.Encode()
	if err != nil {
		return nil, false, err
	}
	msg, err := s.createOrFirst(ctx, broker.RecordSubject(r.Spec.Owner, r.Spec.ID), data)
	switch {
	case err != nil:
		return nil, false, err
	case msg == nil:
		return r, true, nil
	case len(msg.Data) == 0:
		return nil, false, errors.Join(ErrDeleted, s.deleteMedia(ctx, r.Spec.Owner, r.Spec.ID))
	}
	first, err := job.DecodeRecord(msg.Data)
	if err != nil {
		return nil, false, fmt.Errorf("read the record that was first: %w", err)
	}
	return first, same(first, r), nil
}

// same reports whether the existing record is the one that was to be written: an earlier try was stored, and its answer lost.
func same(first, r *job.Record) bool {
	a, errA := first.Encode()
	b, errB := r.Encode()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}
