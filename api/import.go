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

const importUsage = `usage: api import [--users users.json] [--feedback feedback.json] [--images images.json]

  Imports exports of Cloudflare KV namespaces, each a JSON array of {name, value}. Existing entries stay as they are, so an
  import can be repeated; accounts and feedback that were deleted here since then come back, images do not. Accounts are
  imported first, whatever the order of the flags: feedback and images of users without an account here are skipped. Images
  keep what is left of their 24 hours. With the embedded NATS, no API may be running on DATA_DIR.

`

// exports are the stores of the system before this one that can be imported, in the order in which they are.
var exports = []struct {
	flag, doc string
	take      func(context.Context, *app.Importer, io.Reader) (*imported, error)
}{
	{"users", "export of accounts, the KV namespace USERS", importUsers},
	{"feedback", "export of feedback, the KV namespace FEEDBACK", importFeedback},
	{"images", "export of saved images, the KV namespace IMAGES_CACHE", importImages},
}

// imported is what became of an export.
type imported struct {
	what                string
	taken, kept, others int
	// unnamed counts what was skipped beyond what is named.
	unnamed int
	// note is one more sentence, if there is something to say.
	note    string
	skipped []skipped
}

// skipped is an entry that was not taken: its place in the export, and why.
type skipped struct {
	Entry  int
	Reason string
}

// importCommand moves people here from the system before this one. It exits with 1 when the import broke off, and with 0
// though entries were skipped, which it names by their place and never by what they say.
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

// importFiles reads the exports one after the other. All of them are opened before the first is read.
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
		if files[i], err = os.Open(path); err != nil { //nolint:gosec // The file that the operator names is the one to read.
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
		done, err := e.take(ctx, importer, files[i])
		done.print(stdout)
		if err != nil {
			return fmt.Errorf("%s: %w", e.flag, err)
		}
	}
	return nil
}

// print says what became of an export, as far as it was read.
func (done *imported) print(out io.Writer) {
	if done == nil {
		return
	}
	_, _ = fmt.Fprintf(out, "%d %s imported, %d already present, %d other entries ignored, %d skipped\n",
		done.taken, done.what, done.kept, done.others, len(done.skipped)+done.unnamed)
	if done.note != "" {
		_, _ = fmt.Fprintln(out, done.note)
	}
	for _, s := range done.skipped {
		_, _ = fmt.Fprintf(out, "  entry %d: %s\n", s.Entry, s.Reason)
	}
	if done.unnamed > 0 {
		_, _ = fmt.Fprintf(out, "  and %d more\n", done.unnamed)
	}
}

func importUsers(ctx context.Context, i *app.Importer, export io.Reader) (*imported, error) {
	done, err := i.Users(ctx, export)
	if done == nil {
		return nil, err
	}
	result := &imported{what: "accounts", taken: done.Imported, kept: done.Kept, others: done.Foreign, unnamed: done.Unnamed}
	if done.Unverifiable > 0 {
		result.note = fmt.Sprintf("%d of them have a password hash in an unknown format; their owners have to reset the password", done.Unverifiable)
	}
	for _, s := range done.Skipped {
		result.skipped = append(result.skipped, skipped(s))
	}
	return result, err
}

func importFeedback(ctx context.Context, i *app.Importer, export io.Reader) (*imported, error) {
	done, err := i.Feedback(ctx, export)
	if done == nil {
		return nil, err
	}
	result := &imported{what: "feedback entries", taken: done.Imported, kept: done.Kept, others: done.Foreign, unnamed: done.Unnamed}
	for _, s := range done.Skipped {
		result.skipped = append(result.skipped, skipped(s))
	}
	return result, err
}

func importImages(ctx context.Context, i *app.Importer, export io.Reader) (*imported, error) {
	done, err := i.Images(ctx, export)
	if done == nil {
		return nil, err
	}
	result := &imported{what: "images", taken: done.Imported, kept: done.Kept, others: done.Foreign, unnamed: done.Unnamed}
	if done.Expired > 0 {
		result.note = fmt.Sprintf("%d more have expired", done.Expired)
	}
	for _, s := range done.Skipped {
		reason := s.Reason
		if s.Picture > 0 {
			reason = fmt.Sprintf("image %d: %s", s.Picture, reason)
		}
		result.skipped = append(result.skipped, skipped{s.Entry, reason})
	}
	return result, err
}
