package broker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// attemptTimeout bounds one attempt of retry. A request that reaches a cluster before it has elected its leaders
	// is never answered, so waiting for longer does not help.
	attemptTimeout = 5 * time.Second
	retryPause     = 250 * time.Millisecond
)

// retry repeats do while the cluster is still forming, until ctx ends. do must be idempotent.
func retry(ctx context.Context, do func(context.Context) error) error {
	for {
		err := attempt(ctx, attemptTimeout, do)
		if err == nil || (!Unavailable(err) && !isConcurrent(err)) || !lifecycle.Sleep(ctx, retryPause) {
			return err
		}
	}
}

// isConcurrent reports whether an error may result from another process declaring the same at the same time: in a cluster a
// name can be taken by something that cannot be found yet.
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

// codeNoPeers is the response to a request for more replicas than there are servers so far.
const codeNoPeers = 10005

// The responses of a server that cannot write to its disk.
const (
	codeDeleteFailed = 10057
	codePurgeFailed  = 10110
)

// Unavailable reports whether an error comes from NATS starting, having no leaders or being unable to write to its disk,
// missing responses included: the same request may succeed later.
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

// RetryUnanswered repeats a request that NATS does not answer until ctx ends. The attempts may take five seconds, ten, and
// so on, so that a slow server answers one of the first. A request that reaches a cluster between two leaders, or whose
// connection broke, is never answered, but its repetition is. Any other error is returned at once.
//
// do must be idempotent. When ctx has no deadline there is one attempt of five seconds.
func RetryUnanswered(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := Bounded(ctx)
	defer cancel()
	for timeout := requestTimeout; ; timeout *= 2 {
		err := attempt(ctx, timeout, do)
		if err == nil || ctx.Err() != nil || !isTimeout(err) {
			return err
		}
	}
}

func attempt(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(ctx)
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
}
