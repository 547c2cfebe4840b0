package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Progress returns the progress of a job, which must not be changed, and its revision for PutProgress. It reads from any replica, which may be behind. It
// fails with ErrNotFound.
func (s *Store) Progress(ctx context.Context, owner, id string) (*job.Progress, uint64, error) {
	subject := broker.ProgressSubject(owner, id)
	if p := s.held.get(subject); p != nil {
		return p, 0, nil
	}
	msg, err := s.progress.GetLastMsgForSubject(ctx, subject)
	return readProgress(msg, err)
}

// ProgressLeader is like Progress but reads from the leader of the stream, which is never stale.
func (s *Store) ProgressLeader(ctx context.Context, owner, id string) (*job.Progress, uint64, error) {
	subject := broker.ProgressSubject(owner, id)
	if p := s.held.get(subject); p != nil {
		return p, 0, nil
	}
	msg, err := broker.LeaderLast(ctx, s.js, broker.ProgressStream, subject)
	return readProgress(msg, err)
}

func readProgress(msg *jetstream.RawStreamMsg, err error) (*job.Progress, uint64, error) {
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, 0, ErrNotFound
	case err != nil:
		return nil, 0, fmt.Errorf("read progress: %w", err)
	case len(msg.Data) == 0:
		return nil, msg.Sequence, ErrNotFound
	}
	p, err := job.DecodeProgress(msg.Data)
	if err != nil {
		return nil, 0, err
	}
	return p, msg.Sequence, nil
}

// PutProgress replaces the progress that has the given revision, 0 for none, and returns the new revision. It fails with
// ErrConflict when the progress was changed meanwhile.
func (s *Store) PutProgress(ctx context.Context, owner string, p *job.Progress, revision uint64) (uint64, error) {
	data, err := p.Encode()
	if err != nil {
		return 0, err
	}
	ack, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: broker.ProgressSubject(owner, p.ID), Data: data, Header: broker.ExpectLast(revision)})
	if err != nil {
		return 0, publishError(err, ErrConflict)
	}
	return ack.Sequence, nil
}

// DropProgress removes the progress of a job that has ended, and does not wait for that: nobody reads it any more, and it expires.
// It costs one message, without an answer.
func (s *Store) DropProgress(owner, id string) error {
	return s.broker.Purge(broker.ProgressStream, broker.ProgressSubject(owner, id))
}

// DeleteProgress removes the progress of a job that is deleted.
func (s *Store) DeleteProgress(ctx context.Context, owner, id string) error {
	s.ReleaseProgress(owner, id)
	if err := s.progress.Purge(ctx, jetstream.WithPurgeSubject(broker.ProgressSubject(owner, id))); err != nil {
		return fmt.Errorf("delete progress: %w", err)
	}
	return nil
}
