package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Product is a medium that a job has made and that is not stored yet.
type Product struct {
	Media job.Media
	Data  []byte
}

// Step names a step of a settlement or deletion, for tests that stop the program behind it.
type Step string

// The steps of the settlement that the store takes, in their order.
const (
	StepMedia  Step = "media"
	StepRecord Step = "record"
)

// The steps of a deletion before its last, the record's.
const (
	StepDeleteMedia    Step = "delete_media"
	StepDeleteProgress Step = "delete_progress"
)

// Settle stores how a job ended: its media, then its terminal record, whose result names what was stored. It returns
// the record that holds from now on, which is another one than r when the job had ended already; won tells them apart.
// All writes of a settlement go through here, so that they can become one atomic batch.
//
// It fails with ErrDeleted, and leaves nothing behind, when the job was deleted meanwhile.
//
// after is called behind each step when it is not nil; an error from it ends the settlement there.
func (s *Store) Settle(ctx context.Context, r *job.Record, products []Product, after func(Step) error) (final *job.Record, won bool, err error) {
	for _, p := range products {
		stored, err := s.PutMedia(ctx, r.Spec.Owner, r.Spec.ID, p.Media, p.Data)
		if err != nil {
			return nil, false, err
		}
		if r.Result == nil {
			r.Result = &job.Result{}
		}
		r.Result.Media = append(r.Result.Media, stored)
	}
	if err := passed(after, StepMedia); err != nil {
		return nil, false, err
	}
	data, err := r.Encode()
	if err != nil {
		return nil, false, err
	}
	msg, err := s.createOrFirst(ctx, broker.RecordSubject(r.Spec.Owner, r.Spec.ID), data)
	switch {
	case err != nil:
		return nil, false, err
	case msg == nil:
		return r, true, passed(after, StepRecord)
	case len(msg.Data) == 0:
		return nil, false, errors.Join(ErrDeleted, s.deleteMedia(ctx, r.Spec.Owner, r.Spec.ID))
	}
	first, err := job.DecodeRecord(msg.Data)
	if err != nil {
		return nil, false, fmt.Errorf("read the record that was first: %w", err)
	}
	return first, same(first, r), passed(after, StepRecord)
}

// same reports whether the record that stood in the way is the very one that was to be written: an earlier try was
// stored and its answer lost.
func same(first, r *job.Record) bool {
	a, errA := first.Encode()
	b, errB := r.Encode()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func passed(after func(Step) error, step Step) error {
	if after == nil {
		return nil
	}
	return after(step)
}
