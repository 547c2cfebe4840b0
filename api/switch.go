package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
)

const (
	logLevelUsage = "usage: api log-level [flags] [error|warn|info|debug]\n\n" +
		"Shows or changes the log level of all API and worker processes, by way of a running API and without a restart.\n\n"
	metricsUsage = "usage: api metrics [flags] [on|off]\n\n" +
		"Shows or changes whether all API and worker processes serve metrics, by way of a running API and without a restart.\n\n"
	acceptUsage = "usage: api accept [flags] [on|off]\n\n" +
		"Shows or changes whether new jobs are accepted, by way of a running API and without a restart. While they are not,\n" +
		"submissions are answered with 503; accepted jobs go on and can be read.\n\n"
)

// switchState is what the API says about a runtime switch.
type switchState struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Set     bool   `json:"set"`
	Since   string `json:"since,omitempty"`
	Until   string `json:"until,omitempty"`
	Reason  string `json:"reason,omitempty"`
	By      *struct {
		Address string `json:"address,omitempty"`
		Key     string `json:"key,omitempty"`
	} `json:"by,omitempty"`
}

// describe says in a line how a switch was changed last.
func (s switchState) describe() string {
	changed := s.Since
	if s.By != nil {
		changed += " by " + s.By.Address + " with key " + s.By.Key
	}
	parts := []string{"from the environment"}
	switch {
	case s.Set:
		parts = []string{"set " + changed}
	case s.Since != "":
		parts = append(parts, "last changed "+changed)
	}
	if s.Set && s.Until != "" {
		parts = append(parts, "until "+s.Until)
	}
	if s.Set && s.Reason != "" {
		parts = append(parts, "reason: "+s.Reason)
	}
	if s.Set && s.Default != s.Value {
		parts = append(parts, "environment: "+s.Default)
	}
	return strings.Join(parts, ", ")
}

// switchCommand runs one of the commands log-level, metrics and accept.
func switchCommand(ctx context.Context, name string, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api "+name, flag.ContinueOnError)
	usages := map[string]string{"log-level": logLevelUsage, "metrics": metricsUsage, "accept": acceptUsage}
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), usages[name])
		flags.PrintDefaults()
	}
	length := flags.Duration("for", 0, "for how long, such as 30m, up to 720h; without it until it is changed again")
	until := flags.String("until", "", "until when, such as 2026-12-01T06:00:00Z, in place of -for")
	reasonHelp := "why, for other operators"
	if name == "accept" {
		reasonHelp = "why; users read it in the answer to a submission"
	}
	reason := flags.String("reason", "", reasonHelp)
	reset := flags.Bool("reset", false, "go back to what the environment of each process says")
	o, others, err := operate(flags, args, environ, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	var body map[string]any
	if err == nil {
		body, err = switchChange(control.SwitchName(name), others, *length, *until, *reason, *reset)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitUsage
	}
	method := http.MethodPost
	switch {
	case *reset, name == string(control.SwitchAccept) && body != nil && body["value"] == control.SwitchOn && len(body) == 1:
		// Accepting jobs is what every process does by itself.
		method, body = http.MethodDelete, nil
	case body == nil:
		method = http.MethodGet
	}
	if err := o.switched(ctx, name, method, body); err != nil {
		_, _ = fmt.Fprintf(stderr, "api %s: %v\n", name, err)
		return exitFailure
	}
	return 0
}

// switchChange returns the body of the request that arguments and flags ask for; nil to show the switch.
func switchChange(name control.SwitchName, others []string, length time.Duration, until, reason string, reset bool) (map[string]any, error) {
	if len(others) > 1 {
		return nil, fmt.Errorf("unexpected argument %q", others[1])
	}
	flagged := length != 0 || until != "" || reason != ""
	switch {
	case reset && (len(others) > 0 || flagged):
		return nil, errors.New("-reset stands alone")
	case len(others) == 0 && flagged:
		return nil, fmt.Errorf("a value is missing; there are %s", strings.Join(name.Values(), ", "))
	case len(others) == 0:
		return nil, nil
	case !slices.Contains(name.Values(), others[0]):
		return nil, fmt.Errorf("%q is no value; there are %s", others[0], strings.Join(name.Values(), ", "))
	case length != 0 && until != "":
		return nil, errors.New("-for and -until exclude each other")
	}
	body := map[string]any{"value": others[0]}
	if reason != "" {
		body["reason"] = reason
	}
	if until != "" {
		at, err := time.Parse(time.RFC3339, until)
		if err != nil {
			return nil, errors.New("-until must be a time such as 2026-12-01T06:00:00Z or 2026-12-01T14:00:00+08:00")
		}
		length = time.Until(at)
		if length <= 0 {
			return nil, errors.New("-until is in the past")
		}
	}
	if length < 0 {
		return nil, errors.New("-for must be above zero")
	}
	if length > 0 {
		body["seconds"] = max(1, int(length.Round(time.Second)/time.Second))
	}
	return body, nil
}

// switched sends a request about a switch and prints how it stands then.
func (o *operator) switched(ctx context.Context, name, method string, body map[string]any) error {
	var state switchState
	if method == http.MethodGet {
		var all struct {
			Switches []switchState `json:"switches"`
		}
		if err := o.call(ctx, method, "switches", nil, nil, &all); err != nil {
			return err
		}
		i := slices.IndexFunc(all.Switches, func(s switchState) bool { return s.Name == name })
		if i < 0 {
			return fmt.Errorf("the API does not know the switch %s", name)
		}
		state = all.Switches[i]
	} else {
		var encoded any
		if body != nil {
			encoded = body
		}
		if err := o.call(ctx, method, "switches/"+name, nil, encoded, &state); err != nil {
			return err
		}
	}
	if o.json {
		return o.printJSON(state)
	}
	o.printf("%s is %s (%s)\n", printable(state.Name), printable(state.Value), printable(state.describe()))
	return nil
}
