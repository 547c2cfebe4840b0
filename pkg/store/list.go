package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// OwnerIDs returns the ids of all jobs of an owner that have ended and are still kept. It costs one request to the
// stream's leader, whatever the number of jobs.
func (s *Store) OwnerIDs(ctx context.Context, owner string) ([]string, error) {
	info, err := s.results.Info(ctx, jetstream.WithSubjectFilter(broker.OwnerRecordsSubject(owner)))
	if err != nil {
		return nil, fmt.Errorf("list records of owner: %w", err)
	}
	ids := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		ids = append(ids, subject[strings.LastIndexByte(subject, '.')+1:])
	}
	return ids, nil
}

// MaxBatch is the largest number of ids that Records and Progresses take at once; the server answers no more.
const MaxBatch = 1000

// Records returns the terminal records of several jobs of an owner, by id. A job without a record is left out, and so
// is one that a replica does not know yet. It costs one request.
func (s *Store) Records(ctx context.Context, owner string, ids []string) (map[string]*job.Record, error) {
	records := make(map[string]*job.Record, len(ids))
	err := s.batch(ctx, broker.ResultsStream, ids, func(id string) string { return broker.RecordSubject(owner, id) },
		func(id string, data []byte) error {
			r, err := job.DecodeRecord(data)
			if err == nil {
				records[id] = r
			}
			return err
		})
	return records, err
}

// Progresses returns the progress of several jobs of an owner, by id; a job without one is left out.
// It costs one request.
func (s *Store) Progresses(ctx context.Context, owner string, ids []string) (map[string]*job.Progress, error) {
	progresses := make(map[string]*job.Progress, len(ids))
	err := s.batch(ctx, broker.ProgressStream, ids, func(id string) string { return broker.ProgressSubject(owner, id) },
		func(id string, data []byte) error {
			p, err := job.DecodeProgress(data)
			if err == nil {
				progresses[id] = p
			}
			return err
		})
	return progresses, err
}

func (s *Store) batch(ctx context.Context, stream string, ids []string, subject func(string) string,
	take func(id string, data []byte) error,
) error {
	if len(ids) == 0 {
		return nil
	}
	subjects := make([]string, len(ids))
	for i, id := range ids {
		subjects[i] = subject(id)
	}
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	messages, err := jetstreamext.GetLastMsgsFor(ctx, s.js, stream, subjects)
	if err != nil {
		return fmt.Errorf("read many from %s: %w", stream, err)
	}
	for msg, err := range messages {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return nil
		case err != nil:
			return fmt.Errorf("read many from %s: %w", stream, err)
		case len(msg.Data) == 0:
			continue
		}
		id := msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:]
		if err := take(id, msg.Data); err != nil && !errors.Is(err, job.ErrNewer) {
			return err
		}
	}
	// The messages end without an error when the time is up.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read many from %s: %w", stream, err)
	}
	return nil
}
