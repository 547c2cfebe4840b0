package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
)

var statusCommand = operationCommand{
	usage: `usage: api status [flags]

Shows the circuit breakers of the upstreams, the paused kinds of job, and the runtime switches.
Calls a running API and needs its ADMIN_KEY.

`,
	bind: func(*flag.FlagSet) operation { return operation{noArguments, status} },
}

// status prints the state of every upstream, kind and switch.
func status(ctx context.Context, o *operator, _ []string) error {
	type control struct {
		Upstreams []upstreamState `json:"upstreams"`
		Kinds     []kindState     `json:"kinds"`
		Switches  []switchState   `json:"switches"`
	}
	return show(ctx, o, http.MethodGet, "control", nil, nil, func(c *control) error {
		rows := [][]string{{"NAME", "STATE", "UNTIL", "REASON"}}
		for _, u := range c.Upstreams {
			state, reason := u.describe()
			rows = append(rows, []string{u.Name, state, u.Until, reason})
		}
		for _, k := range c.Kinds {
			state := "active"
			if k.Paused {
				state = "paused"
			}
			rows = append(rows, []string{k.Kind, state, k.Until, k.Note})
		}
		for _, s := range c.Switches {
			until := s.Until
			if !s.Set {
				until = ""
			}
			rows = append(rows, []string{s.Name, s.Value, until, s.describe()})
		}
		return o.printTable(rows)
	})
}

// describe returns the state of an upstream and its reason. It does not use "closed", which operators may misread as "out of
// service".
func (u upstreamState) describe() (state, reason string) {
	switch u.State {
	case "closed":
		return "available", ""
	case "half_open":
		state = "circuit half-open"
	default:
		state = "circuit open"
	}
	reason = u.Code
	if u.Status != 0 {
		reason += fmt.Sprintf(" (status %d)", u.Status)
	}
	return state, reason
}
