package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/client"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// exitInterrupted is the exit status of a command that was interrupted while it waited, as shells use it for Ctrl-C.
const exitInterrupted = 130

// callerConfig has the settings of the commands that submit and follow jobs. Flags override the environment.
type callerConfig struct {
	URL    string     `env:"T2I_URL" doc:"URL of the API that api submit, speak, watch, list, cancel, usage and keys call; the API at LISTEN_ADDR if empty."`
	Listen string     `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" doc:"Address of the API if T2I_URL is not set."`
	Key    env.Secret `env:"T2I_API_KEY" doc:"API key, or the token of a member, for these commands. Without one they can submit jobs and follow them by ID, but not list them."`
	// No API key can manage API keys.
	Email    string     `env:"T2I_EMAIL" doc:"Email address with which api keys signs in; it signs out at the end."`
	Password env.Secret `env:"T2I_PASSWORD" doc:"Password with which api keys signs in; asked for on a terminal if empty."`
}

// caller runs a command that submits or follows jobs.
type caller struct {
	*client.Client
	config         callerConfig
	name           string
	stdout, stderr io.Writer
	// json prints jobs as JSON, one per line.
	json bool
	// file is where results are saved; "-" is standard output.
	file string
	// line reports that progress is one line of a terminal.
	line bool
}

// callerCommand is a command that submits or follows jobs. bind adds its flags and returns what it does with its arguments.
type callerCommand struct {
	usage string
	// saves adds -o FILE.
	saves bool
	bind  func(*flag.FlagSet) func(ctx context.Context, c *caller, args []string) error
}

// errUsage reports incorrect usage.
var errUsage = errors.New("incorrect usage")

// usageError returns an error that is errUsage.
func usageError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

// exec runs the command and returns its exit status: 0 on success, 1 if a job or a request failed, 2 on incorrect usage, 130 if
// it was interrupted.
func (k callerCommand) exec(ctx context.Context, name string, args, environ []string, stdout, stderr io.Writer) int {
	c := &caller{name: name, stdout: stdout, stderr: stderr, line: isTerminal(stderr)}
	flags := flag.NewFlagSet("api "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), k.usage)
		flags.PrintDefaults()
	}
	address := flags.String("url", "", "URL of the API (T2I_URL, else LISTEN_ADDR)")
	flags.BoolVar(&c.json, "json", false, "print JSON, one line for each job or key")
	if k.saves {
		flags.StringVar(&c.file, "o", "", `save the result as this file; several as name-1.jpg, name-2.jpg, …; "-" is standard output, "json" means --json`)
	} else {
		flags.StringVar(&c.file, "o", "", `"json" means --json`)
	}
	do := k.bind(flags)
	others, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = c.connect(*address, environ, k.saves)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitUsage
	}
	err = do(ctx, c, others)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(stderr, "api %s: %v; \"api %s -h\" shows examples\n", name, err, name)
		return exitUsage
	case ctx.Err() != nil:
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitInterrupted
	}
	_, _ = fmt.Fprintf(stderr, "api %s: %s\n", name, explain(err))
	return exitFailure
}

// connect makes the client from flags and environment.
func (c *caller) connect(address string, environ []string, saves bool) error {
	if c.file == "json" {
		c.json, c.file = true, ""
	}
	if c.file != "" && !saves {
		return errors.New("-o must be json")
	}
	cfg := &c.config
	if err := env.Load(environ, cfg); err != nil {
		return err
	}
	base, err := operatorConfig{URL: cmp.Or(address, cfg.URL), Listen: cfg.Listen}.base()
	if err != nil {
		return err
	}
	c.Client, err = client.New(client.Config{URL: base.String(), Key: cfg.Key.Reveal()})
	return err
}

// explain returns an error as a sentence that says what to do.
func explain(err error) string {
	var p *client.Problem
	if !errors.As(err, &p) {
		return printable(err.Error())
	}
	sentence := printable(p.Error())
	for _, f := range p.Fields {
		sentence += "\n  " + printable(f.Pointer) + " " + printable(f.Detail)
	}
	if p.Code == "identity_required" {
		sentence += "\nSet T2I_API_KEY to an API key."
	}
	return sentence
}

