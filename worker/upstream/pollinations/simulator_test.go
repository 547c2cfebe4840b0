package pollinations_test

import (
	"bytes"
	"context"
	"image"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// simulated returns a simulator and a client that talks to it. An idle time of 0 is the default one.
func simulated(
	t *testing.T, idle time.Duration, changes ...func(*simulator.Simulator, *pollinations.Config),
) (*simulator.Simulator, *pollinations.Client) {
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
	cfg := pollinations.Config{
		BaseURL: sim.PollinationsURL(), SpeechBaseURL: sim.PollinationsURL() + "/v1",
		Token: canaryKey, HTTP: &http.Client{Transport: transport}, Idle: idle,
	}
	for _, change := range changes {
		change(sim, &cfg)
	}
	client, err := pollinations.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sim, client
}

func TestSimulatedPictures(t *testing.T) {
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
			t.Errorf("picture %d is %dx%d", n, first.Width, first.Height)
		}
		if _, _, err := image.Decode(bytes.NewReader(first.Data)); err != nil {
			t.Errorf("picture %d: %v", n, err)
		}
		again, err := client.Image(t.Context(), request)
		if err != nil || !bytes.Equal(first.Data, again.Data) {
			t.Errorf("picture %d differs the second time: %v", n, err)
		}
	}
	drawn := sim.Calls(simulator.KindImage)[0].Prompt
	if drawn != requests[0].Prompt {
		t.Errorf("the gateway understood %q", drawn)
	}
}

// TestPromptsSpelledLikePaths asks for pictures of words that are paths to a service, of which the gateway's /image/models
// lists its models.
func TestPromptsSpelledLikePaths(t *testing.T) {
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
				// Beside blanks the words arrive as they are.
				bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
				if got := calls[len(calls)-1].Prompt; bare(got) != bare(prompt) {
					t.Errorf("%q arrived as %q", prompt, got)
				}
			}
			if name == "gateway" {
				return
			}
			for _, text := range []string{"models", "openai/models", "..", "Feed"} {
				if _, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: text, Model: "openai-audio"}); err != nil {
					t.Errorf("read %q aloud: %v", text, err)
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
	_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "x", Voice: "nobody's"})
	requireFault(t, err, fault.Permanent, job.CodeRejected)
}

// What each fault of the simulator must be taken for by a picture and a recording alike. Whatever else the simulator can
// do must end in a good answer or in a fault that tells nothing.
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
		reference     = verdict{class: fault.Permanent, code: job.CodeReference}
		moderated     = verdict{class: fault.Moderated, code: job.CodeModerated}
		misconfigured = verdict{class: fault.Misconfigured, code: job.CodeMisconfigured}
	)
	want := map[string]verdict{
		"bad_request": rejected, "unprocessable": rejected, "not_found": rejected, "payload_too_large": rejected,
		"unknown_model": rejected, "retired_model": rejected, "paid_only": rejected, "forbidden": rejected,
		"unauthorized": misconfigured, "no_balance": misconfigured, "key_budget_exhausted": misconfigured, "balance_forbidden": misconfigured,
		"moderated": moderated, "safety_block": moderated,
		"rate_limited": throttled, "rate_limited_pk": throttled, "concurrency": throttled, "rate_limited_interval": throttled,
		"server_error": unavailable, "bad_gateway": unavailable, "unavailable": unavailable, "gateway_timeout": late,
		"html_502": unavailable, "html_504": late, "html_524": late, "text_503": unavailable, "text_530": unavailable,
		"html_520": unavailable, "html_521": unavailable, "html_522": late, "html_523": unavailable,
		"banned": misconfigured, "insufficient_balance": misconfigured, "redirect": unavailable,
		"method_not_allowed": rejected, "unsupported_media_type": rejected, "failed_to_download_image": reference,
		"invalid_image_url": reference, "image_too_large": reference, "unsupported_image_media_type": reference,
		"endless_body": invalid, "gzip_bomb": invalid, "error_picture_throttled": throttled,
		"reset": unavailable, "error_picture": unavailable, "stalled": timedOut, "hang": timedOut,
		"truncated": invalid, "empty": invalid, "wrong_type": invalid, "not_json": invalid, "garbage": invalid,
	}
	sim, _ := simulated(t, 0)
	names := sim.FaultNames()
	for name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("the simulator knows no fault %q", name)
		}
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdict, bad := want[name]
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
			_, imageErr := client.Image(ctx, pollinations.ImageRequest{Prompt: canaryPrompt, Model: "flux", Width: 64, Height: 64})
			_, speechErr := client.Speech(ctx, pollinations.SpeechRequest{Text: canaryPrompt})
			for _, err := range []error{imageErr, speechErr} {
				if bad {
					requireFault(t, err, verdict.class, verdict.code)
				}
				if err != nil {
					requireSilence(t, faultOf(t, err))
				}
			}
		})
	}
}
