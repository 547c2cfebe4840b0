package deepseek_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
)

// simulated returns a simulator and a client that talks to it. An idle time of 0 is the default one.
func simulated(t *testing.T, idle time.Duration) (*simulator.Simulator, *deepseek.Client) {
	t.Helper()
	sim := simulator.New(simulator.Config{})
	if err := sim.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	transport := upstream.NewTransport(upstream.Options{})
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := sim.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	client, err := deepseek.New(deepseek.Config{
		URL: sim.DeepSeekURL(), Key: canaryKey, HTTP: &http.Client{Transport: transport}, Idle: idle,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sim, client
}

func TestSimulated(t *testing.T) {
	t.Parallel()
	_, client := simulated(t, 0)
	better, err := client.Improve(t.Context(), "a red fox")
	if err != nil || !strings.Contains(better.Text, "a red fox") || len(better.Text) < 30 || strings.Contains(better.Text, "<text>") {
		t.Errorf("improved %+v, %v", better, err)
	}
	if better.PromptTokens == 0 || better.CompletionTokens == 0 || better.Model == "" {
		t.Errorf("improved %+v", better)
	}
	english, err := client.Translate(t.Context(), "一只猫在月光下")
	if err != nil || english.Text != "A cat in the moonlight" {
		t.Errorf("translated %+v, %v", english, err)
	}
}

// What each fault of the simulator must be taken for; one that is not named here leaves the answer good.
func TestSimulatedFaults(t *testing.T) {
	t.Parallel()
	type verdict struct {
		class fault.Class
		code  string
		// silent is a time-out that comes of our own patience and not with a status.
		silent bool
	}
	var (
		unavailable   = verdict{class: fault.Retryable, code: job.CodeUnavailable}
		invalid       = verdict{class: fault.Retryable, code: job.CodeInvalidAnswer}
		timedOut      = verdict{class: fault.Retryable, code: job.CodeTimeout, silent: true}
		late          = verdict{class: fault.Retryable, code: job.CodeTimeout}
		throttled     = verdict{class: fault.Throttled, code: job.CodeThrottled}
		rejected      = verdict{class: fault.Permanent, code: job.CodeRejected}
		moderated     = verdict{class: fault.Moderated, code: job.CodeModerated}
		misconfigured = verdict{class: fault.Misconfigured, code: job.CodeMisconfigured}
	)
	want := map[string]verdict{
		"bad_request": rejected, "unprocessable": rejected, "unknown_model": misconfigured, "retired_model": misconfigured,
		"unauthorized": misconfigured, "no_balance": misconfigured, "moderated": moderated,
		"rate_limited": throttled, "concurrency": throttled, "server_error": unavailable, "unavailable": unavailable,
		"html_502": unavailable, "html_504": late, "html_524": late, "text_503": unavailable, "text_530": unavailable,
		"reset": unavailable, "hang": timedOut, "silent_stream": timedOut, "endless_keepalive": timedOut, "stalled": timedOut,
		"empty": invalid, "wrong_type": invalid, "not_json": invalid, "garbage": invalid, "truncated": invalid,
		"stream_without_done": invalid, "empty_content": invalid, "finish_tool_calls": invalid, "finish_length": invalid,
		"finish_content_filter": moderated, "finish_insufficient_system_resource": unavailable,
	}
	good := []string{"blank_lines", "keepalive_comments", "usage_chunk", "split_chunks"}
	sim, _ := simulated(t, 0)
	names := sim.FaultNames()
	for name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("the simulator knows no fault %q", name)
		}
	}
	for _, name := range names {
		verdict, bad := want[name]
		if !bad && !slices.Contains(good, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idle := time.Duration(0)
			if verdict.silent {
				idle = 200 * time.Millisecond
			}
			sim, client := simulated(t, idle)
			if err := sim.Script(simulator.Rule{Fault: name}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if name == "hang" {
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			got, err := client.Improve(ctx, canaryPrompt)
			if !bad {
				if err != nil || !strings.Contains(got.Text, "yellow") {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			requireFault(t, err, verdict.class, verdict.code)
		})
	}
}
