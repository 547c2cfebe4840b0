package pollinations_test

import (
	"bytes"
	"context"
	"image"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// simulated returns a simulator and a client for it. An idle time of 0 means the default.
func simulated(
	t *testing.T, idle time.Duration, changes ...func(*simulator.Simulator, *pollinations.Config),
) (*simulator.Simulator, *pollinations.Client) {
	t.Helper()
	sim, http := upstreamtest.Simulate(t)
	cfg := pollinations.Config{
		BaseURL: sim.PollinationsURL(), SpeechBaseURL: sim.PollinationsURL() + "/v1",
		Token: canaryKey, HTTP: http,
	}
	cfg.SetIdle(idle)
	for _, change := range changes {
		change(sim, &cfg)
	}
	client, err := pollinations.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sim, client
}

func TestSimulatedImages(t *testing.T) {
	t.Parallel()
	sim, client := simulated(t, 0)
	requests := []pollinations.ImageRequest{
		{Prompt: "月光下的猫 / 100% alive? #1", Model: "flux", Width: 321, Height: 123, Seed: 5},
		{Prompt: strings.Repeat("一只猫", 400), Model: "flux", Width: 64, Height: 64, Seed: 5},
		{Prompt: "a cat", Negative: "dogs", Model: "gptimage", Width: 96, Height: 64, Transparent: true},
	}
	for n, request := range requests {
		first, err := client.Image(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if first.Width != request.Width || first.Height != request.Height {
			t.Errorf("image %d is %dx%d", n, first.Width, first.Height)
		}
		if _, _, err := image.Decode(bytes.NewReader(first.Data)); err != nil {
			t.Errorf("image %d: %v", n, err)
		}
		again, err := client.Image(t.Context(), request)
		if err != nil || !bytes.Equal(first.Data, again.Data) {
			t.Errorf("image %d differs the second time: %v", n, err)
		}
	}
	drawn := sim.Calls(simulator.KindImage)[0].Prompt
	if drawn != requests[0].Prompt {
		t.Errorf("the gateway received %q", drawn)
	}
}

// TestPromptsLikePaths sends prompts that look like paths or routes of a service, such as /image/models.
func TestPromptsLikePaths(t *testing.T) {
	t.Parallel()
	prompts := []string{"models", " Models ", "models/", "MODELS", ".", "..", "...", "/", "///", "../models", "./models", "a/../models", "feed", "prompt/..", "openai"}
	for name, change := range map[string]func(*simulator.Simulator, *pollinations.Config){
		"gateway": func(*simulator.Simulator, *pollinations.Config) {},
		"legacy": func(sim *simulator.Simulator, cfg *pollinations.Config) {
			asLegacy(cfg)
			cfg.BaseURL, cfg.SpeechBaseURL, cfg.Token = sim.LegacyImageURL(), sim.LegacyTextURL(), ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, client := simulated(t, 0, change)
			for _, prompt := range prompts {
				request := pollinations.ImageRequest{Prompt: prompt, Model: "flux", Width: 64, Height: 64, Seed: 5}
				media, err := client.Image(t.Context(), request)
				if err != nil || media.Width != 64 {
					t.Errorf("%q: %+v, %v", prompt, media, err)
					continue
				}
				calls := sim.Calls(simulator.KindImage)
				// Except for spaces, the prompt arrives unchanged.
				withoutSpaces := func(s string) string { return strings.ReplaceAll(s, " ", "") }
				if got := calls[len(calls)-1].Prompt; withoutSpaces(got) != withoutSpaces(prompt) {
					t.Errorf("%q arrived as %q", prompt, got)
				}
			}
			if name == "gateway" {
				return
			}
			for _, text := range []string{"models", "openai/models", "..", "Feed"} {
				if _, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: text, Model: "openai-audio"}); err != nil {
					t.Errorf("speech of %q: %v", text, err)
				}
			}
		})
	}
}

