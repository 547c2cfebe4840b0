package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var (
	// ErrNotFound is returned for what is not, or no longer, stored.
	ErrNotFound = errors.New("not stored")
	// ErrExists is returned when a job has its terminal record already.
	ErrExists = errors.New("the job has ended already")
	// ErrConflict is returned when a progress was changed by somebody else since it was read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrFull is returned when the store takes no more.
	ErrFull = errors.New("the store is full")
)

// Store is the results, the progress and the dead letters.
type Store struct {
	js       jetstream.JetStream
	results  jetstream.Stream
	progress jetstream.Stream
	dead     jetstream.Stream
}

// New opens the store on a broker. It costs three requests.
func New(ctx context.Context, b *broker.Broker) (*Store, error) {
	s := &Store{js: b.JetStream()}
	for name, stream := range map[string]*jetstream.Stream{
		broker.ResultsStream: &s.results, broker.ProgressStream: &s.progress, broker.StreamDead: &s.dead,
	} {
		opened, err := s.js.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open store %s: %w", name, err)
		}
		*stream = opened
	}
	return s, nil
}

// Record returns how a job ended. It may read from a replica that is behind; RecordLeader does not.
// It fails with ErrNotFound while the job has not ended, and when its record has expired.
func (s *Store) Record(ctx context.Context, owner, id string) (*job.Record, error) {
	msg, err := s.results.GetLastMsgForSubject(ctx, broker.RecordSubject(owner, id))
	return readRecord(msg, err)
}

// RecordLeader is Record with an answer that is certain, at the price of asking the stream's leader.
func (s *Store) RecordLeader(ctx context.Context, owner, id string) (*job.Record, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.RecordSubject(owner, id))
	return readRecord(msg, err)
}

func readRecord(msg *jetstream.RawStreamMsg, err error) (*job.Record, error) {
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read record: %w", err)
	case len(msg.Data) == 0:
		return nil, ErrNotFound
	}
	return job.DecodeRecord(msg.Data)
}

// CreateRecord stores how a job ended, once. It fails with ErrExists when the job has ended already, however the
// first record came there. Any other error means that the outcome is not known: whoever asks again may be told ErrExists
// because of his own record.
func (s *Store) CreateRecord(ctx context.Context, r *job.Record) error {
	data, err := r.Encode()
	if err != nil {
		return err
	}
	return s.create(ctx, broker.RecordSubject(r.Spec.Owner, r.Spec.ID), data)
}

// create publishes to a subject that must be empty. The bucket never holds marks of deleted keys (Delete purges), so
// an empty subject is a key that was never written.
func (s *Store) create(ctx context.Context, subject string, data []byte) error {
	_, err := s.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(0))
	return published(err, ErrExists)
}

// published gives the answers to a conditional publish their names.
func published(err, refused error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return refused
		case codeStreamFull, codeNoSpace, codeNoStorage:
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return fmt.Errorf("store: %w", err)
}

// What the server answers when it can store no more.
const (
	codeStreamFull = 10077
	codeNoSpace    = 10023
	codeNoStorage  = 10047
)

// Delete removes a job's record, its progress and its media. The record goes last, so that an interrupted delete can be
// repeated. What is not there is no error.
func (s *Store) Delete(ctx context.Context, owner, id string) error {
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(broker.JobMediaSubject(owner, id))); err != nil {
		return fmt.Errorf("delete media: %w", err)
	}
	if err := s.progress.Purge(ctx, jetstream.WithPurgeSubject(broker.ProgressSubject(owner, id))); err != nil {
		return fmt.Errorf("delete progress: %w", err)
	}
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(broker.RecordSubject(owner, id))); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	return nil
}
