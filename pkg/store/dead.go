package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// PutDeadLetter stores a dead letter in place of one of the same job.
func (s *Store) PutDeadLetter(ctx context.Context, d *job.DeadLetter) error {
	return s.putDeadLetter(ctx, d)
}

// AddDeadLetter stores a dead letter unless there is one of the same job, which stays as it is.
func (s *Store) AddDeadLetter(ctx context.Context, d *job.DeadLetter) error {
	err := s.putDeadLetter(ctx, d, jetstream.WithExpectLastSequencePerSubject(0))
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

func (s *Store) putDeadLetter(ctx context.Context, d *job.DeadLetter, opts ...jetstream.PublishOpt) error {
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

// DeadDepth returns how many dead letters are kept.
func (s *Store) DeadDepth(ctx context.Context) (int, error) {
	info, err := s.dead.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return int(min(info.State.Msgs, 1<<30)), nil
}
