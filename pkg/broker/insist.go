package broker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// tryTimeout bounds one try of what is tried again. A request that reaches a cluster before it has elected its leaders
	// is never answered, so waiting for longer does not help.
	tryTimeout = 5 * time.Second
	tryPause   = 250 * time.Millisecond
)

// insist tries again and again, until ctx ends, for as long as the cluster is still forming. do must be idempotent.
func insist(ctx context.Context, do func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		err := do(try)
		cancel()
		if err == nil || (!Unavailable(err) && !isConcurrent(err)) {
			return err
		}
		timer := time.NewTimer(tryPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// isConcurrent reports whether an error is what whoever declares the same at the same time as another process may meet: in a
// cluster a name can be taken by what cannot be found yet.
func isConcurrent(err error) bool {
	for _, known := range []error{
		jetstream.ErrStreamNotFound, jetstream.ErrStreamNameAlreadyInUse, jetstream.ErrBucketNotFound, jetstream.ErrBucketExists,
		jetstream.ErrConsumerNotFound, jetstream.ErrConsumerExists,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// codeNoPeers is the answer to who wants more replicas than there are servers so far.
const codeNoPeers = 10005

// What a server answers that cannot write to its disk.
const (
	codeDeleteFailed = 10057
	codePurgeFailed  = 10110
)

// Unavailable reports whether an error is what NATS answers, or leaves unanswered, while it starts, has no leaders or
// cannot write to its disk: the same request may succeed later.
func Unavailable(err error) bool {
	if errors.Is(err, ErrDiskFull) || errors.Is(err, ErrDiskFailed) {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) {
		return true
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeNoPeers, codeDeleteFailed, codePurgeFailed:
		return true
	}
	return api.Code == 503
}
