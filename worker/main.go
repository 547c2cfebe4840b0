// Command worker fetches generation jobs from NATS and runs them. Any number of workers may run concurrently.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/heap"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/app"
)

const (
	exitFailure = 1
	exitUsage   = 2

	defaultMetricsAddr = "127.0.0.1:9092"
)

func main() {
	ctx := lifecycle.UntilSignal(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

const usage = `usage: worker [command]

  work      process jobs from the queue (the default)
  health    check whether a worker on this machine is ready; needs METRICS_ENABLED=on
  version   print version, commit, build time and Go version

Settings are environment variables; deploy/settings.md lists them.
`

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	command := "work"
	if len(args) > 0 {
		command = args[0]
	}
	switch {
	case len(args) > 1:
	case command == "work":
		if err := work(ctx, environ, stdout, stderr); err != nil {
			_, _ = fmt.Fprintf(stderr, "worker: %v\n", err)
			return exitFailure
		}
		return 0
	case command == "health":
		if err := health(ctx, environ); err != nil {
			_, _ = fmt.Fprintf(stderr, "worker health: %v\n", err)
			return exitFailure
		}
		_, _ = fmt.Fprintln(stdout, "ready")
		return 0
	case slices.Contains([]string{"version", "-v", "-version", "--version"}, command):
		version, commit, built := telemetry.Version()
		_, _ = fmt.Fprintf(stdout, "worker %s, commit %s, built %s, %s\n", version, commit, built, goruntime.Version())
		return 0
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, command):
		_, _ = fmt.Fprint(stdout, usage)
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "worker: unknown command %q\n\n%s", strings.Join(args, " "), usage)
	return exitUsage
}

// stopping bounds the shutdown of a worker.
type stopping struct {
	Timeout time.Duration `env:"STOP_TIMEOUT" envDefault:"30s" doc:"Longest duration of a shutdown; jobs that are still running then are redelivered."`
}

// Validate checks STOP_TIMEOUT.
func (s *stopping) Validate() error {
	if s.Timeout <= 0 {
		return &env.Fault{Name: "STOP_TIMEOUT", Expected: "a duration above zero"}
	}
	return nil
}

// work runs one worker until ctx ends.
func work(ctx context.Context, environ []string, stdout, stderr io.Writer) (err error) {
	cfg := app.Config{Latency: simulator.DemoLatency()}
	nats := broker.Config{Follower: true}
	tele := telemetry.Config{MetricsAddr: defaultMetricsAddr}
	var stop stopping
	if err := errors.Join(env.Load(environ, &cfg, &nats, &tele, &stop), cfg.CheckStop(stop.Timeout)); err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	if nats.Embedded() {
		return errors.New("NATS_URL is not set: a worker connects to the NATS of the API, such as NATS_URL=nats://127.0.0.1:4222 " +
			"(an API with an embedded NATS opens a port if NATS_LISTEN=127.0.0.1:4222 is set)")
	}
	level, err := telemetry.NewLevel(tele.LogLevel)
	if err != nil {
		return err
	}
	log := telemetry.NewLoggerAt(stderr, level)
	tracing, err := telemetry.NewTracing(ctx, tele.Tracing, "text2image-worker", log)
	if err != nil {
		return err
	}
	metrics := telemetry.NewMetrics()
	metrics.Sample(tele.SampleRate)
	var running lifecycle.Stack
	started := false
	defer func() {
		began := time.Now()
		err = errors.Join(err, running.Stop(context.WithoutCancel(ctx), stop.Timeout))
		if started {
			log.InfoContext(ctx, "worker stopped", slog.Int64("duration_ms", time.Since(began).Milliseconds()), slog.Bool("clean", err == nil))
		}
	}()
	running.Push(tracing.StopStep())
	server := telemetry.NewServer(tele, metrics, log)
	if err := server.Start(ctx); err != nil {
		return err
	}
	running.Push(server.StopStep())
	go heap.Adapt(ctx)
	nats.Observer = metrics
	runtime := telemetry.NewRuntime(level, server, log)
	running.Push(runtime.StopStep())
	b, err := broker.Open(ctx, nats, log)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		// A stop while waiting for NATS is no error.
		_, _ = fmt.Fprintln(stdout, "stopped before startup was complete")
		return nil
	}
	if err != nil {
		return err
	}
	running.Push(lifecycle.Step{Name: "broker", Stop: b.Close, Weight: 3})
	metrics.SetBroker(b)
	cfg.OnSwitch = func(set map[control.SwitchName]control.Switch) {
		runtime.Apply(context.WithoutCancel(ctx), set[control.SwitchLogLevel].Value, set[control.SwitchMetrics].Value)
	}
	worker := app.New(cfg, b, metrics, log, app.WithTracing(tracing))
	if err := worker.Start(ctx); err != nil {
		return err
	}
	running.Push(worker.StopStep())
	server.SetReady(b.Check)
	_, _ = fmt.Fprintf(stdout, "Text2Image Audio worker\n  NATS      %s\n  upstream  %s\n", b.Conn().ConnectedUrlRedacted(), cfg.Upstreams.Describe())
	version, commit, _ := telemetry.Version()
	log.InfoContext(ctx, "worker started",
		slog.String("version", version), slog.String("commit", commit), slog.String("nats", b.Conn().ConnectedUrlRedacted()),
		slog.String("upstream", cfg.Upstreams.Mode()), slog.String("log_level", strings.ToLower(tele.LogLevel)), slog.Bool("metrics", tele.MetricsEnabled),
		slog.Int("slots_image", cfg.Processor.SlotsImage), slog.Int("slots_audio", cfg.Processor.SlotsAudio), slog.Int("slots_text", cfg.Processor.SlotsText),
	)
	started = true
	<-ctx.Done()
	log.InfoContext(ctx, "worker stopping", slog.String("stop_timeout", stop.Timeout.String()))
	_, _ = fmt.Fprintln(stdout, worker.Farewell())
	return nil
}
