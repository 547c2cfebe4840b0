package main

import (
	"context"
	"flag"
	"net/http"
	"strconv"
)

// deployment is an entry of the change record as the API returns it.
type deployment struct {
	Version       string `json:"version"`
	Commit        string `json:"commit"`
	BuildTime     string `json:"build_time"`
	Host          string `json:"host"`
	StartedAt     string `json:"started_at"`
	LastStartedAt string `json:"last_started_at"`
	Starts        int    `json:"starts"`
}

var deploymentsCommand = operationCommand{
	usage: `usage: api deployments [flags]

Lists which builds of the API were started on which hosts, the latest start first. Calls a running API and needs its ADMIN_KEY.

`,
	bind: func(*flag.FlagSet) operation { return operation{noArguments, deployments} },
}

// deployments prints the change record.
func deployments(ctx context.Context, o *operator, _ []string) error {
	type record struct {
		Deployments []deployment `json:"deployments"`
	}
	return show(ctx, o, http.MethodGet, "deployments", nil, nil, func(r *record) error {
		rows := [][]string{{"FIRST START", "LAST START", "STARTS", "HOST", "VERSION", "COMMIT", "BUILT"}}
		for _, d := range r.Deployments {
			rows = append(rows, []string{d.StartedAt, d.LastStartedAt, strconv.Itoa(d.Starts), d.Host, d.Version, d.Commit, d.BuildTime})
		}
		return o.printTable(rows)
	})
}