func TestSimulatedSpeech(t *testing.T) {
	t.Parallel()
	_, client := simulated(t, 0)
	for format, contentType := range map[string]string{"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm"} {
		got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "Good morning, 早上好", Format: format})
		if err != nil || got.ContentType != contentType || len(got.Data) < 1000 {
			t.Errorf("%s: %+v, %v", format, got, err)
		}
		if format == "mp3" {
			continue
		}
		fast, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "Good morning, 早上好", Format: format, Speed: 2})
		if err != nil || fast.ContentType != contentType || math.Abs(2*float64(len(fast.Data))/float64(len(got.Data))-1) > 0.03 {
			t.Errorf("%s at twice the speed: %d of %d bytes, %v", format, len(fast.Data), len(got.Data), err)
		}
	}
	_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "x", Voice: "unknown"})
	upstreamtest.RequireError(t, err, fault.Permanent, job.CodeRejected)
}

// TestSimulatedFaults checks the classification of every fault, for an image and for speech. Any other fault of the
// simulator must end in a good response or an error without secrets.
func TestSimulatedFaults(t *testing.T) {
	t.Parallel()
	want := map[string]upstreamtest.Verdict{
		"bad_request": upstreamtest.Rejected, "unprocessable": upstreamtest.Rejected, "not_found": upstreamtest.Rejected, "payload_too_large": upstreamtest.Rejected,
		"unknown_model": upstreamtest.Rejected, "retired_model": upstreamtest.Rejected, "paid_only": upstreamtest.Rejected, "forbidden": upstreamtest.Rejected,
		"unauthorized": upstreamtest.Misconfigured, "no_balance": upstreamtest.Misconfigured, "key_budget_exhausted": upstreamtest.Misconfigured, "balance_forbidden": upstreamtest.Misconfigured,
		"moderated": upstreamtest.Moderated, "safety_block": upstreamtest.Moderated,
		"rate_limited": upstreamtest.Throttled, "rate_limited_pk": upstreamtest.Throttled, "concurrency": upstreamtest.Throttled, "rate_limited_interval": upstreamtest.Throttled,
		"server_error": upstreamtest.Unavailable, "bad_gateway": upstreamtest.Unavailable, "unavailable": upstreamtest.Unavailable, "gateway_timeout": upstreamtest.GatewayTimeout,
		"html_502": upstreamtest.Unavailable, "html_504": upstreamtest.GatewayTimeout, "html_524": upstreamtest.GatewayTimeout, "text_503": upstreamtest.Unavailable, "text_530": upstreamtest.Unavailable,
		"html_520": upstreamtest.Unavailable, "html_521": upstreamtest.Unavailable, "html_522": upstreamtest.GatewayTimeout, "html_523": upstreamtest.Unavailable,
		"banned": upstreamtest.Misconfigured, "insufficient_balance": upstreamtest.Misconfigured, "redirect": upstreamtest.Unavailable,
		"method_not_allowed": upstreamtest.Rejected, "unsupported_media_type": upstreamtest.Rejected, "failed_to_download_image": upstreamtest.Reference,
		"invalid_image_url": upstreamtest.Reference, "image_too_large": upstreamtest.Reference, "unsupported_image_media_type": upstreamtest.Reference,
		"endless_body": upstreamtest.Invalid, "gzip_bomb": upstreamtest.Invalid, "error_picture_throttled": upstreamtest.Throttled,
		"reset": upstreamtest.Unavailable, "error_picture": upstreamtest.Unavailable, "stalled": upstreamtest.TimedOut, "hang": upstreamtest.TimedOut,
		"truncated": upstreamtest.Invalid, "empty": upstreamtest.Invalid, "wrong_type": upstreamtest.Invalid, "not_json": upstreamtest.Invalid, "garbage": upstreamtest.Invalid,
	}
	upstreamtest.EachFault(t, want, func(ctx context.Context, t *testing.T, rule simulator.Rule, idle time.Duration, want *upstreamtest.Verdict) {
		sim, client := simulated(t, idle)
		simulatortest.Script(t, sim, rule)
		_, imageErr := client.Image(ctx, pollinations.ImageRequest{Prompt: canaryPrompt, Model: "flux", Width: 64, Height: 64})
		_, speechErr := client.Speech(ctx, pollinations.SpeechRequest{Text: canaryPrompt})
		for _, err := range []error{imageErr, speechErr} {
			switch {
			case want != nil:
				upstreamtest.RequireError(t, err, want.Class, want.Code)
			case err != nil:
				upstreamtest.RequireNoSecret(t, upstreamtest.Error(t, err))
			}
		}
	})
}
