package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoQuorum is returned while a NATS cluster or a stream has no leader because too few servers are running. It recovers
// once a majority is back; nothing that was accepted is lost.
var ErrNoQuorum = errors.New("the NATS cluster has no quorum")

// CheckLeaders fails with ErrNoQuorum when streams of an external NATS have no leader, and names them. It sends a request
// for each stream concurrently.
func (b *Broker) CheckLeaders(ctx context.Context) error {
	if b.cfg.Embedded() {
		return nil
	}
	ctx, cancel := Bounded(ctx)
	defer cancel()
	names := StreamNames()
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		if b.cfg.uses(name) {
			wg.Go(func() { errs[i] = b.checkLeader(ctx, name) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// checkLeader fails with ErrNoQuorum when a stream of an external NATS has no leader. It costs a request.
func (b *Broker) checkLeader(ctx context.Context, name string) error {
	if b.cfg.Embedded() {
		return nil
	}
	stream, err := b.js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil // See Complete.
	case NoQuorum(err):
	case err != nil:
		return fmt.Errorf("look up stream %s: %w", name, err)
	case stream.CachedInfo().Cluster == nil || stream.CachedInfo().Cluster.Leader != "":
		return nil
	}
	return fmt.Errorf("%w: stream %s has no leader", ErrNoQuorum, name)
}
