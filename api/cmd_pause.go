package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// kindState is a kind of job as the API returns it.
type kindState struct {
	Kind   string `json:"kind"`
	Paused bool   `json:"paused"`
	Until  string `json:"until"`
	Note   string `json:"note"`
}

var pauseCommand = operationCommand{
	usage: `usage: api pause [flags] KIND

Stops starting jobs of a kind for a while. Jobs of this kind wait; running ones continue. Calls a running API and needs its ADMIN_KEY.

`,
	bind: func(flags *flag.FlagSet) operation {
		length := flags.Duration("for", time.Hour, "duration of the pause, at most 720h")
		note := flags.String("note", "", "reason, shown in the health report")
		return operation{oneArgument(checkKind), func(ctx context.Context, o *operator, args []string) error {
			return changeKind(ctx, o, args[0]+"/pause", map[string]any{"seconds": int(length.Seconds()), "note": *note})
		}}
	},
}

var resumeCommand = operationCommand{
	usage: "usage: api resume [flags] KIND\n\nStarts jobs of a paused kind again. Calls a running API and needs its ADMIN_KEY.\n\n",
	bind: func(*flag.FlagSet) operation {
		return operation{oneArgument(checkKind), func(ctx context.Context, o *operator, args []string) error {
			return changeKind(ctx, o, args[0]+"/resume", nil)
		}}
	},
}

func checkKind(name string) error {
	if !job.Kind(name).Valid() {
		return fmt.Errorf("unknown kind %q; the kinds are %v", name, job.Kinds())
	}
	return nil
}

// changeKind pauses or resumes a kind and prints its new state.
func changeKind(ctx context.Context, o *operator, path string, body any) error {
	return show(ctx, o, http.MethodPost, "kinds/"+path, nil, body, func(k *kindState) error {
		if k.Paused {
			o.printf("%s is paused until %s\n", printable(k.Kind), printable(k.Until))
		} else {
			o.printf("%s is active\n", printable(k.Kind))
		}
		return nil
	})
}
