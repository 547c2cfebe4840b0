package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// PutDead stores a dead letter. Storing a job's letter again replaces it, so the step can be repeated.
func (s *Store) PutDead(ctx context.Context, d *job.DeadLetter) error {
	return s.putDead(ctx, d)
}

func (s *Store) putDead(ctx context.Context, d *job.DeadLetter, opts ...jetstream.PublishOpt) error {
	data, err := d.Encode()
	if err != nil {
		return err
	}
	subject := broker.DeadSubject(d.Spec.Kind, d.Spec.Owner, d.Spec.ID)
	if _, err := s.js.Publish(ctx, subject, data, opts...); err != nil {
		return fmt.Errorf("store dead letter: %w", published(err, ErrExists))
	}
	return nil
}

// FollowUp takes the steps that follow a terminal record: a failed job gets its dead letter, and what was charged for
// nothing is given back. Each step can be repeated by whoever finds the record. detail is what the upstream said, for the operator; who does not know it leaves a letter
// that is there as it is.
func (s *Store) FollowUp(ctx context.Context, r *job.Record, detail string) error {
	if r.Status == job.StatusFailed {
		if err := s.bury(ctx, r, detail); err != nil {
			return err
		}
	}
	return quota.Refund(ctx, s.js, r)
}

// bury puts a failed job among the dead letters.
func (s *Store) bury(ctx context.Context, r *job.Record, detail string) error {
	letter := &job.DeadLetter{
		Spec: r.Spec, Attempt: r.Attempt, FailedAt: r.FinishedAt, Error: r.Error, Detail: detail, Counts: r.Counts,
	}
	if detail != "" {
		return s.PutDead(ctx, letter)
	}
	err := s.putDead(ctx, letter, jetstream.WithExpectLastSequencePerSubject(0))
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// DeadDepth returns how many dead letters are kept.
func (s *Store) DeadDepth(ctx context.Context) (int, error) {
	info, err := s.dead.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return int(min(info.State.Msgs, 1<<30)), nil
}
