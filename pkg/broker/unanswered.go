package broker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// RetryUnanswered repeats a request that NATS leaves unanswered until ctx ends. A server that is only slow answers one of
// the first tries: they may take five seconds, ten, and so on. What reaches a cluster between two leaders, or was on a
// connection that broke, is never answered, and its repetition is. Any other error is returned at once.
//
// do must be idempotent. When ctx has no deadline there is one try of five seconds.
func RetryUnanswered(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := Bounded(ctx)
	defer cancel()
	for timeout := requestTimeout; ; timeout *= 2 {
		err := tryOnce(ctx, timeout, do)
		if err == nil || ctx.Err() != nil || !unanswered(err) {
			return err
		}
	}
}

func tryOnce(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(ctx)
}

func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
}
