package store

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// EraseRemains removes the media and the progress of all jobs of an owner, including those that a worker has left behind that
// was killed after its job was deleted. It keeps the tombstones of deleted jobs, so that workers still running these jobs store
// nothing. It also removes what the cache has of the owner. It costs four requests and may be repeated.
func (s *Store) EraseRemains(ctx context.Context, owner string) error {
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(broker.OwnerMediaSubject(owner))); err != nil {
		return fmt.Errorf("erase media of owner: %w", err)
	}
	if err := s.progress.Purge(ctx, jetstream.WithPurgeSubject(broker.OwnerProgressSubject(owner))); err != nil {
		return fmt.Errorf("erase progress of owner: %w", err)
	}
	return s.eraseCache(ctx, owner)
}

// EraseTombstones removes everything of an owner from the results, including the tombstones of deleted jobs. It must not be
// called while a worker may be running a job of the owner: until then one may also have added to the cache. It costs three requests.
func (s *Store) EraseTombstones(ctx context.Context, owner string) error {
	if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(broker.OwnerResultsSubject(owner))); err != nil {
		return fmt.Errorf("erase tombstones of owner: %w", err)
	}
	return s.eraseCache(ctx, owner)
}
