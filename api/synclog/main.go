// The program synclog is the program api with an embedded NATS, as the chaos tests run it to cut the power: it uses group commit whatever the
// file system, and logs every fsync of it to the file that its argument names. Its settings are those of api.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr); err != nil { //nolint:forbidigo // It is the main of a program.
		_, _ = fmt.Fprintf(os.Stderr, "synclog: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: synclog FILE")
	}
	cfg, err := app.Load(environ)
	if err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	if cfg.Level, err = telemetry.NewLevel(cfg.Telemetry.LogLevel); err != nil {
		return err
	}
	syncs, err := brokertest.NewSyncLog(args[0])
	if err != nil {
		return fmt.Errorf("open the log of syncs: %w", err)
	}
	brokertest.GroupCommit(&cfg.Broker)
	brokertest.ObserveSyncs(syncs)(&cfg.Broker)
	a, err := app.New(cfg, telemetry.NewLoggerAt(stderr, cfg.Level))
	if err != nil {
		return err
	}
	return a.Run(ctx, stdout)
}
