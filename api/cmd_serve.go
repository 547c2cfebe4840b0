package main

import (
	"context"
	"fmt"
	"io"

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
	go heap.Adapt(ctx)
	return a.Run(ctx, stdout)
}
