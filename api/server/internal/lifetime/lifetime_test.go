package lifetime_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
)

// request returns the context of a request and the functions that stop the server and disconnect the client.
func request(t *testing.T) (ctx context.Context, stop, disconnect func()) {
	base, end := context.WithCancelCause(t.Context())
	ctx, disconnect = context.WithCancel(lifetime.WithBase(base))
	return ctx, func() { end(lifetime.ErrStopping) }, disconnect
}

func TestUntilStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop, disconnect := request(t)
		defer disconnect()
		waiting, cancel := lifetime.UntilStop(ctx)
		defer cancel()
		stop()
		synctest.Wait()
		if !errors.Is(context.Cause(waiting), lifetime.ErrStopping) || ctx.Err() != nil {
			t.Errorf("wait ended with %v, request with %v", context.Cause(waiting), ctx.Err())
		}
	})
}

// TestDetached checks that a detached context outlives its client, and the stop of the server by OperationTimeout.
func TestDetached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop, disconnect := request(t)
		detached, cancel := lifetime.Detached(ctx, time.Hour)
		defer cancel()
		disconnect()
		stop()
		time.Sleep(lifetime.OperationTimeout - time.Second)
		synctest.Wait()
		if detached.Err() != nil {
			t.Errorf("ended early: %v", detached.Err())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if detached.Err() == nil {
			t.Error("still running")
		}
	})
}

func TestOpening(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow, _, cancelSlow := lifetime.Opening(t.Context())
		defer cancelSlow()
		open, opened, cancelOpen := lifetime.Opening(t.Context())
		defer cancelOpen()
		opened()
		time.Sleep(2 * lifetime.OperationTimeout)
		synctest.Wait()
		if !errors.Is(context.Cause(slow), context.DeadlineExceeded) || open.Err() != nil {
			t.Errorf("context not opened in time: %v; opened: %v", context.Cause(slow), open.Err())
		}
	})
}

// TestOpeningStream checks that the context of a stream ends with its client and its timeout until it is open, and then only with
// the stop of the server.
func TestOpeningStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop, disconnect := request(t)
		gone, _, cancelGone := lifetime.OpeningStream(ctx)
		open, opened, cancelOpen := lifetime.OpeningStream(ctx)
		slow, _, cancelSlow := lifetime.OpeningStream(context.WithoutCancel(ctx))
		defer cancelGone()
		defer cancelOpen()
		defer cancelSlow()
		opened()
		disconnect()
		synctest.Wait()
		if gone.Err() == nil || open.Err() != nil {
			t.Errorf("after the disconnect: %v, open stream %v", gone.Err(), open.Err())
		}
		time.Sleep(2 * lifetime.OperationTimeout)
		synctest.Wait()
		if !errors.Is(context.Cause(slow), context.DeadlineExceeded) || open.Err() != nil {
			t.Errorf("after the timeout: %v, open stream %v", context.Cause(slow), open.Err())
		}
		stop()
		synctest.Wait()
		if !errors.Is(context.Cause(open), lifetime.ErrStopping) {
			t.Errorf("after the stop: %v", context.Cause(open))
		}
	})
}
