package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/heap"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// serveCommand runs one API process until ctx ends.
func serveCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	if err := serve(ctx, environ, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "api: %v\n", err)
		return exitFailure
	}
	return 0
}

func serve(ctx context.Context, environ []string, stdout, stderr io.Writer) error {
	cfg, err := app.Load(environ)
	if err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	cfg.OpenAPI = contract
	if cfg.Level, err = telemetry.NewLevel(cfg.Telemetry.LogLevel); err != nil {
		return err
	}
	a, err := app.New(cfg, telemetry.NewLoggerAt(stderr, cfg.Level))
	if err != nil {
		return err
	}
	if cfg.Broker.SyncsWrites() {
		addThread(environ)
	}
	go heap.Adapt(ctx)
	return a.Run(ctx, stdout)
}

// addThread lets one more thread run Go code than there are processors, unless GOMAXPROCS is set: most of the time one of them waits
// for the disk, and the scheduler does not give its turn to another one at once.
func addThread(environ []string) {
	if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") }) {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
