package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// upstreamState is the circuit breaker of an upstream as the API returns it.
type upstreamState struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Code   string `json:"code"`
	Status int    `json:"status"`
	Until  string `json:"until"`
}

var probeCommand = operationCommand{
	usage: `usage: api probe [flags] UPSTREAM

Lets the next job try an upstream whose circuit breaker is open, for example after its key or balance was corrected.
Providers of the file that UPSTREAMS names have circuit breakers of their own, such as image-local.
Calls a running API and needs its ADMIN_KEY.

`,
	bind: func(*flag.FlagSet) operation { return operation{oneArgument(checkUpstream), probe} },
}

func checkUpstream(name string) error {
	if _, isProvider := job.ServedUpstream(name); !isProvider && !slices.Contains(job.Upstreams(), name) {
		return fmt.Errorf("unknown upstream %q; the upstreams are %v, and providers such as %s", name, job.Upstreams(),
			job.ProviderCircuit(job.UpstreamImage, "NAME"))
	}
	return nil
}

func probe(ctx context.Context, o *operator, args []string) error {
	return show(ctx, o, http.MethodPost, "upstreams/"+args[0]+"/probe", nil, nil, func(u *upstreamState) error {
		if u.State == "closed" {
			o.printf("%s is available\n", printable(u.Name))
		} else {
			o.printf("the next job that needs %s tries it\n", printable(u.Name))
		}
		return nil
	})
}
