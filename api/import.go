package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/migrate"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const importUsage = `usage: api import [--users users.json] [--feedback feedback.json] [--images images.json]

  Imports exports of Cloudflare KV namespaces, each a JSON array of {name, value}. Existing entries stay as they are, so an
  import can be repeated; accounts and feedback that were deleted here since then come back, images do not. Accounts are
  imported first, whatever the order of the flags: feedback and images of users without an account here are skipped. Images
  keep what is left of their 24 hours. With the embedded NATS, no API may be running on DATA_DIR.

`

// exports are the namespaces that can be imported, in the order of import.
var exports = []struct {
	// noun is the plural of an entry.
	flag, noun, doc string
	run             func(*app.Importer, context.Context, io.Reader) (*migrate.Result, error)
}{
	{"users", "accounts", "export of accounts, the KV namespace USERS", (*app.Importer).Users},
	{"feedback", "feedback entries", "export of feedback, the KV namespace FEEDBACK", (*app.Importer).Feedback},
	{"images", "images", "export of saved images, the KV namespace IMAGES_CACHE", (*app.Importer).Images},
}

// importCommand imports exports of the Cloudflare system. It exits with 1 if an import failed. Skipped entries are no failure; it
// lists them by position, never by content.
func importCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api import", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, importUsage)
		flags.PrintDefaults()
	}
	paths := make([]string, len(exports))
	for i, e := range exports {
		flags.StringVar(&paths[i], e.flag, "", e.doc)
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	named := 0
	for _, path := range paths {
		named += min(len(path), 1)
	}
	if named == 0 || flags.NArg() > 0 {
		flags.Usage()
		return exitUsage
	}
	if err := importFiles(ctx, paths, environ, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "api import: %v\n", err)
		return exitFailure
	}
	return 0
}

// importFiles imports the exports one by one. It opens all files first.
func importFiles(ctx context.Context, paths, environ []string, stdout, stderr io.Writer) (err error) {
	cfg, err := app.Load(environ)
	if err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	log, err := telemetry.NewLogger(stderr, cfg.Telemetry.LogLevel)
	if err != nil {
		return err
	}
	files := make([]*os.File, len(paths))
	for i, path := range paths {
		if path == "" {
			continue
		}
		if files[i], err = os.Open(path); err != nil { //nolint:gosec // The operator names the file.
			return fmt.Errorf("open export: %w", err)
		}
		defer func() { _ = files[i].Close() }()
	}
	importer, err := app.NewImporter(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, importer.Close(ctx)) }()
	for i, e := range exports {
		if files[i] == nil {
			continue
		}
		result, err := e.run(importer, ctx, files[i])
		printResult(stdout, e.noun, result)
		if err != nil {
			return fmt.Errorf("%s: %w", e.flag, err)
		}
	}
	return nil
}

// printResult prints the result of an import.
func printResult(out io.Writer, noun string, r *migrate.Result) {
	if r == nil {
		return
	}
	_, _ = fmt.Fprintf(out, "%d %s imported, %d already present, %d other entries ignored, %d skipped\n",
		r.Imported, noun, r.Kept, r.Foreign, len(r.Skipped)+r.Unnamed)
	if r.Unverifiable > 0 {
		_, _ = fmt.Fprintf(out, "%d of them have a password hash in an unknown format; their owners have to reset the password\n", r.Unverifiable)
	}
	if r.Expired > 0 {
		_, _ = fmt.Fprintf(out, "%d more have expired\n", r.Expired)
	}
	for _, s := range r.Skipped {
		image := ""
		if s.Image > 0 {
			image = fmt.Sprintf("image %d: ", s.Image)
		}
		_, _ = fmt.Fprintf(out, "  entry %d: %s%s\n", s.Entry, image, s.Reason)
	}
	if r.Unnamed > 0 {
		_, _ = fmt.Fprintf(out, "  and %d more\n", r.Unnamed)
	}
}
