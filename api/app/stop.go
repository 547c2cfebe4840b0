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

// Stop stops what Start started in reverse order: it accepts no more requests, ends streams, finishes attempts or returns
// them to the queue, and closes NATS last. It is safe on a process that was started in part, and may be called again. It
// takes no longer than STOP_TIMEOUT, of which every part has a share.
func (a *App) Stop(ctx context.Context) error { return a.running.Stop(ctx, a.cfg.StopTimeout) }

// drain keeps serving for DRAIN_DELAY while it tells load balancers to send requests elsewhere.
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

// settleTime is how long connections are served after the port was closed.
const settleTime = time.Second

// settle gives load balancers time to notice that the port is closed and to stop using the connections that they have kept.
// Closing a connection at the moment at which a request is sent on it would fail the request.
func (a *App) settle(ctx context.Context) {
	if a.cfg.DrainDelay > 0 {
		lifecycle.Sleep(ctx, min(settleTime, a.cfg.DrainDelay))
	}
}

// farewell returns the line that is printed when the stop begins.
func (a *App) farewell() string {
	if a.worker == nil {
		return "stopping"
	}
	return a.worker.Farewell()
}
