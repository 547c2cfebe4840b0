//go:build linux

// The program bench measures the program api as a user would run it, each figure beside its ceiling in the same run.
// deploy/capacity.md explains the output.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/text2image-audio/text2image-audio/pkg/bench/ceiling"
	"github.com/text2image-audio/text2image-audio/pkg/bench/measure"
)

const (
	exitFailed = 1
	exitError  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[0] == measure.CeilingCommand {
		if err := ceiling.Serve(ctx, args[1]); err != nil {
			_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
			return exitFailed
		}
		return 0
	}
	cfg := measure.Config{Module: "."}
	var selected string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&selected, "run", "", "regular expression of the measurements to run; the default is all")
	flags.Float64Var(&cfg.Scale, "scale", 1, "fraction of the number of jobs, streams and seconds, above 0 and up to 1")
	flags.IntVar(&cfg.Runs, "runs", 1, "number of runs, of whose figures the medians are reported")
	flags.StringVar(&cfg.Dir, "dir", "", "directory on the disk to measure; the default is that of temporary files")
	path := flags.String("json", "bench.json", "file to write the figures to; none if empty")
	list := flags.Bool("list", false, "list the measurements and exit")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return exitError
	}
	if *list {
		for _, name := range measure.Names() {
			_, _ = fmt.Fprintln(stdout, name)
		}
		return 0
	}
	var err error
	if cfg.Select, err = regexp.Compile(selected); err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitError
	}
	report, err := measure.Run(ctx, cfg, stdout)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	_, _ = fmt.Fprintf(stdout, "\n%s", report)
	if *path == "" {
		return 0
	}
	if err := report.WriteFile(*path); err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitError
	}
	return 0
}
