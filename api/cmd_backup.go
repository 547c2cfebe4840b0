package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/broker/backup"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const backupUsage = `usage: api backup [flags] FILE

Writes everything that is stored to one file, while the system runs; "-" writes to standard output. With NATS_URL it reads that
NATS. Otherwise, and with -url or API_URL, it downloads the backup from a running API, whose ADMIN_KEY it needs. FILE must not exist.
It appears under its name once it is complete and verified; until then it is called FILE.NUMBER.partial. It contains accounts: keep it secret.

`

// backupCommand writes a backup. If it fails it exits with 1 and leaves no file.
func backupCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api backup", flag.ContinueOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), backupUsage)
		flags.PrintDefaults()
	}
	flags.SetOutput(stderr)
	address := flags.String("url", "", "URL of the API to download from (API_URL, else LISTEN_ADDR)")
	others, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil && len(others) != 1 {
		err = errors.New("name one file to write")
	}
	var open func(context.Context) (io.ReadCloser, error)
	if err == nil {
		open, err = backupSource(*address, environ, stderr)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api backup: %v\n", err)
		return exitUsage
	}
	var m *backup.Manifest
	if others[0] == "-" {
		m, err = receiveBackup(ctx, open, stdout)
		stdout = stderr // The summary must not get into the backup.
	} else {
		m, err = writeBackup(ctx, open, others[0])
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api backup: %v\n", err)
		return exitFailure
	}
	printManifest(stdout, m)
	return 0
}

// backupSource returns a function that opens a backup: a download from an API, or a backup of the NATS at NATS_URL.
func backupSource(address string, environ []string, stderr io.Writer) (func(context.Context) (io.ReadCloser, error), error) {
	var cfg app.BackupConfig
	var api operatorConfig
	log, err := loadSettings(environ, stderr, &cfg, &api)
	if err != nil {
		return nil, err
	}
	if address == "" && api.URL == "" && !cfg.Broker.Embedded() {
		return func(ctx context.Context) (io.ReadCloser, error) { return pipeBackup(ctx, cfg, log), nil }, nil
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	connect := operatorFlags(flags, environ, nil, stderr)
	if address != "" {
		if err := flags.Set("url", address); err != nil {
			return nil, err
		}
	}
	o, err := connect()
	if err != nil {
		return nil, err
	}
	return o.download, nil
}

// loadSettings reads the settings of configs and returns a logger at LOG_LEVEL.
func loadSettings(environ []string, stderr io.Writer, configs ...any) (*slog.Logger, error) {
	var tele telemetry.Config
	if err := env.Load(environ, append(configs, &tele)...); err != nil {
		return nil, fmt.Errorf("settings:\n%w", err)
	}
	return telemetry.NewLogger(stderr, tele.LogLevel)
}

// pipeBackup returns a reader of a backup that is created while it is read.
func pipeBackup(ctx context.Context, cfg app.BackupConfig, log *slog.Logger) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		_, err := app.Backup(ctx, cfg, log, w)
		w.CloseWithError(err)
	}()
	return r
}

// download starts the download of a backup from an API. It has no timeout: the API aborts a response that stalls for half a
// minute.
func (o *operator) download(ctx context.Context) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.base.JoinPath("api", "admin", "backup").String(), nil)
	if err != nil {
		return nil, fmt.Errorf("create request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+o.key.Reveal())
	resp, err := o.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		return nil, readError(resp)
	}
	return resp.Body, nil
}

// receiveBackup copies a backup to w and verifies it.
func receiveBackup(ctx context.Context, open func(context.Context) (io.ReadCloser, error), w io.Writer) (*backup.Manifest, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := open(ctx)
	if err != nil {
		return nil, err
	}
	source := &errorReader{r: body}
	m, err := backup.Verify(io.TeeReader(source, w))
	if err != nil && source.err != nil {
		err = source.err // The error of the source says more than that the file is incomplete.
	}
	return m, errors.Join(err, body.Close())
}

// errorReader records the error of a reader other than io.EOF.
type errorReader struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (f *errorReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = fmt.Errorf("the backup was interrupted: %w", err)
	}
	return n, err
}

// writeBackup writes a backup to a new file that only its owner can read. The file is synced to disk when writeBackup returns. If
// writeBackup fails, it leaves no file.
func writeBackup(ctx context.Context, open func(context.Context) (io.ReadCloser, error), path string) (m *backup.Manifest, err error) {
	if _, err := os.Lstat(path); err == nil { //nolint:gosec // The operator names the file.
		return nil, fmt.Errorf("%s already exists", path)
	}
	// Each run has its own temporary file, so that a concurrent run for the same path does not interfere.
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial")
	if err != nil {
		return nil, err
	}
	partial := f.Name()
	defer func() {
		if err != nil {
			_ = os.Remove(partial) //nolint:gosec // The operator names the file.
		}
	}()
	if m, err = receiveBackup(ctx, open, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	if err := nameBackup(partial, path); err != nil {
		return nil, fmt.Errorf("name backup: %w", err)
	}
	return m, nil
}

// nameBackup renames a finished file and syncs its directory.
func nameBackup(partial, path string) error {
	// Unlike a rename, a link never replaces a file that was created meanwhile. Not every file system supports links.
	err := os.Link(partial, path)
	switch {
	case err == nil:
		err = os.Remove(partial) //nolint:gosec // The operator names the file.
	case !errors.Is(err, os.ErrExist):
		if _, missing := os.Lstat(path); errors.Is(missing, os.ErrNotExist) { //nolint:gosec // The operator names the file.
			err = os.Rename(partial, path) //nolint:gosec // The operator names the file.
		}
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path)) //nolint:gosec // The operator names the file.
	if err != nil {
		return err
	}
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return errors.Join(err, dir.Close()) // Such a file system does not need it.
	}
	return dir.Close()
}

// printManifest prints the contents of a backup.
func printManifest(out io.Writer, m *backup.Manifest) {
	_, _ = fmt.Fprintf(out, "backup of %s, by version %s, format %d\n", m.StartedAt.Format(time.RFC3339), printable(m.Program), m.Version)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "STREAM\tMESSAGES\tBYTES\t")
	for _, s := range m.Streams {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t\n", printable(s.Name), s.Messages, s.Bytes)
	}
	_ = w.Flush()
}
