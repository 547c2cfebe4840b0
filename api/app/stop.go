package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

func (a *App) onStop(name string, stop func(context.Context) error) {
	a.running.Push(lifecycle.Step{Name: name, Stop: stop})
}

// Stop stops the parts in reverse order of their start: it closes the port, ends streams, finishes attempts or returns them
// to the queue, and closes NATS last. It is safe after a failed Start and may be called again. It takes at most
// STOP_TIMEOUT, which the parts share.
func (a *App) Stop(ctx context.Context) error { return a.running.Stop(ctx, a.cfg.StopTimeout) }

// drain keeps serving for DRAIN_DELAY while /readyz returns 503, so that load balancers send requests elsewhere.
func (a *App) drain(ctx context.Context, out io.Writer) {
	a.server.Drain()
	if a.cfg.DrainDelay == 0 {
		return
	}
	_, _ = fmt.Fprintf(out, "draining for %s\n", a.cfg.DrainDelay)
	timer := time.NewTimer(a.cfg.DrainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case err := <-a.served:
		a.log.ErrorContext(ctx, "listener failed while draining", slog.Any("error", err))
	}
}

// settleTime is how long existing connections are served after the port is closed.
const settleTime = time.Second

// settle gives load balancers time to notice that the port is closed and to stop using kept connections. A connection that
// is closed just when a request is sent on it fails the request.
func (a *App) settle(ctx context.Context) {
	if a.cfg.DrainDelay > 0 {
		lifecycle.Sleep(ctx, min(settleTime, a.cfg.DrainDelay))
	}
}

// stopMessage returns the line that Run prints when the stop begins.
func (a *App) stopMessage() string {
	if a.worker == nil {
		return "stopping"
	}
	return a.worker.Farewell()
}
