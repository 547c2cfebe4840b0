package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
)

const deploymentsUsage = "usage: api deployments [flags]\n\n" +
	"Lists which builds of the API were started on which hosts, the latest start first, by way of a running API.\n\n"

// deployment is what the API says about one entry of the change record.
type deployment struct {
	Version       string `json:"version"`
	Commit        string `json:"commit"`
	BuildTime     string `json:"build_time"`
	GoVersion     string `json:"go_version"`
	Host          string `json:"host"`
	StartedAt     string `json:"started_at"`
	LastStartedAt string `json:"last_started_at"`
	Starts        int    `json:"starts"`
}

// deploymentsCommand runs the command deployments.
func deploymentsCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api deployments", flag.ContinueOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), deploymentsUsage)
		flags.PrintDefaults()
	}
	o, others, err := operate(flags, args, environ, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("unexpected argument %q", others[0])
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api deployments: %v\n", err)
		return exitUsage
	}
	if err := o.deployments(ctx); err != nil {
		_, _ = fmt.Fprintf(stderr, "api deployments: %v\n", err)
		return exitFailure
	}
	return 0
}

// deployments prints the change record.
func (o *operator) deployments(ctx context.Context) error {
	var answer struct {
		Deployments []deployment `json:"deployments"`
	}
	if err := o.call(ctx, http.MethodGet, "deployments", nil, nil, &answer); err != nil {
		return err
	}
	if o.json {
		return o.printJSON(answer)
	}
	w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "FIRST START\tLAST START\tSTARTS\tHOST\tVERSION\tCOMMIT\tBUILT")
	for _, d := range answer.Deployments {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", printable(d.StartedAt), printable(d.LastStartedAt), d.Starts,
			printable(d.Host), printable(d.Version), printable(d.Commit), printable(d.BuildTime))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print deployments: %w", err)
	}
	return nil
}
