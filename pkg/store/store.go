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
	// ErrNotFound is returned for what is not, or no longer, stored.
	ErrNotFound = errors.New("not stored")
	// ErrExists is returned when a job has its terminal record already.
	ErrExists = errors.New("the job has ended already")
	// ErrConflict is returned when a progress was changed by somebody else since it was read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrDeleted is returned to whoever ends a job that was deleted meanwhile.
	ErrDeleted = errors.New("the job was deleted")
	// ErrUndecided is returned when somebody else's write has been on its way for too long to tell what becomes of it.
	ErrUndecided = errors.New("another write is still on its way")
	// ErrFull is returned when the store takes no more.
	ErrFull = errors.New("the store is full")
)

// Store is the results, the progress and the dead letters.
type Store struct {
	js       jetstream.JetStream
	results  jetstream.Stream
	progress jetstream.Stream
	dead     jetstream.Stream
	// after is for tests: it is called behind each step of Delete, and its error ends that there, as a crash would.
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

// RecordLeader is Record with an answer that is certain, at the price of asking the stream's leader.
func (s *Store) RecordLeader(ctx context.Context, owner, id string) (*job.Record, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.RecordSubject(owner, id))
	return readRecord(msg, err)
}

// Ended is RecordLeader for whoever has to know, too, whether Delete has left its mark: record is nil while the job has not
// ended, and deleted says that the mark stands in the record's place.
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

// create publishes to a subject that must be empty. A key that Delete has fenced is not: its mark stands in the way.
func (s *Store) create(ctx context.Context, subject string, data []byte) error {
	_, err := s.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(0))
	return published(err, ErrExists)
}

const (
	// undecidedPause and undecidedTries bound the wait for a write that is on its way.
	undecidedPause = 50 * time.Millisecond
	undecidedTries = 60
)

// createOrFirst publishes to a subject that must be empty, or returns the message that is there already.
//
// A cluster refuses a write as soon as another one to the subject is on its way: nobody can read that one yet, and it may
// still come to nothing, with the leader that took it. Whoever took the refusal for its success, or the emptiness for a
// deletion, could lose both. So the write is tried again, for a while, until there is something to read; it fails with
// ErrUndecided after that.
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

// published gives the answers to a conditional publish their names.
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

// Probe writes a few bytes, to show that results can be stored; nothing reads them. It fails with ErrFull when there is no
// room and with ctx's end when NATS does not answer, as it does not after a fault of its disk. It costs one acknowledged
// publish.
func (s *Store) Probe(ctx context.Context) error {
	_, err := s.js.Publish(ctx, broker.ResultsProbeSubject(), []byte("probe"))
	return published(err, ErrConflict)
}

// Delete removes a job's record, its progress and its media. The record goes last, so that an interrupted delete can be
// repeated. What is not there is no error.
//
// A job that some worker may still be busy with, because it was canceled or ran out of time while it ran, is fenced: a
// mark takes the record's place for as long as results are kept, and whoever still tries to end the job gets ErrDeleted.
func (s *Store) Delete(ctx context.Context, owner, id string, fence bool) error {
	if err := s.deleteMedia(ctx, owner, id); err != nil {
		return err
	}
	if err := s.passed(stepDeleteMedia); err != nil {
		return err
	}
	if err := s.DropProgress(ctx, owner, id); err != nil {
		return err
	}
	if err := s.passed(stepDeleteProgress); err != nil {
		return err
	}
	record := broker.RecordSubject(owner, id)
	// Before the mark too: NATS notes down what is purged and not what is replaced, and when it is killed it would find the
	// record again once the mark is gone.
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(record)); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	if !fence {
		return nil
	}
	mark := nats.NewMsg(record)
	mark.Header.Set("KV-Operation", "DEL")
	if _, err := s.js.PublishMsg(ctx, mark); err != nil {
		return fmt.Errorf("mark a deleted job: %w", published(err, ErrExists))
	}
	return nil
}

// Unfence removes the mark that Delete has left in the place of a job's record, so that a new job with the same id can
// end. A record is left alone. It costs one request, two when there is a mark.
func (s *Store) Unfence(ctx context.Context, owner, id string) error {
	record := broker.RecordSubject(owner, id)
	mark, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, record)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look for a deleted job: %w", err)
	case len(mark.Data) > 0:
		return nil
	}
	// Up to the mark and no further: a record may be written at this moment.
	err = s.results.Purge(ctx, jetstream.WithPurgeSubject(record), jetstream.WithPurgeSequence(mark.Sequence+1))
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
