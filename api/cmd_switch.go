package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
)

const (
	logLevelUsage = "usage: api log-level [flags] [error|warn|info|debug]\n\n" +
		"Shows or changes the log level of all API and worker processes without a restart.\n" +
		"Calls a running API and needs its ADMIN_KEY.\n\n"
	metricsUsage = "usage: api metrics [flags] [on|off]\n\n" +
		"Shows or changes whether all API and worker processes serve metrics without a restart.\n" +
		"Calls a running API and needs its ADMIN_KEY.\n\n"
	acceptUsage = "usage: api accept [flags] [on|off]\n\n" +
		"Shows or changes whether new jobs are accepted, without a restart. While they are not, submissions return 503;\n" +
		"accepted jobs continue and can be read. Calls a running API and needs its ADMIN_KEY.\n\n"
)

// switchState is a runtime switch as the API returns it.
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

// describe returns a line about the last change of a switch.
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

// switchCommand returns the command that shows and changes the runtime switch with the same name.
func switchCommand(name control.SwitchName, usage string) operationCommand {
	return operationCommand{usage, func(flags *flag.FlagSet) operation {
		var c switchChange
		flags.DurationVar(&c.length, "for", 0, "for how long, such as 30m, up to 720h; without it until it is changed again")
		flags.StringVar(&c.until, "until", "", "until when, such as 2026-12-01T06:00:00Z, in place of -for")
		reasonHelp := "why, for other operators"
		if name == control.SwitchAccept {
			reasonHelp = "why; users read it in the response to a submission"
		}
		flags.StringVar(&c.reason, "reason", "", reasonHelp)
		flags.BoolVar(&c.reset, "reset", false, "go back to the setting in the environment of each process")
		var body map[string]any
		return operation{
			check: func(args []string) (err error) {
				body, err = c.body(name, args)
				return err
			},
			run: func(ctx context.Context, o *operator, _ []string) error {
				switch {
				// Every process accepts jobs by default.
				case c.reset, name == control.SwitchAccept && len(body) == 1 && body["value"] == control.SwitchOn:
					return changeSwitch(ctx, o, http.MethodDelete, name, nil)
				case body == nil:
					return showSwitch(ctx, o, name)
				}
				return changeSwitch(ctx, o, http.MethodPost, name, body)
			},
		}
	}}
}

// switchChange has the flags that change a switch.
type switchChange struct {
	length        time.Duration
	until, reason string
	reset         bool
}

// body returns the request body for a change of the switch to the value in args, or nil to show or reset it.
func (c switchChange) body(name control.SwitchName, args []string) (map[string]any, error) {
	if len(args) > 1 {
		return nil, fmt.Errorf("unexpected argument %q", args[1])
	}
	flagged := c.length != 0 || c.until != "" || c.reason != ""
	switch {
	case c.reset && (len(args) > 0 || flagged):
		return nil, errors.New("-reset cannot be combined with a value or other flags")
	case len(args) == 0 && flagged:
		return nil, fmt.Errorf("a value is missing; the values are %s", strings.Join(name.Values(), ", "))
	case len(args) == 0:
		return nil, nil
	case !slices.Contains(name.Values(), args[0]):
		return nil, fmt.Errorf("%q is not a value; the values are %s", args[0], strings.Join(name.Values(), ", "))
	case c.length != 0 && c.until != "":
		return nil, errors.New("-for and -until cannot be combined")
	}
	body := map[string]any{"value": args[0]}
	if c.reason != "" {
		body["reason"] = c.reason
	}
	length := c.length
	if c.until != "" {
		at, err := time.Parse(time.RFC3339, c.until)
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

// showSwitch prints the state of a switch.
func showSwitch(ctx context.Context, o *operator, name control.SwitchName) error {
	var list struct {
		Switches []switchState `json:"switches"`
	}
	if err := o.call(ctx, http.MethodGet, "switches", nil, nil, &list); err != nil {
		return err
	}
	i := slices.IndexFunc(list.Switches, func(s switchState) bool { return s.Name == string(name) })
	if i < 0 {
		return fmt.Errorf("the API does not know the switch %s", name)
	}
	if o.json {
		return o.printJSON(list.Switches[i])
	}
	return o.printSwitch(&list.Switches[i])
}

// changeSwitch changes a switch, or resets it, and prints its new state.
func changeSwitch(ctx context.Context, o *operator, method string, name control.SwitchName, body any) error {
	return show(ctx, o, method, "switches/"+string(name), nil, body, o.printSwitch)
}

func (o *operator) printSwitch(s *switchState) error {
	o.printf("%s is %s (%s)\n", printable(s.Name), printable(s.Value), printable(s.describe()))
	return nil
}
