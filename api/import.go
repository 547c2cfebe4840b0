package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const importUsage = `usage: api import --users users.json

  Reads what Cloudflare KV exports of the store USERS, a JSON array of {name, value}. Accounts that are there already
  stay as they are, so it may be repeated; one that its owner has deleted here since then comes back. With the embedded
  NATS no API may be running on DATA_DIR.

`

// importCommand moves accounts here from the system before this one. It exits with 1 when the import broke off, and with
// 0 though entries were skipped, which it names by their place and never by what they say.
func importCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api import", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, importUsage)
		flags.PrintDefaults()
	}
	users := flags.String("users", "", "file with the export of accounts")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if *users == "" || flags.NArg() > 0 {
		flags.Usage()
		return exitUsage
	}
	if err := importUsers(ctx, *users, environ, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "api import: %v\n", err)
		return exitFailure
	}
	return 0
}

func importUsers(ctx context.Context, path string, environ []string, stdout, stderr io.Writer) error {
	cfg, err := app.Load(environ)
	if err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	log, err := telemetry.NewLogger(stderr, cfg.Telemetry.LogLevel)
	if err != nil {
		return err
	}
	f, err := os.Open(path) //nolint:gosec // The file that the operator names is the one to read.
	if err != nil {
		return fmt.Errorf("open export: %w", err)
	}
	defer func() { _ = f.Close() }()
	done, err := app.ImportUsers(ctx, cfg, f, log)
	if done != nil {
		_, _ = fmt.Fprintf(stdout, "%d accounts imported, %d were there already, %d other entries passed over, %d skipped\n",
			done.Imported, done.Kept, done.Foreign, len(done.Skipped))
		if done.Unverifiable > 0 {
			_, _ = fmt.Fprintf(stdout, "%d of them have a password hashed in an unknown way; their owners have to set a new one\n", done.Unverifiable)
		}
		for _, s := range done.Skipped {
			_, _ = fmt.Fprintf(stdout, "  entry %d: %s\n", s.Entry, s.Reason)
		}
	}
	return err
}
