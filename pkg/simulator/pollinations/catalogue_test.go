package pollinations_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestModelLists(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for path, output := range map[string]string{"/image/models": "image", "/audio/models": "audio", "/text/models": "text"} {
		a := wiretest.Get(t, s.URL()+path+"?community=false")
		var list []any
		if err := json.Unmarshal(a.Body, &list); err != nil || len(list) == 0 {
			t.Fatalf("%s: %v", path, err)
		}
		for n := range list {
			for field, value := range wiretest.At(t, list, n, "pricing").(map[string]any) {
				if _, isText := value.(string); !isText {
					t.Errorf("%s: the price %s is not a string", path, field)
				}
			}
			// The list of image models includes video models.
			isVideo := output == "image" && wiretest.At(t, list, n, "category") == "video"
			if (!slices.Contains(wiretest.At(t, list, n, "output_modalities").([]any), any(output)) && !isVideo) || wiretest.At(t, list, n, "name") == "" || wiretest.At(t, list, n, "aliases", 0) == "" {
				t.Errorf("%s: %v", path, list[n])
			}
		}
		if a := wiretest.Get(t, s.URL()+path+"?community=1"); string(a.Body) != "[]" {
			t.Errorf("%s: community models: %s", path, a.Body)
		}
		if a := wiretest.Get(t, s.URL()+path+"?community=maybe"); a.Status != http.StatusBadRequest {
			t.Errorf("%s: status %d", path, a.Status)
		}
	}
	if created := wiretest.At(t, wiretest.Get(t, s.URL()+"/v1/models").Fields(t), "data", 0, "created").(float64); created < 1e12 {
		t.Errorf("created is %v, which is not in milliseconds", created)
	}
}

// listed returns the models of a list by their short names.
func listed(t *testing.T, target string) map[string]map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal(wiretest.Get(t, target, "Authorization", "").Body, &list); err != nil {
		t.Fatal(err)
	}
	named := map[string]map[string]any{}
	for _, m := range list {
		named[wiretest.At(t, m, "aliases", 0).(string)] = m
	}
	return named
}

func TestModelPrices(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	images, speech := listed(t, s.URL()+"/image/models"), listed(t, s.URL()+"/audio/models")
	for name, want := range map[string]struct {
		model   map[string]any
		field   string
		price   string
		paid    bool
		flat    bool
		voices  int
		publish string
	}{
		"flux":                {images["flux"], "completionImageTokens", "0.002", false, true, 0, "black-forest-labs"},
		"nanobanana":          {images["nanobanana"], "completionImageTokens", "0.00003", true, false, 0, "google"},
		"veo":                 {images["veo"], "completionVideoSeconds", "0.15", true, false, 0, "google"},
		"elevenlabs":          {speech["elevenlabs"], "completionAudioTokens", "0.0001", true, false, 35, "elevenlabs"},
		"eleven-dialogue":     {speech["eleven-dialogue"], "completionAudioTokens", "0.0001", true, false, 35, "elevenlabs"},
		"elevenflash":         {speech["elevenflash"], "completionAudioTokens", "0.00005", true, false, 35, "elevenlabs"},
		"grok-tts":            {speech["grok-tts"], "completionAudioTokens", "0.000015", true, false, 28, "xai"},
		"fish-audio-s2.1-pro": {speech["fish-audio-s2.1-pro"], "completionAudioTokens", "0.000015", true, false, 1, "fishaudio"},
		"qwen-tts-instruct":   {speech["qwen-tts-instruct"], "completionAudioTokens", "0.0000115", true, false, 4, "alibaba"},
		"csm-1b":              {speech["csm-1b"], "completionAudioTokens", "0.000007", true, false, 6, "sesame"},
		"kokoro":              {speech["kokoro"], "completionAudioTokens", "0.00000062", true, false, 54, "hexgrad"},
		"elevenmusic":         {speech["elevenmusic"], "completionAudioSeconds", "0.0025", true, false, 0, "elevenlabs"},
		"lyria-3-clip":        {speech["lyria-3-clip"], "completionAudioTokens", "0.04", true, true, 0, "google"},
	} {
		voices, _ := want.model["voices"].([]any)
		paid, flat := want.model["paid_only"] == true, want.model["flat_rate"] == true
		if price := wiretest.At(t, want.model, "pricing", want.field); price != want.price || paid != want.paid || flat != want.flat || len(voices) != want.voices || want.model["publisher"] != want.publish {
			t.Errorf("%s: %v", name, want.model)
		}
		if wiretest.At(t, want.model, "health", "status") == "" || want.model["community"] != false || want.model["added_date"].(float64) < 1e12 {
			t.Errorf("%s: %v", name, want.model)
		}
	}
	if wiretest.At(t, images["kontext"], "health", "status") != "degraded" || images["gptimage"]["max_reference_images"] != 16.0 || speech["qwen-tts"]["per_user_rpm"] != 60.0 {
		t.Error("health, references or the limit per minute is missing")
	}
	if all := listed(t, s.URL()+"/models"); all["flux"] == nil || all["kokoro"] == nil || wiretest.At(t, all["deepseek"], "pricing", "promptCachedTokens") != "0.000000007" {
		t.Error("a model is missing from the list of all")
	}
}

// TestPriceTimesUsage computes the cost of a wiretest.Response from the list and the headers,
// as a client does.
func TestPriceTimesUsage(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	images, speech := listed(t, s.URL()+"/image/models"), listed(t, s.URL()+"/audio/models")
	for _, test := range []struct {
		model  string
		pollen float64
	}{
		{"flux", 0.002}, {"dreamshaper", 0.0001}, {"seedream5-pro", 0.09}, {"nanobanana", 0.039}, {"gptimage", 0.008448},
	} {
		a := wiretest.Get(t, fmt.Sprintf("%s/image/x?width=64&height=64&model=%s", s.URL(), test.model))
		name := test.model
		if name == "dreamshaper" {
			name = "sana"
		}
		cost(t, test.model, wiretest.At(t, images[name], "pricing", "completionImageTokens"), a.Header.Get("x-usage-completion-image-tokens"), test.pollen)
		if a.Header.Get("x-model-used") != images[name]["name"] {
			t.Errorf("%s: x-model-used %s", test.model, a.Header.Get("x-model-used"))
		}
	}
	a := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"model":"kokoro","input":"ten letters"}`)
	cost(t, "kokoro", wiretest.At(t, speech["kokoro"], "pricing", "completionAudioTokens"), a.Header.Get("x-usage-completion-audio-tokens"), 11*0.00000062)
	if a := wiretest.Get(t, s.URL()+"/image/x?model=veo"); a.Status != http.StatusBadRequest {
		t.Errorf("an image by a video model: status %d", a.Status)
	}
	if a := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"model":"elevenmusic","input":"x"}`); a.Status != http.StatusBadRequest {
		t.Errorf("speech by a music model: status %d", a.Status)
	}
}

func cost(t *testing.T, model string, price any, tokens string, pollen float64) {
	t.Helper()
	each, err := strconv.ParseFloat(price.(string), 64)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(tokens)
	if err != nil || math.Abs(each*float64(n)-pollen) > 1e-9 {
		t.Errorf("%s: %s tokens at %v cost %v, want %v (%v)", model, tokens, price, each*float64(n), pollen, err)
	}
}
