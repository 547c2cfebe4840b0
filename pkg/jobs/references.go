package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

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

// Missing returns the faults of the reference images that cannot be used, with pointers relative to the input.
func (o *Order) Missing() []job.FieldError { return o.missing }

// ReferenceBytes returns the size of the stored reference images, which are copied for the job.
func (o *Order) ReferenceBytes() int64 {
	total := int64(0)
	for _, r := range o.references {
		total += r.Bytes
	}
	return total
}

// CopyBatchReferences copies the stored reference images of the jobs of a batch, as Submit does for one job. It fails with a *BatchError
// that wraps an *InvalidError when one was removed meanwhile.
func (s *Submitter) CopyBatchReferences(ctx context.Context, orders []*Order, specs []*job.Spec) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiesAtOnce)
	for i, o := range orders {
		if len(o.references) == 0 {
			continue
		}
		group.Go(func() error {
			if err := s.copyReferences(ctx, specs[i], o.references); err != nil {
				return &BatchError{Index: i, Err: err}
			}
			return nil
		})
	}
	return group.Wait()
}

// copiesAtOnce is for how many jobs of a batch reference images are copied concurrently.
const copiesAtOnce = 16

// BatchError is the error of one job of a batch.
type BatchError struct {
	// Index is the place of the job in the batch.
	Index int
	Err   error
}

// Error names the job.
func (e *BatchError) Error() string { return fmt.Sprintf("job %d of the batch: %v", e.Index, e.Err) }

// Unwrap returns the error of the job.
func (e *BatchError) Unwrap() error { return e.Err }

// enqueueUncharged enqueues a job whose caller has no quota.
func (s *Submitter) enqueueUncharged(ctx context.Context, spec *job.Spec, order *Order, keyed bool) (snap *job.Snapshot, replayed bool, err error) {
	if len(order.references) == 0 && len(order.missing) == 0 {
		return s.enqueue(ctx, spec, keyed, keyed)
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
	return s.enqueue(ctx, spec, keyed, keyed)
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
