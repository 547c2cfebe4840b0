package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// DeadLetter is a stored dead letter.
type DeadLetter struct {
	Kind  job.Kind
	Owner string
	ID    string
	// Dead is nil when the message cannot be decoded; Fault is then the error, for example job.ErrNewer.
	Dead  *job.DeadLetter
	Fault error
	// Sequence orders dead letters by the time when they were stored.
	Sequence uint64
	StoredAt time.Time
}

// decodeDeadLetter returns the dead letter in a message; ok is false for a message on another subject.
func decodeDeadLetter(msg *jetstream.RawStreamMsg) (letter *DeadLetter, ok bool) {
	kind, owner, id, ok := broker.ParseDeadSubject(msg.Subject)
	if !ok {
		return nil, false
	}
	letter = &DeadLetter{Kind: kind, Owner: owner, ID: id, Sequence: msg.Sequence, StoredAt: msg.Time}
	letter.Dead, letter.Fault = job.DecodeDeadLetter(msg.Data)
	return letter, true
}

// FailedAt returns when the job failed or, if the message cannot be decoded, when it was stored.
func (l *DeadLetter) FailedAt() time.Time {
	if l.Dead == nil {
		return l.StoredAt
	}
	return l.Dead.FailedAt.Time
}

// DeadLetter returns the dead letter of the job with the given id, of any kind and owner, read from the leader of the stream. It
// fails with ErrNotFound.
func (s *Store) DeadLetter(ctx context.Context, id string) (*DeadLetter, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.StreamDead, broker.AnyDeadSubject(id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read dead letter: %w", err)
	}
	letter, ok := decodeDeadLetter(msg)
	if !ok {
		return nil, ErrNotFound
	}
	return letter, nil
}

// RemoveDeadLetter removes a dead letter, but not one that has replaced it. It reports whether the dead letter was there. It
// costs one request, and a second one if the first is refused.
func (s *Store) RemoveDeadLetter(ctx context.Context, letter *DeadLetter) (removed bool, err error) {
	err = s.dead.DeleteMsg(ctx, letter.Sequence)
	if err == nil {
		return true, nil
	}
	// The error does not say whether the message is gone or the stream has a problem.
	if _, missing := broker.LeaderMessage(ctx, s.js, broker.StreamDead, letter.Sequence); errors.Is(missing, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return false, fmt.Errorf("remove dead letter: %w", err)
}

// PutDeadLetter stores a dead letter and replaces an existing one of the same job.
func (s *Store) PutDeadLetter(ctx context.Context, d *job.DeadLetter) error {
	return s.putDeadLetter(ctx, d)
}

// AddDeadLetter stores a dead letter unless there is one of the same job, which is kept.
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
		return fmt.Errorf("store dead letter: %w", publishError(err, ErrExists))
	}
	return nil
}

// DeadLetterCount returns the number of stored dead letters.
func (s *Store) DeadLetterCount(ctx context.Context) (int, error) {
	info, err := s.dead.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return int(min(info.State.Msgs, 1<<30)), nil
}
