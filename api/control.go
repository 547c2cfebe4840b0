package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	pauseUsage  = "usage: api pause [flags] KIND\n\nStops starting jobs of a kind for a while. Jobs of this kind wait; running ones continue. Calls a running API and needs its ADMIN_KEY.\n\n"
	resumeUsage = "usage: api resume [flags] KIND\n\nStarts jobs of a paused kind again. Calls a running API and needs its ADMIN_KEY.\n\n"
	probeUsage  = "usage: api probe [flags] UPSTREAM\n\nLets the next job try an upstream whose circuit breaker is open, for example after its key or balance was corrected.\nCalls a running API and needs its ADMIN_KEY.\n\n"
	statusUsage = "usage: api status [flags]\n\nShows the circuit breakers of the upstreams, the paused kinds of job, and the runtime switches.\nCalls a running API and needs its ADMIN_KEY.\n\n"
)

// upstreamState and kindState are what the API says about upstreams and kinds.
type upstreamState struct {
	Name   string   `json:"name"`
	State  string   `json:"state"`
	Kinds  []string `json:"kinds"`
	Code   string   `json:"code,omitempty"`
	Status int      `json:"status,omitempty"`
	Since  string   `json:"since,omitempty"`
	Until  string   `json:"until,omitempty"`
	Trips  int      `json:"trips,omitempty"`
}

type kindState struct {
	Kind   string `json:"kind"`
	Paused bool   `json:"paused"`
	Since  string `json:"since,omitempty"`
	Until  string `json:"until,omitempty"`
	Note   string `json:"note,omitempty"`
}

// controlCommand runs one of the commands pause, resume, probe and status.
func controlCommand(ctx context.Context, name string, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api "+name, flag.ContinueOnError)
	usages := map[string]string{"pause": pauseUsage, "resume": resumeUsage, "probe": probeUsage, "status": statusUsage}
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), usages[name])
		flags.PrintDefaults()
	}
	act := func(ctx context.Context, o *operator, subject string) error {
		return o.changeKind(ctx, subject, "resume", nil)
	}
	check := checkKind
	switch name {
	case "pause":
		length := flags.Duration("for", time.Hour, "duration of the pause, at most 720h")
		note := flags.String("note", "", "reason, shown in the health report")
		act = func(ctx context.Context, o *operator, kind string) error {
			return o.changeKind(ctx, kind, "pause", map[string]any{"seconds": int(length.Seconds()), "note": *note})
		}
	case "probe":
		check = checkUpstream
		act = func(ctx context.Context, o *operator, name string) error { return o.probe(ctx, name) }
	case "status":
		check, act = nil, func(ctx context.Context, o *operator, _ string) error { return o.status(ctx) }
	}
	o, others, err := operate(flags, args, environ, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	subject := ""
	switch {
	case err != nil:
	case check == nil && len(others) > 0, check != nil && len(others) > 1:
		err = fmt.Errorf("unexpected argument %q", others[len(others)-1])
	case check != nil && len(others) == 0:
		err = errors.New("missing argument; see -h")
	case check != nil:
		subject = others[0]
		err = check(subject)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitUsage
	}
	if err := act(ctx, o, subject); err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitFailure
	}
	return 0
}

func checkKind(name string) error {
	if !job.Kind(name).Valid() {
		return fmt.Errorf("unknown kind %q; the kinds are %v", name, job.Kinds())
	}
	return nil
}

func checkUpstream(name string) error {
	if !slices.Contains(job.Upstreams(), name) {
		return fmt.Errorf("unknown upstream %q; the upstreams are %v", name, job.Upstreams())
	}
	return nil
}

// changeKind pauses or resumes a kind and says how it stands then.
func (o *operator) changeKind(ctx context.Context, kind, act string, body any) error {
	var state kindState
	if err := o.call(ctx, http.MethodPost, "kinds/"+kind+"/"+act, nil, body, &state); err != nil {
		return err
	}
	if o.json {
		return o.printJSON(state)
	}
	if state.Paused {
		o.printf("%s is paused until %s\n", printable(state.Kind), printable(state.Until))
	} else {
		o.printf("%s is active\n", printable(state.Kind))
	}
	return nil
}

// probe has an upstream tried at once.
func (o *operator) probe(ctx context.Context, name string) error {
	var state upstreamState
	if err := o.call(ctx, http.MethodPost, "upstreams/"+name+"/probe", nil, nil, &state); err != nil {
		return err
	}
	if o.json {
		return o.printJSON(state)
	}
	if state.State == "closed" {
		o.printf("%s is available\n", printable(state.Name))
	} else {
		o.printf("the next job that needs %s tries it\n", printable(state.Name))
	}
	return nil
}

// status prints how every upstream and kind stands.
func (o *operator) status(ctx context.Context) error {
	var answer struct {
		Upstreams []upstreamState `json:"upstreams"`
		Kinds     []kindState     `json:"kinds"`
		Switches  []switchState   `json:"switches"`
	}
	if err := o.call(ctx, http.MethodGet, "control", nil, nil, &answer); err != nil {
		return err
	}
	if o.json {
		return o.printJSON(answer)
	}
	w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tSTATE\tUNTIL\tREASON")
	for _, u := range answer.Upstreams {
		// Operators may read "closed" as "out of service"; for a circuit breaker it is the opposite.
		state, why := "available", ""
		if u.State != "closed" {
			state, why = map[string]string{"half_open": "circuit half-open"}[u.State], u.Code
			if state == "" {
				state = "circuit open"
			}
			if u.Status != 0 {
				why += fmt.Sprintf(" (status %d)", u.Status)
			}
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(u.Name), state, printable(u.Until), printable(why))
	}
	for _, k := range answer.Kinds {
		state := "active"
		if k.Paused {
			state = "paused"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(k.Kind), state, printable(k.Until), printable(k.Note))
	}
	for _, s := range answer.Switches {
		why := s.describe()
		if !s.Set {
			s.Until = ""
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(s.Name), printable(s.Value), printable(s.Until), printable(why))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	return nil
}
