package broker

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// attemptTimeout bounds one attempt of retry. A request that reaches a cluster before it has elected its leaders
	// is never answered, so waiting longer does not help.
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

// RetryUnanswered repeats a request that NATS does not answer until ctx ends. The attempts time out after five seconds, ten
// and so on, so that even a slow server can answer one. A request that reaches a cluster between two leaders, or whose
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
