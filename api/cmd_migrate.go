package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const migrateUsage = `usage: api migrate [--dry-run] [--recreate STREAM]... [-o table|json]

  Makes the changes to stored streams that cannot be undone and that a start therefore refuses to make. The version before
  may not run on them afterwards: make a backup first. Stop every API and worker; --dry-run changes nothing and, with
  NATS_URL, may run beside them. It may be repeated: where nothing has to change it changes nothing.

  It opens the store in DATA_DIR, or connects to NATS_URL.

`

// migrateConfig has the settings of the command.
type migrateConfig struct {
	Broker   broker.Config
	LogLevel string `env:"LOG_LEVEL" envDefault:"error" doc:"Least severity that is logged: error, warn, info or debug."`
}

// stringList is a flag that may be given several times.
type stringList []string

// String returns the values, separated by commas.
func (l *stringList) String() string { return strings.Join(*l, ",") }

// Set adds a value.
func (l *stringList) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// migrateCommand exits with 0 on success, also if there is nothing to change, and with 1 if the migration failed or was refused.
func migrateCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api migrate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, migrateUsage)
		flags.PrintDefaults()
	}
	var m broker.Migration
	flags.BoolVar(&m.DryRun, "dry-run", false, "list the changes and make none")
	flags.Var((*stringList)(&m.Recreate), "recreate", "allow to delete this `stream` with its messages and to create it anew, where NATS cannot change it")
	output := flags.String("o", "table", "output: table or json")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if flags.NArg() > 0 || (*output != "table" && *output != "json") {
		flags.Usage()
		return exitUsage
	}
	if err := migrateStore(ctx, m, *output == "json", environ, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "api migrate: %v\n", err)
		return exitFailure
	}
	return 0
}

func migrateStore(ctx context.Context, m broker.Migration, asJSON bool, environ []string, stdout, stderr io.Writer) error {
	var cfg migrateConfig
	if err := env.Load(environ, &cfg); err != nil {
		return fmt.Errorf("settings:\n%w", err)
	}
	log, err := telemetry.NewLogger(stderr, cfg.LogLevel)
	if err != nil {
		return err
	}
	changes, err := broker.Migrate(ctx, cfg.Broker, m, log)
	if asJSON {
		if changes == nil {
			changes = []broker.Change{}
		}
		e := json.NewEncoder(stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = errors.Join(err, e.Encode(map[string]any{"dry_run": m.DryRun, "changes": changes}))
	} else if err == nil || len(changes) > 0 {
		printChanges(stdout, changes, m.DryRun)
	}
	if errors.Is(err, broker.ErrRecreate) {
		return fmt.Errorf("%w; allow it with --recreate STREAM when the messages can be lost", err)
	}
	return err
}

// printChanges prints changes for a person.
func printChanges(w io.Writer, changes []broker.Change, dryRun bool) {
	for _, c := range changes {
		_, _ = fmt.Fprintf(w, "%s: %s\n", c.Target, c.Action)
		for _, setting := range c.Settings {
			_, _ = fmt.Fprintf(w, "  %s\n", setting)
		}
		if c.Action == broker.ActionRecreate {
			_, _ = fmt.Fprintf(w, "  messages deleted: %d\n", c.Messages)
		}
	}
	switch {
	case len(changes) == 0:
		_, _ = fmt.Fprintln(w, "Nothing was migrated: no stream needs it.")
	case dryRun:
		_, _ = fmt.Fprintln(w, "Nothing was changed (dry run).")
	default:
		_, _ = fmt.Fprintln(w, "Migrated. The version before may not start on this store any more.")
	}
}
