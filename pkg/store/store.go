package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var (
	// ErrNotFound is returned for what is not stored, or no longer.
	ErrNotFound = errors.New("not stored")
	// ErrExists is returned by a write that must be the first and is not.
	ErrExists = errors.New("the job has ended already")
	// ErrConflict is returned when somebody else has changed a progress since it was read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrDeleted is returned when a job that is to be ended was deleted.
	ErrDeleted = errors.New("the job was deleted")
	// ErrUndecided is returned when somebody else's write has been pending for too long to tell whether it will succeed.
	ErrUndecided = errors.New("another write is still on its way")
	// ErrFull is returned when the store has no room.
	ErrFull = errors.New("the store is full")
)

// Store is the results, the progress and the dead letters.
type Store struct {
	js       jetstream.JetStream
	results  jetstream.Stream
	progress jetstream.Stream
	dead     jetstream.Stream
	// after is for tests: it is called after each step of Delete, and its error stops the deletion there, as a crash would.
	after func(step) error
}

// step names a step of a deletion.
type step string

// The steps of a deletion before its last, the record's.
const (
	stepDeleteMedia    step = "delete_media"
	stepDeleteProgress step = "delete_progress"
)

func (s *Store) passed(at step) error {
	if s.after == nil {
		return nil
	}
	return s.after(at)
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

// RecordLeader is Record, read from the stream's leader, so that it is current.
func (s *Store) RecordLeader(ctx context.Context, owner, id string) (*job.Record, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.RecordSubject(owner, id))
	return readRecord(msg, err)
}

// Ended is RecordLeader for callers that need to know whether Delete has left a tombstone: record is nil while the job has not
// ended, and deleted says that there is a tombstone in its place.
func (s *Store) Ended(ctx context.Context, owner, id string) (record *job.Record, deleted bool, err error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.RecordSubject(owner, id))
	record, err = readRecord(msg, err)
	if errors.Is(err, ErrNotFound) {
		return nil, msg != nil, nil
	}
	return record, false, err
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

// create publishes to a subject that must be empty. One with a tombstone is not.
func (s *Store) create(ctx context.Context, subject string, data []byte) error {
	_, err := s.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(0))
	return published(err, ErrExists)
}

const (
	// undecidedPause and undecidedTries bound the wait for a write that is pending.
	undecidedPause = 50 * time.Millisecond
	undecidedTries = 60
)

// createOrFirst publishes to a subject that must be empty, or returns the message that is there already.
//
// A cluster refuses a write as soon as another one to the subject is pending: nobody can read that one yet, and it may still
// be lost with the leader that took it. Taking the refusal for its success, or the empty subject for a deletion, could lose
// both. So the write is retried for a while, until there is something to read; then it fails with ErrUndecided.
func (s *Store) createOrFirst(ctx context.Context, subject string, data []byte) (first *jetstream.RawStreamMsg, err error) {
	for tries := 0; ; tries++ {
		err := s.create(ctx, subject, data)
		if !errors.Is(err, ErrExists) {
			return nil, err
		}
		first, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, subject)
		if err == nil {
			return first, nil
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, fmt.Errorf("read what was stored first: %w", err)
		}
		if tries == undecidedTries {
			return nil, ErrUndecided
		}
		timer := time.NewTimer(undecidedPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", ErrUndecided, context.Cause(ctx))
		}
	}
}

// published maps the error of a conditional publish to those of this package; refused stands for a failed condition.
func published(err, refused error) error {
	if err == nil {
		return nil
	}
	if broker.Conflict(err) {
		return refused
	}
	if broker.NoRoom(err) || broker.TooMany(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("store: %w", err)
}

// Probe writes a few bytes that nothing reads, to check that results can be stored. It fails with ErrFull when there is no room,
// and with the error of ctx when NATS does not answer, as after a disk failure. It costs one acknowledged publish.
func (s *Store) Probe(ctx context.Context) error {
	_, err := s.js.Publish(ctx, broker.ResultsProbeSubject(), []byte("probe"))
	return published(err, ErrConflict)
}

// Delete removes a job's media, its progress and its record. The record goes last, so that an interrupted delete can be
// repeated. Nothing of it needs to exist.
//
// With fence, for a job that a worker may still be busy with, a tombstone takes the record's place for as long as results are
// kept, and whoever tries to end the job gets ErrDeleted.
func (s *Store) Delete(ctx context.Context, owner, id string, fence bool) error {
	if err := s.deleteMedia(ctx, owner, id); err != nil {
		return err
	}
	if err := s.passed(stepDeleteMedia); err != nil {
		return err
	}
	if err := s.DeleteProgress(ctx, owner, id); err != nil {
		return err
	}
	if err := s.passed(stepDeleteProgress); err != nil {
		return err
	}
	record := broker.RecordSubject(owner, id)
	// Before the tombstone too: NATS persists what is purged, but not what is replaced, and after a kill it would recover the
	// record once the tombstone is gone.
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(record)); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	if !fence {
		return nil
	}
	tombstone := nats.NewMsg(record)
	tombstone.Header.Set("KV-Operation", "DEL")
	if _, err := s.js.PublishMsg(ctx, tombstone); err != nil {
		return fmt.Errorf("mark a deleted job: %w", published(err, ErrExists))
	}
	return nil
}

// RemoveTombstone removes the tombstone that Delete has left, so that a new job with the same id can end. A record stays. It costs one
// request, and another one when there is a tombstone.
func (s *Store) RemoveTombstone(ctx context.Context, owner, id string) error {
	record := broker.RecordSubject(owner, id)
	tombstone, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, record)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look for a deleted job: %w", err)
	case len(tombstone.Data) > 0:
		return nil
	}
	// Up to the tombstone and no further: a record may be written at this moment.
	err = s.results.Purge(ctx, jetstream.WithPurgeSubject(record), jetstream.WithPurgeSequence(tombstone.Sequence+1))
	if err != nil {
		return fmt.Errorf("forget a deleted job: %w", err)
	}
	return nil
}

func (s *Store) deleteMedia(ctx context.Context, owner, id string) error {
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(broker.JobMediaSubject(owner, id))); err != nil {
		return fmt.Errorf("delete media: %w", err)
	}
	return nil
}
