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

// operation is a command that calls a running API.
type operation struct {
	// check, if not nil, returns an error for invalid arguments.
	check func(args []string) error
	run   func(ctx context.Context, o *operator, args []string) error
}

// operationCommand is an operation as a subcommand. usage is printed above the flags; bind adds the flags of the operation.
type operationCommand struct {
	usage string
	bind  func(*flag.FlagSet) operation
}

// exec runs the command as "api NAME" and returns its exit status: 2 on incorrect usage, 1 if the operation failed.
func (c operationCommand) exec(ctx context.Context, name string, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api "+name, flag.ContinueOnError)
	if c.usage != "" {
		flags.Usage = func() {
			_, _ = fmt.Fprint(flags.Output(), c.usage)
			flags.PrintDefaults()
		}
	}
	op := c.bind(flags)
	connect := operatorFlags(flags, environ, stdout, stderr)
	others, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	var o *operator
	if err == nil {
		o, err = connect()
	}
	if err == nil && op.check != nil {
		err = op.check(others)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitUsage
	}
	if err := op.run(ctx, o, others); err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitFailure
	}
	return 0
}

// operationGroup is a command with subcommands, such as "api dead".
type operationGroup struct {
	name, usage string
	commands    map[string]func(*flag.FlagSet) operation
}

// exec runs the subcommand that the first argument names.
func (g operationGroup) exec(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, g.usage)
		return exitUsage
	}
	name := args[0]
	if name == "-h" || name == "--help" || name == "help" {
		_, _ = fmt.Fprint(stdout, g.usage)
		return 0
	}
	bind, known := g.commands[name]
	if !known {
		_, _ = fmt.Fprintf(stderr, "api %s: unknown command %q\n\n%s", g.name, name, g.usage)
		return exitUsage
	}
	return operationCommand{bind: bind}.exec(ctx, g.name+" "+name, args[1:], environ, stdout, stderr)
}

// noArguments is the check of operations that take flags only.
func noArguments(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// oneArgument returns a check for exactly one argument that passes valid.
func oneArgument(valid func(string) error) func([]string) error {
	return func(args []string) error {
		switch len(args) {
		case 0:
			return errors.New("missing argument; see -h")
		case 1:
			return valid(args[0])
		}
		return fmt.Errorf("unexpected argument %q", args[len(args)-1])
	}
}

// timeFlag is a flag with a time in the format of the API.
type timeFlag string

// String returns the time, or "" if it is not set.
func (t *timeFlag) String() string { return string(*t) }

// time returns the time, zero if it is not set.
func (t *timeFlag) time() time.Time {
	parsed, _ := time.Parse(time.RFC3339, string(*t)) // Set has checked it.
	return parsed
}

// Set parses a time, or a duration before now.
func (t *timeFlag) Set(text string) error {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		*t = timeFlag(time.Now().Add(-d).UTC().Format(time.RFC3339Nano))
		return nil
	}
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		return errors.New("neither a duration such as 24h nor a time such as 2026-01-31T12:00:00Z")
	}
	*t = timeFlag(strings.TrimSpace(text))
	return nil
}
