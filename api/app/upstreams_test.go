package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// modelList is a part of the response of GET /api/models.
type modelList struct {
	Source string `json:"source"`
	Mode   string `json:"mode"`
	Images []struct {
		Name  string `json:"name"`
		Price *struct {
			Currency string `json:"currency"`
			PerImage string `json:"per_image"`
		} `json:"price"`
		ReplacedBy string `json:"replaced_by"`
	} `json:"images"`
	Speech []struct {
		Name   string   `json:"name"`
		Voices []string `json:"voices"`
	} `json:"speech"`
}

// models returns the list of models once it comes from the upstream.
func (i *instance) models(t testing.TB) modelList {
	t.Helper()
	for deadline := time.Now().Add(hang); ; {
		var list modelList
		i.Do(t, http.MethodGet, "/api/models", nil).Decode(t, &list)
		if list.Source == "upstream" {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("the list is still %s", list.Source)
		}
		i.Do(t, http.MethodGet, "/readyz", nil)
	}
}

func TestUpstreamModels(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	list := i.models(t)
	if list.Mode != "simulator" {
		t.Errorf("mode %s", list.Mode)
	}
	price := ""
	for _, m := range list.Images {
		if m.Name == "flux" && m.Price != nil {
			price = m.Price.PerImage
		}
		if m.Name == "turbo" && m.ReplacedBy != "zimage" {
			t.Errorf("turbo is replaced by %q", m.ReplacedBy)
		}
	}
	if price == "" {
		t.Fatalf("flux has no price in %+v", list.Images)
	}
	for _, m := range list.Speech {
		if len(m.Voices) == 0 && m.Name != "openai-audio" {
			t.Errorf("%s has no voices", m.Name)
		}
	}
	resp := i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "image", "input": fields{"prompt": "p", "model": "turbo"}})
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(resp.Data), "zimage") {
		t.Errorf("a retired model: %d %s", resp.StatusCode, resp.Data)
	}
	var v struct {
		Usage struct {
			Cost, Currency string
			Images         int
		} `json:"usage"`
	}
	i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "image", "input": fields{"prompt": "what it costs", "model": "flux", "width": 64, "height": 64}},
		"Prefer: wait=30").Decode(t, &v)
	if v.Usage.Cost != price || v.Usage.Currency != "pollen" || v.Usage.Images != 1 {
		t.Errorf("usage %+v, want a cost of %s", v.Usage, price)
	}
}

func TestSpeechSpeed(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	const text = "The harbour lights went out one after the other, and then it was quiet."
	size := map[float64]int{}
	for _, speed := range []float64{1, 2, 0.5} {
		v := i.Wait(t, i.Submit(t, fields{"kind": "audio", "input": fields{"text": text, "speed": speed, "format": "wav"}}).ID)
		if v.Status != "succeeded" || v.Result.Media[0].ContentType != "audio/wav" {
			t.Fatalf("speed %g: %+v", speed, v)
		}
		size[speed] = v.Result.Media[0].Bytes
	}
	for speed, n := range size {
		if ratio := float64(size[1]) / float64(n); ratio < speed*0.95 || ratio > speed*1.05 {
			t.Errorf("at speed %g the file is shorter by a factor of %.2f", speed, ratio)
		}
	}
	open := i.Wait(t, i.Submit(t, fields{"kind": "audio", "input": fields{"text": text, "speed": 1.5}}).ID)
	if open.Status != "succeeded" || open.Result.Media[0].ContentType != "audio/wav" {
		t.Errorf("without a format: %+v", open)
	}
	if resp := i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "audio", "input": fields{"text": text, "speed": 1.5, "format": "mp3"}}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("as MP3: %d %s", resp.StatusCode, resp.Data)
	}
}