// isTerminal reports whether w is a terminal, on which a line can be written again.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// submit submits a job and follows it to its end, unless it is not to be waited for.
func (c *caller) submit(ctx context.Context, r client.Request, wait bool) error {
	j, err := c.Submit(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted; the job may have been submitted")
		}
		return err
	}
	if !wait {
		if c.json {
			return c.print(j)
		}
		_, err := fmt.Fprintln(c.stdout, printable(j.ID))
		return err
	}
	return c.follow(ctx, j.ID)
}

// follow shows the progress of a job until it ends, and then prints or saves its result.
func (c *caller) follow(ctx context.Context, id string) error {
	if !c.line {
		_, _ = fmt.Fprintf(c.stderr, "job %s\n", printable(id))
	}
	var last *client.Job
	for j, err := range c.Stream(ctx, id) {
		if err != nil {
			c.endLine()
			if ctx.Err() != nil {
				return fmt.Errorf("stopped waiting; the job goes on, \"api watch %s\" shows it, \"api cancel %s\" cancels it", id, id)
			}
			return err
		}
		last = j
		if c.line {
			_, _ = fmt.Fprintf(c.stderr, "\r\x1b[K%s", printable(progressOf(j)))
		}
	}
	c.endLine()
	if last == nil {
		return errors.New("the stream of the job ended without its state")
	}
	if c.json {
		if err := c.print(last); err != nil {
			return err
		}
	}
	if err := last.Err(); err != nil {
		return err
	}
	return c.result(ctx, last)
}

func (c *caller) endLine() {
	if c.line {
		_, _ = fmt.Fprint(c.stderr, "\r\x1b[K")
	}
}

// progressOf returns the state of a job in a few words.
func progressOf(j *client.Job) string {
	text := j.Kind + " " + j.Status
	if j.QueuePosition != nil && *j.QueuePosition > 0 {
		text += fmt.Sprintf(", %d ahead", *j.QueuePosition)
	}
	if j.Progress != nil {
		text += fmt.Sprintf(", %d %%", *j.Progress)
	}
	if j.ETASeconds != nil && !j.Ended() {
		text += fmt.Sprintf(", about %d s left", *j.ETASeconds)
	}
	if j.WaitingFor != "" {
		text += ", waiting for " + j.WaitingFor
	}
	return text
}

// print prints a job as JSON.
func (c *caller) print(j *client.Job) error {
	_, err := fmt.Fprintf(c.stdout, "%s\n", j.Raw)
	return err
}

// result saves the files of a job, or prints its text and the paths of its files.
func (c *caller) result(ctx context.Context, j *client.Job) error {
	if j.Result == nil {
		return nil
	}
	for _, missing := range j.Result.Missing {
		_, _ = fmt.Fprintf(c.stderr, "image %d is missing: %s\n", missing.Index+1, printable(missing.Error.Error()))
	}
	if j.Result.Text != "" && !c.json {
		if _, err := fmt.Fprintln(c.stdout, strings.Map(plain, j.Result.Text)); err != nil {
			return err
		}
	}
	for _, m := range j.Result.Media {
		switch {
		case c.file == "" && c.json:
		case c.file == "":
			_, _ = fmt.Fprintln(c.stdout, printable(m.URL))
		case c.file == "-":
			if err := c.Download(ctx, m, c.stdout); err != nil {
				return err
			}
		default:
			if err := c.save(ctx, m, numbered(c.file, m.Index, j.Input.N)); err != nil {
				return err
			}
		}
	}
	return nil
}

// plain keeps the line breaks of a text; other control characters could be interpreted by a terminal.
func plain(r rune) rune {
	if r == '\n' || r == '\t' {
		return r
	}
	return []rune(printable(string(r)))[0]
}

// numbered returns the name of a file of a set.
func numbered(name string, index, count int) string {
	if count < 2 {
		return name
	}
	extension := filepath.Ext(name)
	return strings.TrimSuffix(name, extension) + "-" + strconv.Itoa(index+1) + extension
}

// save downloads a file. It replaces one of the same name only once all of it is there.
func (c *caller) save(ctx context.Context, m client.Media, name string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".t2i-*")
	if err != nil {
		return fmt.Errorf("save file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = c.Download(ctx, m, f)
	if closed := f.Close(); err == nil && closed != nil {
		err = fmt.Errorf("save file: %w", closed)
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil { //nolint:gosec // It is as readable as what other programs save.
		return fmt.Errorf("save file: %w", err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("save file: %w", err)
	}
	if !c.json {
		_, _ = fmt.Fprintln(c.stdout, name)
	}
	return nil
}
