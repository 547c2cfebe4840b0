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

// Letter is a dead letter with its place among the others.
type Letter struct {
	Kind  job.Kind
	Owner string
	ID    string
	// Dead is nil when the letter cannot be read; Fault then says why, job.ErrNewer among others.
	Dead  *job.DeadLetter
	Fault error
	// Sequence orders the letters by the time when they came.
	Sequence uint64
	StoredAt time.Time
}

// newLetter reads a stored letter; ok is false for what lies under another subject.
func newLetter(msg *jetstream.RawStreamMsg) (letter *Letter, ok bool) {
	kind, owner, id, ok := broker.ParseDeadSubject(msg.Subject)
	if !ok {
		return nil, false
	}
	letter = &Letter{Kind: kind, Owner: owner, ID: id, Sequence: msg.Sequence, StoredAt: msg.Time}
	letter.Dead, letter.Fault = job.DecodeDeadLetter(msg.Data)
	return letter, true
}

// FailedAt returns when the job failed or, when the letter cannot be read, when the letter came.
func (l *Letter) FailedAt() time.Time {
	if l.Dead == nil {
		return l.StoredAt
	}
	return l.Dead.FailedAt.Time
}

// Letter returns the dead letter of the job with the given id, whatever its kind and owner. It fails with ErrNotFound and
// asks the stream's leader.
func (s *Store) Letter(ctx context.Context, id string) (*Letter, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.StreamDead, broker.AnyDeadSubject(id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read dead letter: %w", err)
	}
	letter, ok := newLetter(msg)
	if !ok {
		return nil, ErrNotFound
	}
	return letter, nil
}

// RemoveLetter removes a dead letter, and not one that came in its place. It reports whether the letter was still there.
// It costs one request, and a second one when the first was refused.
func (s *Store) RemoveLetter(ctx context.Context, letter *Letter) (removed bool, err error) {
	err = s.dead.DeleteMsg(ctx, letter.Sequence)
	if err == nil {
		return true, nil
	}
	// The refusal does not say whether the letter is gone or the stream is in trouble.
	if _, missing := broker.LeaderMessage(ctx, s.js, broker.StreamDead, letter.Sequence); errors.Is(missing, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return false, fmt.Errorf("remove dead letter: %w", err)
}
