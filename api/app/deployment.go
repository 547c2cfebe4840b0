package app

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// recordTimeout bounds the write of the change record during a start.
const recordTimeout = 5 * time.Second

// recordDeployment adds this start to the change record and logs it. An error is logged and does not fail the start.
func (a *App) recordDeployment(ctx context.Context) {
	version, commit, built := telemetry.Version()
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	d := control.Deployment{
		Version: version, Commit: commit, BuildTime: built, GoVersion: runtime.Version(), Host: cmp.Or(host, "unknown"), StartedAt: job.At(time.Now()),
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	previous, err := a.control.RecordDeployment(ctx, d)
	if err != nil {
		a.log.WarnContext(ctx, "deployment not recorded", slog.String("version", version), slog.String("commit", commit), slog.Any("error", err))
		return
	}
	attrs := []any{
		slog.String("version", version), slog.String("commit", commit), slog.String("build_time", built),
		slog.String("go_version", d.GoVersion), slog.String("host", d.Host),
	}
	if previous != nil {
		attrs = append(attrs, slog.String("previous_version", previous.Version), slog.String("previous_commit", previous.Commit))
	}
	a.log.InfoContext(ctx, "deployment", attrs...)
}

// logStart logs the version and the most important settings.
func (a *App) logStart(ctx context.Context) {
	version, commit, _ := telemetry.Version()
	nats, upstream := a.broker.Conn().ConnectedUrlRedacted(), "workers"
	if a.cfg.Broker.Embedded() {
		nats = "embedded"
	}
	if a.worker != nil {
		upstream = a.cfg.Worker.Upstreams.Mode()
	}
	a.log.InfoContext(ctx, "api started",
		slog.String("version", version), slog.String("commit", commit), slog.String("address", a.Addr()), slog.String("nats", nats),
		slog.String("upstream", upstream), slog.String("log_level", strings.ToLower(a.cfg.Telemetry.LogLevel)),
		slog.Bool("metrics", a.cfg.Telemetry.MetricsEnabled), slog.Bool("mail", a.cfg.Mail.URL != ""),
		slog.Bool("google", a.cfg.Google.On()), slog.Bool("admin", a.cfg.Server.AdminKey != ""),
		slog.Int("replicas", a.cfg.Broker.Replicas), slog.String("result_ttl", a.cfg.Broker.ResultTTL.String()),
	)
}
