// Package lifetime provides contexts that bound a request by a timeout, by its client, and by the stop of the server.
package lifetime

import (
	"context"
	"errors"
	"time"
)

// ErrStopping is the cause with which streams and waiting requests end when the server begins to stop.
var ErrStopping = errors.New("the server is stopping")

// OperationTimeout bounds the operations of one request on NATS; afterwards it responds 503.
const OperationTimeout = 10 * time.Second

// baseKey is the context key of the context that ends when the server begins to stop.
type baseKey struct{}

// WithBase returns the parent context of all requests of a server. It does not end with base, so that requests can finish
// during Shutdown; UntilStop and OnStop follow base.
func WithBase(base context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(base), baseKey{}, base)
}

// UntilStop returns a context that ends with ctx and, before that, when the server begins to stop.
func UntilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	base, ok := ctx.Value(baseKey{}).(context.Context)
	ctx, cancel := context.WithCancelCause(ctx)
	if !ok {
		return ctx, func() { cancel(context.Canceled) }
	}
	detach := context.AfterFunc(base, func() { cancel(context.Cause(base)) })
	return ctx, func() {
		detach()
		cancel(context.Canceled)
	}
}

// OnStop calls f when the server begins to stop, until cancel is called.
func OnStop(ctx context.Context, f func()) (cancel func() bool) {
	base, ok := ctx.Value(baseKey{}).(context.Context)
	if !ok {
		return func() bool { return true }
	}
	return context.AfterFunc(base, f)
}

// Bounded returns ctx with OperationTimeout.
func Bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, OperationTimeout)
}

// Opening returns a context for a resource that must be opened within OperationTimeout and may then be used for as long as
// ctx lasts. The caller calls opened once it is open, and cancel at the end.
func Opening(ctx context.Context) (bound context.Context, opened, cancel func()) {
	ctx, end := context.WithCancelCause(ctx)
	timer := time.AfterFunc(OperationTimeout, func() { end(context.DeadlineExceeded) })
	return ctx, func() { timer.Stop() }, func() {
		timer.Stop()
		end(context.Canceled)
	}
}

// OpeningStream is Opening for a stream, which outlives its handler: after opened, ctx no longer ends with the request, only when
// the server begins to stop. The caller calls opened before the handler returns.
func OpeningStream(request context.Context) (ctx context.Context, opened, cancel func()) {
	base, ok := request.Value(baseKey{}).(context.Context)
	if !ok {
		base = context.WithoutCancel(request)
	}
	ctx, end := context.WithCancelCause(base)
	detach := context.AfterFunc(request, func() { end(context.Cause(request)) })
	timer := time.AfterFunc(OperationTimeout, func() { end(context.DeadlineExceeded) })
	opened = func() {
		detach()
		timer.Stop()
	}
	return ctx, opened, func() {
		opened()
		end(context.Canceled)
	}
}

// Detached returns a context that ends after timeout, but not when the client of a request disconnects. Once the server begins
// to stop it lasts at most another OperationTimeout.
func Detached(request context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), timeout)
	detach := OnStop(request, func() {
		timer := time.NewTimer(OperationTimeout)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		detach()
		cancel()
	}
}
