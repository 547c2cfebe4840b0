//go:build unix

// The program chaos runs the chaos tests: it injects faults into the real programs and exits with 1 when a job was lost,
// ended twice or changed its outcome. deploy/chaos.md explains the output.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/lab"
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
	cfg := lab.Config{Module: "."}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&cfg.Seed, "seed", 0, "seed that decides which faults and requests occur, and when; 0 picks one at random")
	flags.DurationVar(&cfg.Duration, "duration", 2*time.Minute, "how long faults are injected and requests sent")
	flags.DurationVar(&cfg.Every, "every", 0, "average time between two faults; the default is 2s, or 5s for a cluster, which needs time for elections, and for one API, which has to start again")
	flags.IntVar(&cfg.Nodes, "nodes", 1, "number of nats-servers, 1 or 3; 0 runs one API with everything in it and cuts its power")
	flags.IntVar(&cfg.Jobs, "jobs", 1000, "maximum number of jobs to submit")
	flags.BoolVar(&cfg.Race, "race", false, "build the programs with the race detector")
	flags.BoolVar(&cfg.Keep, "keep", false, "keep logs and data even if the run passes")
	flags.StringVar(&cfg.Only, "only", "", "inject only this kind of fault, such as \"kill nats\"")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return exitError
	}
	if cfg.Seed == 0 {
		cfg.Seed = uint64(rand.Uint32()) //nolint:gosec // Any seed will do.
	}
	if cfg.Every == 0 {
		cfg.Every = 2 * time.Second
		if cfg.Nodes != 1 {
			cfg.Every = 5 * time.Second
		}
	}
	passed, err := lab.Run(ctx, cfg, stdout)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "chaos: %v\n", err)
		return exitError
	}
	if !passed {
		return exitFailed
	}
	return 0
}
