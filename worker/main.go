// The program worker takes generation jobs from NATS and works them. Any number of workers may run beside each other.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/app"
)

const (
	exitFailure = 1
	exitUsage   = 2

	defaultMetricsAddr = "127.0.0.1:9092"
	// stopTimeout bounds the whole of a stop, the patience with running attempts included.
	stopTimeout = 30 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "version":
		version, commit, built := telemetry.Version()
		_, _ = fmt.Fprintf(stdout, "worker %s, commit %s, built %s\n", version, commit, built)
		return 0
	case len(args) > 0:
		_, _ = fmt.Fprintln(stderr, "usage: worker [version]\nSettings come from the environment.")
		return exitUsage
	}
	if err := work(ctx, environ, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "worker: %v\n", err)
		return exitFailure
	}
	return 0
}

// work runs one worker until ctx ends.
func work(ctx context.Context, environ []string, stdout, stderr io.Writer) (err error) {
	cfg := app.Config{Latency: simulator.DemoLatency()}
	nats := broker.Config{Follower: true}
	tele := telemetry.Config{MetricsAddr: defaultMetricsAddr}
	if err := env.Load(environ, &cfg, &nats, &tele); err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	if nats.Embedded() {
		return errors.New("NATS_URL is not set: a worker needs the NATS that the API uses, such as NATS_URL=nats://127.0.0.1:4222 " +
			"(an API with an embedded NATS opens a port when it is started with NATS_LISTEN=127.0.0.1:4222)")
	}
	log, err := telemetry.NewLogger(stderr, tele.LogLevel)
	if err != nil {
		return err
	}
	metrics := telemetry.NewMetrics()
	server := telemetry.NewServer(tele, metrics, log)
	if err := server.Start(ctx); err != nil {
		return err
	}
	// What was started is stopped in reverse, within one bound.
	stopCtx := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, bounded(stopCtx, server.Stop)) }()
	b, err := broker.Open(ctx, nats, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bounded(stopCtx, b.Close)) }()
	worker := app.New(cfg, b, metrics, log)
	if err := worker.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bounded(stopCtx, worker.Stop)) }()
	_, _ = fmt.Fprintf(stdout, "Text2Image Audio worker\n  NATS      %s\n  upstream  %s\n", b.Conn().ConnectedUrlRedacted(), cfg.Upstreams.Describe())
	<-ctx.Done()
	return nil
}

func bounded(ctx context.Context, stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return stop(ctx)
}
