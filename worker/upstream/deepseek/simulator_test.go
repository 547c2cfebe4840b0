package deepseek_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// simulated returns a simulator and a client for it. An idle time of 0 means the default.
func simulated(t *testing.T, idle time.Duration) (*simulator.Simulator, *deepseek.Client) {
	t.Helper()
	sim, http := upstreamtest.Simulate(t)
	cfg := deepseek.Config{URL: sim.DeepSeekURL(), Key: canaryKey, HTTP: http}
	cfg.SetIdle(idle)
	client, err := deepseek.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sim, client
}

func TestSimulated(t *testing.T) {
	t.Parallel()
	_, client := simulated(t, 0)
	better, err := client.Improve(t.Context(), "a red fox", nil)
	if err != nil || !strings.Contains(better.Text, "a red fox") || len(better.Text) < 30 || strings.Contains(better.Text, "<text>") {
		t.Errorf("improved %+v, %v", better, err)
	}
	if better.PromptTokens == 0 || better.CompletionTokens == 0 {
		t.Errorf("improved %+v", better)
	}
	english, err := client.Translate(t.Context(), "一只猫在月光下", nil)
	if err != nil || english.Text != "A cat in the moonlight" {
		t.Errorf("translated %+v, %v", english, err)
	}
}

// TestSimulatedFaults checks the classification of every fault; responses with a fault in good are still usable.
func TestSimulatedFaults(t *testing.T) {
	t.Parallel()
	want := map[string]upstreamtest.Verdict{
		"bad_request": upstreamtest.Rejected, "unprocessable": upstreamtest.Rejected, "unknown_model": upstreamtest.Misconfigured, "retired_model": upstreamtest.Misconfigured,
		"unauthorized": upstreamtest.Misconfigured, "no_balance": upstreamtest.Misconfigured, "moderated": upstreamtest.Moderated,
		"rate_limited": upstreamtest.Throttled, "concurrency": upstreamtest.Throttled, "server_error": upstreamtest.Unavailable, "unavailable": upstreamtest.Unavailable,
		"html_502": upstreamtest.Unavailable, "html_504": upstreamtest.GatewayTimeout, "html_524": upstreamtest.GatewayTimeout, "text_503": upstreamtest.Unavailable, "text_530": upstreamtest.Unavailable,
		"reset": upstreamtest.Unavailable, "hang": upstreamtest.TimedOut, "silent_stream": upstreamtest.TimedOut, "endless_keepalive": upstreamtest.TimedOut, "stalled": upstreamtest.TimedOut,
		"empty": upstreamtest.Invalid, "wrong_type": upstreamtest.Invalid, "not_json": upstreamtest.Invalid, "garbage": upstreamtest.Invalid, "truncated": upstreamtest.Invalid,
		"stream_without_done": upstreamtest.Invalid, "empty_content": upstreamtest.Invalid, "finish_tool_calls": upstreamtest.Invalid, "finish_length": upstreamtest.Invalid,
		"finish_content_filter": upstreamtest.Moderated, "finish_insufficient_system_resource": upstreamtest.Unavailable,
	}
	good := []string{"blank_lines", "keepalive_comments", "usage_chunk", "split_chunks"}
	upstreamtest.EachFault(t, want, func(ctx context.Context, t *testing.T, rule simulator.Rule, idle time.Duration, want *upstreamtest.Verdict) {
		if want == nil && !slices.Contains(good, rule.Fault) {
			return
		}
		sim, client := simulated(t, idle)
		simulatortest.Script(t, sim, rule)
		got, err := client.Improve(ctx, canaryPrompt, nil)
		if want != nil {
			requireFault(t, err, want.Class, want.Code)
		} else if err != nil || !strings.Contains(got.Text, "yellow") {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