// TestPCMAndCustomVoices checks that PCM comes with its sample rate and that a custom voice reaches the upstream unchanged.
func TestPCMAndCustomVoices(t *testing.T) {
	t.Parallel()
	sim := simulatortest.Start(t)
	i := start(t, apptest.Config(t, t.TempDir(),
		"POLLINATIONS_IMAGE_API_BASE="+sim.PollinationsURL(), "POLLINATIONS_TEXT_API_BASE="+sim.PollinationsURL(), "POLLINATIONS_API_TOKEN=sk_x",
		"DEEPSEEK_API_URL="+sim.DeepSeekURL(), "DEEPSEEK_API_KEY=sk-x",
	))
	for _, speed := range []float64{1, 2} {
		var v struct {
			Result struct {
				Media []struct {
					ContentType string `json:"content_type"`
					SampleRate  int    `json:"sample_rate"`
					Channels    int    `json:"channels"`
					Bytes       int    `json:"bytes"`
				} `json:"media"`
			} `json:"result"`
		}
		i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "audio", "input": fields{"text": "Good evening.", "format": "pcm", "speed": speed}},
			"Prefer: wait=30").Decode(t, &v)
		if len(v.Result.Media) != 1 {
			t.Fatalf("at speed %g: %+v", speed, v)
		}
		if m := v.Result.Media[0]; m.ContentType != "audio/pcm" || m.SampleRate < 8000 || m.Channels != 1 || m.Bytes%2 != 0 {
			t.Errorf("at speed %g: %+v", speed, m)
		}
	}
	const voice = "21m00Tcm4TlvDq8ikWAM"
	v := i.Wait(t, i.Submit(t, fields{"kind": "audio", "input": fields{"text": "In a voice of my own.", "voice": voice}}).ID)
	if v.Status != "succeeded" || sim.Count("speech", "voice of my own") != 1 {
		t.Errorf("a custom voice: %+v", v)
	}
}

func TestPartialText(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	i.Visit(t)
	events := i.stream(t.Context(), t, "/api/events")
	done := i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "a red bridge over a river"}})
	var partial []string
	last := 0
	for {
		e, ok := events.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if e.job.ID == done.ID && e.job.PartialText != "" {
			partial = append(partial, e.job.PartialText)
			if p := e.job.Progress; p < max(1, last) || p > 99 {
				t.Errorf("progress is %d after %d", p, last)
			} else {
				last = p
			}
		}
		if e.job.Finished() {
			if len(partial) == 0 || !strings.HasPrefix(e.job.Result.Text, strings.TrimSpace(partial[0])[:1]) {
				t.Errorf("partial texts %q, result %q", partial, e.job.Result.Text)
			}
			return
		}
	}
}

// TestLegacyUpstreams uses the legacy API of Pollinations, and SiliconFlow.
func TestLegacyUpstreams(t *testing.T) {
	t.Parallel()
	sim := simulatortest.Start(t)
	i := start(t, apptest.Config(t, t.TempDir(),
		"POLLINATIONS_IMAGE_API_BASE="+sim.LegacyImageURL(), "POLLINATIONS_IMAGE_API_STYLE=legacy",
		"POLLINATIONS_TEXT_API_BASE="+sim.LegacyTextURL(), "POLLINATIONS_TEXT_API_STYLE=legacy",
		"DEEPSEEK_API_URL="+sim.SiliconFlowURL(), "DEEPSEEK_API_KEY=sk-siliconflow", "DEEPSEEK_MODEL=deepseek-ai/DeepSeek-V4-Flash",
	))
	i.Visit(t)
	if list := i.models(t); list.Mode != "live" || !slices.ContainsFunc(list.Speech, func(m struct {
		Name   string   `json:"name"`
		Voices []string `json:"voices"`
	},
	) bool {
		return m.Name == "openai-audio"
	}) {
		t.Fatalf("the models are %+v", list)
	}
	// A prompt that is too long for a URL is rejected at submission.
	long := i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "image", "input": fields{"prompt": strings.Repeat("猫", 600)}})
	if long.StatusCode != http.StatusBadRequest || !strings.Contains(string(long.Data), "/input/prompt") || !strings.Contains(string(long.Data), "5120") {
		t.Errorf("a long prompt: %d %s", long.StatusCode, long.Data)
	}
	first := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "first", "width": 64, "height": 64}}).ID)
	if first.Status != "succeeded" {
		t.Fatalf("image: %+v", first)
	}
	speech := i.Wait(t, i.Submit(t, fields{"kind": "audio", "input": fields{"text": "Good evening."}}).ID)
	if speech.Status != "succeeded" {
		t.Errorf("speech: %+v", speech)
	}
	text := i.Wait(t, i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "a pond"}}).ID)
	if text.Status != "succeeded" {
		t.Errorf("prompt: %+v", text)
	}
	// The rate limit allows the next call 45 seconds later; its job waits in the queue until then.
	second := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "second", "width": 64, "height": 64}})
	events := i.stream(t.Context(), t, "/api/jobs/"+second.ID+"/events")
	for {
		e, ok := events.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if e.name == "retrying" {
			break
		}
		if e.job.Finished() {
			t.Fatalf("the second image did not wait: %+v", e.job)
		}
	}
	if got := sim.Count("image", "second"); got != 0 {
		t.Errorf("%d calls for the second image", got)
	}
	if resp := i.Do(t, http.MethodPost, "/api/jobs/"+second.ID+"/cancel", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("cancel: %d", resp.StatusCode)
	}
}
