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
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

var (
	// ErrNotFound is returned for a value that was never stored, was removed or has expired.
	ErrNotFound = errors.New("not stored")
	// ErrExists is returned by a write that must be the first of its subject and is not.
	ErrExists = errors.New("the job has ended already")
	// ErrConflict is returned when a progress was changed since it was read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrDeleted is returned when the job to end was deleted.
	ErrDeleted = errors.New("the job was deleted")
	// ErrUndecided is returned when a concurrent write has been pending for too long, so that its outcome is unknown.
	ErrUndecided = errors.New("another write is still pending")
	// ErrFull is returned when the store has no room.
	ErrFull = errors.New("the store is full")
)

// Store holds the results, the progress and the dead letters of jobs, and which jobs have the results of identical ones.
type Store struct {
	broker *broker.Broker
	js     jetstream.JetStream
	// buffered stores what a durable write to the same stream follows.
	buffered jetstream.JetStream
	results  jetstream.Stream
	progress jetstream.Stream
	dead     jetstream.Stream
	held     heldProgress
	created  newJobs
	// after is for tests: it is called after each step of Delete, and its error stops the deletion there, as a crash would.
	after func(step) error
}

// step names a step of a deletion.
type step string

// The steps of a deletion, except the last, which removes the record.
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
	s := &Store{broker: b, js: b.JetStream(), buffered: b.Buffered()}
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

// Record returns the terminal record of a job. It reads from any replica, which may be behind. It fails with ErrNotFound while
// the job has not ended, and when the record was removed or has expired.
func (s *Store) Record(ctx context.Context, owner, id string) (*job.Record, error) {
	msg, err := s.results.GetLastMsgForSubject(ctx, broker.RecordSubject(owner, id))
	return readRecord(msg, err)
}

// RecordLeader is like Record but reads from the leader of the stream, which is never stale.
func (s *Store) RecordLeader(ctx context.Context, owner, id string) (*job.Record, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.RecordSubject(owner, id))
	return readRecord(msg, err)
}

// Ended is like RecordLeader but returns a nil record when there is none, and reports whether Delete has left a tombstone in its
// place.
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

// create publishes to a subject that must be empty; a tombstone counts as content.
func create(ctx context.Context, js jetstream.JetStream, subject string, data []byte) error {
	_, err := js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data, Header: broker.ExpectLast(0)})
	return publishError(err, ErrExists)
}

const (
	// undecidedPause and undecidedTries bound the wait for a pending write.
	undecidedPause = 50 * time.Millisecond
	undecidedTries = 60
)

// createOrExisting publishes to a subject that must be empty, or returns the message that is there already.
//
// A cluster refuses a write while another one to the subject is pending, which cannot be read yet and may still be lost with its
// leader. Treating the refusal as a success, or the empty subject as a deletion, could lose both writes. The write is therefore
// retried until the other one can be read, or, after a while, fails with ErrUndecided.
func createOrExisting(ctx context.Context, js jetstream.JetStream, subject string, data []byte) (existing *jetstream.RawStreamMsg, err error) {
	for tries := 0; ; tries++ {
		err := create(ctx, js, subject, data)
		if !errors.Is(err, ErrExists) {
			return nil, err
		}
		existing, err := broker.LeaderLast(ctx, js, broker.ResultsStream, subject)
		if err == nil {
			return existing, nil
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, fmt.Errorf("read the existing value: %w", err)
		}
		if tries == undecidedTries {
			return nil, ErrUndecided
		}
		if !lifecycle.Sleep(ctx, undecidedPause) {
			return nil, fmt.Errorf("%w: %w", ErrUndecided, context.Cause(ctx))
		}
	}
}

// publishError maps the error of a publish to those of this package; a failed condition is mapped to conflict.
func publishError(err, conflict error) error {
	switch {
	case err == nil:
		return nil
	case broker.Conflict(err):
		return conflict
	case broker.NoRoom(err), broker.TooMany(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("store: %w", err)
}

// Probe writes a few bytes, which are never read, to check that results can be stored. It fails with ErrFull when there is no
// room, and with the error of ctx when NATS does not answer, as after a disk failure. It costs one acknowledged publish.
func (s *Store) Probe(ctx context.Context) error {
	_, err := s.js.Publish(ctx, broker.ResultsProbeSubject(), []byte("probe"))
	return publishError(err, ErrConflict)
}

// Delete removes the media, the progress and the record of a job, none of which need exist. The record is removed last, so that
// an interrupted deletion can be repeated.
//
// With keepTombstone, for a job that a worker may still be running, a tombstone replaces the record for as long as results are
// kept, and PutRecord fails with ErrDeleted.
func (s *Store) Delete(ctx context.Context, owner, id string, keepTombstone bool) error {
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
	// Purge even before a tombstone: NATS syncs a purge to disk, but not the replacement of a message, and after a kill it would
	// recover the record once the tombstone is gone.
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(record)); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	if !keepTombstone {
		return nil
	}
	tombstone := nats.NewMsg(record)
	tombstone.Header.Set("KV-Operation", "DEL")
	if _, err := s.js.PublishMsg(ctx, tombstone); err != nil {
		return fmt.Errorf("store tombstone: %w", publishError(err, ErrExists))
	}
	return nil
}

// RemoveTombstone removes the tombstone of a deleted job, so that a new job with the same id can end. It keeps a record. It costs
// one request, and another one if there is a tombstone.
func (s *Store) RemoveTombstone(ctx context.Context, owner, id string) error {
	record := broker.RecordSubject(owner, id)
	tombstone, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, record)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("read tombstone: %w", err)
	case len(tombstone.Data) > 0:
		return nil
	}
	// Not beyond the tombstone: a record may be written at this moment.
	err = s.results.Purge(ctx, jetstream.WithPurgeSubject(record), jetstream.WithPurgeSequence(tombstone.Sequence+1))
	if err != nil {
		return fmt.Errorf("remove tombstone: %w", err)
	}
	return nil
}

func (s *Store) deleteMedia(ctx context.Context, owner, id string) error {
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(broker.JobMediaSubject(owner, id))); err != nil {
		return fmt.Errorf("delete media: %w", err)
	}
	return nil
}
