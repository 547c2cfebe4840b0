package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// Runtime changes the log level and switches the metrics of a running process, which start as set by
// LOG_LEVEL and METRICS_ENABLED. Every change is logged at any level.
type Runtime struct {
	level  *Level
	server *Server
	log    *slog.Logger

	mu sync.Mutex
	// metrics is the last value passed to Apply; retry fires when it could not be applied.
	metrics string
	retry   *time.Timer
	stopped bool
}

// NewRuntime returns a Runtime for a level and a metrics server, either of which may be nil.
func NewRuntime(level *Level, server *Server, log *slog.Logger) *Runtime {
	return &Runtime{level: level, server: server, log: Audit(log)}
}

// Apply applies the values of the switches; an empty value restores that of the environment. It does not block. If metrics
// cannot be served, because METRICS_ADDR is in use or needs a token, that is logged and retried.
func (r *Runtime) Apply(ctx context.Context, logLevel, metrics string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applyLevel(ctx, logLevel)
	if r.server == nil || r.stopped || metrics == r.metrics {
		return
	}
	r.metrics = metrics
	r.applyMetrics(ctx, true)
}

func (r *Runtime) applyLevel(ctx context.Context, value string) {
	if r.level == nil {
		return
	}
	before := r.level.String()
	if err := r.level.Set(value); err != nil {
		r.log.WarnContext(ctx, "log level not changed", slog.String("value", value), slog.Any("error", err))
		return
	}
	if after := r.level.String(); after != before {
		r.log.InfoContext(ctx, "log level changed", slog.String("before", before), slog.String("after", after))
	}
}

// metricsRetry is the delay between attempts to serve metrics.
const metricsRetry = 10 * time.Second

func (r *Runtime) applyMetrics(ctx context.Context, first bool) {
	if r.retry != nil {
		r.retry.Stop()
	}
	before := r.server.Serving()
	wanted := r.server.cfg.MetricsEnabled
	if r.metrics != "" {
		wanted = r.metrics == "on"
	}
	if err := r.server.Switch(ctx, wanted); err != nil {
		if first {
			r.log.WarnContext(ctx, "metrics not switched, retrying", slog.Bool("wanted", wanted), slog.Any("error", err))
		}
		ctx = context.WithoutCancel(ctx)
		r.retry = time.AfterFunc(metricsRetry, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if !r.stopped {
				r.applyMetrics(ctx, false)
			}
		})
		return
	}
	if wanted != before {
		r.log.InfoContext(ctx, "metrics switched", slog.Bool("before", before), slog.Bool("after", wanted),
			slog.String("address", r.server.Addr()))
	}
}

// Stop ends the retries. Applied values stay.
func (r *Runtime) Stop(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.retry != nil {
		r.retry.Stop()
	}
	return nil
}

// StopStep returns Stop as a shutdown step.
func (r *Runtime) StopStep() lifecycle.Step { return lifecycle.Step{Name: "switches", Stop: r.Stop} }
