package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// OwnerIDs returns the ids of all jobs of an owner that have a record or a tombstone. It costs one request to the leader of the
// stream.
func (s *Store) OwnerIDs(ctx context.Context, owner string) ([]string, error) {
	return s.lastTokens(ctx, broker.OwnerRecordsSubject(owner))
}

// lastTokens returns the last token of every subject that a filter matches.
func (s *Store) lastTokens(ctx context.Context, filter string) ([]string, error) {
	info, err := s.results.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("list what an owner has: %w", err)
	}
	ids := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		ids = append(ids, subject[strings.LastIndexByte(subject, '.')+1:])
	}
	return ids, nil
}

// Records returns the records of up to a thousand jobs of an owner, by id. It reads from any replica and omits records that the
// replica does not have. It costs one request.
func (s *Store) Records(ctx context.Context, owner string, ids []string) (map[string]*job.Record, error) {
	return lastValues(ctx, s.js, broker.ResultsStream, ids, func(id string) string { return broker.RecordSubject(owner, id) }, job.DecodeRecord)
}

// RecordsSince returns the first records of an owner, up to limit, that were stored since a time, as Records does.
func (s *Store) RecordsSince(ctx context.Context, owner string, since time.Time, limit int) ([]*job.Record, error) {
	var records []*job.Record
	err := broker.MessagesSince(ctx, s.js, broker.ResultsStream, broker.OwnerRecordsSubject(owner), since, limit,
		func(_ string, msg *jetstream.RawStreamMsg) error {
			r, err := job.DecodeRecord(msg.Data)
			if err == nil {
				records = append(records, r)
			}
			return err
		})
	return records, err
}

// Progresses returns the progress of up to a thousand jobs of an owner, by id, as Records does.
func (s *Store) Progresses(ctx context.Context, owner string, ids []string) (map[string]*job.Progress, error) {
	values, err := lastValues(ctx, s.js, broker.ProgressStream, ids, func(id string) string { return broker.ProgressSubject(owner, id) }, job.DecodeProgress)
	for _, id := range ids {
		if p := s.held.get(broker.ProgressSubject(owner, id)); p != nil {
			values[id] = p
		}
	}
	return values, err
}

func lastValues[T any](ctx context.Context, js jetstream.JetStream, stream string, ids []string, subject func(id string) string,
	decode func([]byte) (*T, error),
) (map[string]*T, error) {
	values := make(map[string]*T, len(ids))
	err := broker.LastMessages(ctx, js, stream, ids, subject, func(id string, msg *jetstream.RawStreamMsg) error {
		v, err := decode(msg.Data)
		if err == nil {
			values[id] = v
		}
		return err
	})
	return values, err
}
