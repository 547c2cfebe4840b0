package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

const deadUsage = `usage: api dead <command> [flags]

  list               list dead letters, newest first
  show ID            show a dead letter with the input of its job
  replay ID...       submit the jobs again as new jobs
  replay --all       the same for all that match --kind, --code, --owner and --since
  purge ID...        delete the dead letters for good
  purge --all        the same for all that match --kind, --code, --owner and --since

The commands call a running API and need its ADMIN_KEY. "api dead list -h" lists the flags of a command.
Exit status: 0 on success, 1 if something was refused or failed, 2 on incorrect usage.
`

// dead lists, shows, replays and purges dead letters by way of a running API.
func dead(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	return oneOf(ctx, "dead", deadUsage, map[string]func(*flag.FlagSet) deadCommand{
		"list": deadList, "show": deadShow, "replay": deadReplay, "purge": deadPurge,
	}, args, environ, stdout, stderr)
}

// oneOf runs the command that the first argument names, of a group that goes by a name.
func oneOf(ctx context.Context, group, usage string, commands map[string]func(*flag.FlagSet) deadCommand,
	args, environ []string, stdout, stderr io.Writer,
) int {
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	name := args[0]
	prepare, known := commands[name]
	switch {
	case name == "-h" || name == "--help" || name == "help":
		_, _ = fmt.Fprint(stdout, usage)
		return 0
	case !known:
		_, _ = fmt.Fprintf(stderr, "api %s: unknown command %q\n\n%s", group, name, usage)
		return exitUsage
	}
	flags := flag.NewFlagSet("api "+group+" "+name, flag.ContinueOnError)
	command := prepare(flags)
	o, ids, err := operate(flags, args[1:], environ, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = command.check(ids)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s %s: %v\n", group, name, err)
		return exitUsage
	}
	if err := command.run(ctx, o, ids); err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s %s: %v\n", group, name, err)
		return exitFailure
	}
	return 0
}

// deadCommand is one of the commands, its flags bound.
type deadCommand struct {
	// check refuses arguments that make no sense.
	check func(ids []string) error
	run   func(ctx context.Context, o *operator, ids []string) error
}

// operate reads the flags and arguments of an operator's command.
func operate(flags *flag.FlagSet, args, environ []string, stdout, stderr io.Writer) (*operator, []string, error) {
	connect := operatorFlags(flags, environ, stdout, stderr)
	others, err := parseMixed(flags, args)
	if err != nil {
		return nil, nil, err
	}
	o, err := connect()
	return o, others, err
}

// letterFlags say which dead letters are meant.
type letterFlags struct {
	kind, code, owner string
	since             moment
}

func (l *letterFlags) bind(flags *flag.FlagSet) {
	flags.StringVar(&l.kind, "kind", "", "only these kinds of job, separated by commas")
	flags.StringVar(&l.code, "code", "", "only jobs that failed with one of these codes, separated by commas")
	flags.StringVar(&l.owner, "owner", "", "only jobs of this owner")
	flags.Var(&l.since, "since", "only jobs that failed since then: a duration such as 24h, or a time such as 2026-01-31T12:00:00Z")
}

// any reports whether a flag narrows the letters down.
func (l *letterFlags) any() bool {
	return l.kind != "" || l.code != "" || l.owner != "" || l.since != ""
}

// moment is a time as the API reads it.
type moment string

// String returns the time, or nothing when there is none.
func (m *moment) String() string { return string(*m) }

// Set reads a time, or a span before now.
func (m *moment) Set(text string) error {
	if span, err := time.ParseDuration(text); err == nil && span >= 0 {
		*m = moment(time.Now().Add(-span).UTC().Format(time.RFC3339Nano))
		return nil
	}
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		return errors.New("neither a duration such as 24h nor a time such as 2026-01-31T12:00:00Z")
	}
	*m = moment(strings.TrimSpace(text))
	return nil
}
