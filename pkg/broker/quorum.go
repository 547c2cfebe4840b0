package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoQuorum is returned while a NATS cluster, or the servers that hold a stream, have no leader because too few of them are
// running. It ends once a majority is back; nothing that was accepted is lost.
var ErrNoQuorum = errors.New("the NATS cluster has no quorum")

// codeNoLeader is the response of a server of a cluster that has no leader.
const codeNoLeader = 10008

// NoQuorum reports whether an error means that a NATS cluster has no leader.
func NoQuorum(err error) bool {
	if errors.Is(err, ErrNoQuorum) {
		return true
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeNoLeader
}

// CheckLeaders fails with ErrNoQuorum when a stream of an external NATS has no leader, and names those streams. It costs a
// request for each stream, all of them at once.
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
		return nil // Complete reports that.
	case NoQuorum(err):
	case err != nil:
		return fmt.Errorf("look up stream %s: %w", name, err)
	case stream.CachedInfo().Cluster == nil || stream.CachedInfo().Cluster.Leader != "":
		return nil
	}
	return fmt.Errorf("%w: stream %s has no leader", ErrNoQuorum, name)
}
