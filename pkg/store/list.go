package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// OwnerIDs returns the ids of all jobs of an owner that have a record or a tombstone. It costs one request to the leader of the
// stream.
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

// Records returns the records of up to a thousand jobs of an owner, by id. It reads from any replica and omits records that the replica
// does not have. It costs one request.
func (s *Store) Records(ctx context.Context, owner string, ids []string) (map[string]*job.Record, error) {
	records := make(map[string]*job.Record, len(ids))
	err := broker.LastMessages(ctx, s.js, broker.ResultsStream, ids, func(id string) string { return broker.RecordSubject(owner, id) },
		func(id string, msg *jetstream.RawStreamMsg) error {
			r, err := job.DecodeRecord(msg.Data)
			if err == nil {
				records[id] = r
			}
			return err
		})
	return records, err
}

// Progresses returns the progress of up to a thousand jobs of an owner, by id, as Records does.
func (s *Store) Progresses(ctx context.Context, owner string, ids []string) (map[string]*job.Progress, error) {
	progresses := make(map[string]*job.Progress, len(ids))
	err := broker.LastMessages(ctx, s.js, broker.ProgressStream, ids, func(id string) string { return broker.ProgressSubject(owner, id) },
		func(id string, msg *jetstream.RawStreamMsg) error {
			p, err := job.DecodeProgress(msg.Data)
			if err == nil {
				progresses[id] = p
			}
			return err
		})
	return progresses, err
}
