package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/broker/backup"
)

const restoreUsage = `usage: api restore [flags] FILE

Restores a backup into an empty store: that in DATA_DIR, on which no API may run, or the NATS of NATS_URL, on which nothing of
this service may have started yet. The whole file is verified before anything is written. Streams get NATS_REPLICAS replicas.
Use the JWT_SECRET of the backed-up installation; otherwise every session ends.

`

// restoreCommand restores or verifies a backup.
func restoreCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api restore", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), restoreUsage)
		flags.PrintDefaults()
	}
	dryRun := flags.Bool("dry-run", false, "only verify the file and print its contents")
	discard := flags.Bool("discard-unfinished", false, "first remove the data of an interrupted restore from the store")
	others, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil && len(others) != 1 {
		err = errors.New("name one file to restore")
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api restore: %v\n", err)
		return exitUsage
	}
	if err := restoreFile(ctx, others[0], *dryRun, *discard, environ, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "api restore: %v\n", err)
		return exitFailure
	}
	return 0
}

// fileBuffer is the buffer size for reading a backup.
const fileBuffer = 1 << 20

func restoreFile(ctx context.Context, path string, dryRun, discard bool, environ []string, stdout, stderr io.Writer) error {
	file, err := os.Open(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	m, err := backup.Verify(bufio.NewReaderSize(file, fileBuffer))
	if err != nil {
		return err
	}
	printManifest(stdout, m)
	if dryRun {
		_, _ = fmt.Fprintln(stdout, "the file is complete and intact; nothing was restored")
		return nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read backup again: %w", err)
	}
	var cfg app.BackupConfig
	log, err := loadSettings(environ, stderr, &cfg)
	if err != nil {
		return err
	}
	sameSecret, err := app.Restore(ctx, cfg, log, m, bufio.NewReaderSize(file, fileBuffer), discard)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(stdout, "restored")
	if !sameSecret {
		_, _ = fmt.Fprintln(stderr, "warning: the backup was made with another JWT_SECRET than this store will be opened with. "+
			"Set that one before the first start, or sessions, links in mails and idempotency keys are no longer valid.")
	}
	return nil
}
