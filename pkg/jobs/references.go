package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// StoredReferences returns the stored reference images that the input names and that SetReferences has to find, by their index.
func (o *Order) StoredReferences() map[int]job.Reference {
	in, ok := o.Input.(*job.ImageInput)
	if !ok || o.references != nil {
		return nil
	}
	found := make(map[int]job.Reference)
	for i, text := range in.ReferenceImages {
		if ref, stored, _ := job.ParseReference(text); stored {
			found[i] = ref
		}
	}
	return found
}

// SetReferences sets the stored reference images of the input, which Submit copies for the job. missing are the faults of those that
// cannot be used, with pointers relative to the input: Submit fails with an *InvalidError with these, unless the job exists already.
func (o *Order) SetReferences(references []store.Reference, missing ...job.FieldError) {
	o.references, o.missing = references, missing
}

// enqueueUncharged enqueues a job whose caller has no quota.
func (s *Submitter) enqueueUncharged(ctx context.Context, spec *job.Spec, order *Order, keyed bool) (snap *job.Snapshot, replayed bool, err error) {
	if len(order.references) == 0 && len(order.missing) == 0 {
		return s.jobs.Enqueue(ctx, spec, keyed)
	}
	if keyed {
		if snap, _, err := s.jobs.existing(ctx, spec); snap != nil || err != nil {
			return snap, true, err
		}
	}
	if len(order.missing) > 0 {
		return nil, false, &InvalidError{Faults: order.missing}
	}
	if err := s.copyReferences(ctx, spec, order.references); err != nil {
		return nil, false, err
	}
	return s.jobs.Enqueue(ctx, spec, keyed)
}

// copyReferences copies the reference images for a new job, so that it does not depend on theirs. It fails with an *InvalidError when one
// was removed meanwhile or has expired.
func (s *Submitter) copyReferences(ctx context.Context, spec *job.Spec, references []store.Reference) error {
	if len(references) == 0 {
		return nil
	}
	err := s.jobs.store.CopyReferences(ctx, spec, references)
	if missing, ok := errors.AsType[*store.MissingReferenceError](err); ok {
		err = &InvalidError{Faults: []job.FieldError{MissingReference(missing.Index)}}
	}
	if err == nil {
		err = s.jobs.stepDone(stepReferences)
	}
	return err
}

// MissingReference returns the fault of a stored reference image that does not exist, with a pointer relative to the input.
func MissingReference(index int) job.FieldError {
	return job.FieldError{Pointer: "/reference_images/" + strconv.Itoa(index), Code: "reference_not_found"}
}

// copyForReplay copies the reference images of a dead letter's job for the job that replays it, unless that exists already.
func (s *Submitter) copyForReplay(ctx context.Context, letter *store.DeadLetter, spec *job.Spec) error {
	if snap, _, err := s.jobs.existing(ctx, spec); snap != nil || err != nil {
		return err
	}
	err := s.jobs.store.CopyReferences(ctx, spec, s.jobs.store.JobReferences(letter.Dead.Spec))
	if _, ok := errors.AsType[*store.MissingReferenceError](err); ok {
		return fmt.Errorf("%w: %w", ErrReferencesGone, err)
	}
	return err
}
