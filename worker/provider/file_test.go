package provider_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/provider"
)

// read reads a file with the given content. The variable KEY is set.
func read(t *testing.T, content string) (provider.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "upstreams.json")
	key := filepath.Join(t.TempDir(), "key")
	for name, data := range map[string]string{path: strings.ReplaceAll(content, "{key}", key), key: "sk_planted_file\n"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var f provider.File
	if err := f.Read(path, func(name string) (string, error) {
		switch name {
		case "KEY":
			return "sk_planted_env", nil
		case "BROKEN_KEY":
			return "", errors.New("no such file")
		}
		return "", nil
	}); err != nil {
		t.Fatal(err)
	}
	return f, f.Validate()
}

func TestFile(t *testing.T) {
	t.Parallel()
	f, err := read(t, `{
		"images": [
			{"name": "main", "type": "pollinations", "base_url": "https://gen.pollinations.ai", "api_key_env": "KEY", "models": ["flux", "*"], "timeout": "90s"},
			{"name": "local-2", "type": "openai", "base_url": "http://10.0.0.5:8080/v1", "api_key_file": "{key}", "models": {"sketch": "sd-turbo", "flux": "flux-dev"},
				"sizes": ["512x512", "64x32"], "seed": false, "price": {"currency": "USD", "per_image": "0.002"}}
		],
		"speech": [{"name": "main", "type": "openai", "base_url": "http://tts/v1", "models": ["kokoro"], "voices": {"nova": "af_sky"}, "formats": ["mp3", "wav"]}],
		"chat": [{"name": "any", "type": "openai", "base_url": "http://llm/v1/chat/completions", "model": "qwen3"}]
	}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Circuits(), " "); got != "image-main image-local-2 speech-main chat-any" {
		t.Errorf("circuits are %s", got)
	}
	if got := f.String(); got != "images main > local-2, speech main, language model any" {
		t.Errorf("described as %s", got)
	}
	local := f.Images[1]
	if f.Images[0].Key.Reveal() != "sk_planted_env" || local.Key.Reveal() != "sk_planted_file" || f.Images[0].Timeout != 90*time.Second || !local.NoSeed {
		t.Errorf("images are %+v", f.Images)
	}
	if own, ok := local.Models.Own("other", "FLUX"); !ok || own != "flux-dev" || !slices.Equal(local.Models.List(), []string{"sketch", "flux"}) {
		t.Errorf("models are %+v", local.Models)
	}
	set, err := f.Open(provider.Options{HTTP: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	able(t, set)
}

// able checks what the providers of TestFile can make.
func able(t *testing.T, set *provider.Set) {
	t.Helper()
	image := func(width, height int, in job.ImageInput) *job.ImageInput {
		in.Width, in.Height = &width, &height
		return &in
	}
	both := job.Model{Name: "flux", Offers: []job.Offer{{Provider: "main", MaxPixels: 64 * 64}, {Provider: "local-2"}}}
	for name, test := range map[string]struct {
		in    *job.ImageInput
		model job.Model
		want  [2]string
	}{
		"both":                   {image(64, 32, job.ImageInput{Model: "flux"}), both, [2]string{"flux", "flux-dev"}},
		"by an alias":            {image(64, 32, job.ImageInput{Model: "bfl/flux"}), job.Model{Name: "bfl/flux", Aliases: []string{"flux"}}, [2]string{"flux", "flux-dev"}},
		"only the other has it":  {image(64, 32, job.ImageInput{Model: "sketch"}), job.Model{Name: "sketch", Offers: []job.Offer{{Provider: "local-2"}}}, [2]string{"", "sd-turbo"}},
		"not of the local sizes": {image(32, 64, job.ImageInput{Model: "flux"}), both, [2]string{"flux", ""}},
		"too large for the main": {image(512, 512, job.ImageInput{Model: "flux"}), both, [2]string{"", "flux-dev"}},
		"with reference images":  {image(64, 32, job.ImageInput{Model: "flux", ReferenceImages: []string{"https://a/b.png"}}), both, [2]string{"flux", ""}},
		"without a catalogue":    {image(64, 32, job.ImageInput{Model: "new"}), job.Model{}, [2]string{"new", ""}},
	} {
		for i, p := range set.Images {
			if got, ok := p.MakesImage(test.in, test.model); got != test.want[i] || ok != (got != "") {
				t.Errorf("%s: %s makes %q, want %q", name, p.Name, got, test.want[i])
			}
		}
	}
	fast := 1.5
	for name, test := range map[string]struct {
		in job.AudioInput
		ok bool
	}{
		"a voice":       {job.AudioInput{Model: "kokoro", Voice: "NOVA"}, true},
		"other voice":   {job.AudioInput{Model: "kokoro", Voice: "echo"}, false},
		"other format":  {job.AudioInput{Model: "kokoro", Voice: "nova", Format: "opus"}, false},
		"with a speed":  {job.AudioInput{Model: "kokoro", Voice: "nova", Format: "wav", Speed: &fast}, false},
		"another model": {job.AudioInput{Model: "elevenlabs", Voice: "nova"}, false},
	} {
		model, voice, ok := set.Speech[0].MakesSpeech(&test.in, job.Model{})
		if ok != test.ok || ok && (model != "kokoro" || voice != "af_sky") {
			t.Errorf("%s: %q %q %t", name, model, voice, ok)
		}
	}
}

// Every fault is reported with its place, all at once, and without keys.
func TestFaultsOfFile(t *testing.T) {
	t.Parallel()
	const local = `"name": "a", "type": "openai", "base_url": "http://x/v1", "models": ["m"]`
	for content, want := range map[string][]string{
		"{\n\n  \"images\": [,]}": {"the file is not JSON, line 3"},
		`{"images": []} {}`:       {"something after the JSON object"},
		`[]`:                      {"the file must be an object"},
		`{}`:                      {"none of images, speech, chat"},
		`{"images": [], "sk_planted_1234567890": 1}`: {"images must have between 1 and 16 providers", "sk_planted_1234567890 is unknown"},
		`{"images": {}, "speech": [1]}`:              {"images must be an array", "speech[0] must be an object"},
		`{"images": [{"name": "A b", "type": "comfy", "base_url": "ftp://planted", "colour": 1}]}`: {
			"images[0].name must be up to 40", "images[0].type must be openai or pollinations", "images[0].base_url must begin with http", "images[0].colour is unknown",
		},
		`{"images": [{}], "chat": [{"name": "c", "type": "openai", "base_url": "https://someone:planted@x"}]}`: {
			"images[0].name is missing", "images[0].type is missing", "images[0].base_url is missing",
			"chat[0].base_url must not contain a user name", "chat[0].model is missing",
		},
		`{"images": [{` + local + `}, {` + local + `}]}`:                                                             {"images[1].name is also that of images[0]"},
		`{"images": [{` + local + `, "style": "gen", "voices": ["a"]}]}`:                                             {"images[0].style does not apply to the type openai", "images[0].voices is unknown"},
		`{"images": [{` + local + `, "api_key_env": "sk_planted_env"}]}`:                                             {"images[0].api_key_env must be the name of an environment variable"},
		`{"images": [{` + local + `, "api_key_env": "UNSET_KEY"}]}`:                                                  {"images[0].api_key_env names the variable UNSET_KEY, which is not set"},
		`{"images": [{` + local + `, "api_key_env": "BROKEN_KEY"}]}`:                                                 {"images[0].api_key_env cannot be read: no such file"},
		`{"images": [{` + local + `, "api_key_file": "/nowhere/planted"}]}`:                                          {"images[0].api_key_file cannot be used"},
		`{"images": [{` + local + `, "api_key_env": "KEY", "api_key_file": "{key}"}]}`:                               {"images[0].api_key_file must not be set together"},
		`{"images": [{` + local + `, "sizes": ["big"], "timeout": "0s", "seed": "no"}]}`:                             {"images[0].sizes[0] must be a size", "images[0].timeout must be a duration", "images[0].seed must be true or false"},
		`{"images": [{` + local + `, "price": {"per_image": 2, "per_pixel": "1"}}]}`:                                 {"images[0].price.currency must be", "images[0].price.per_image must be a string", "images[0].price.per_pixel is unknown"},
		`{"images": [{` + local + `, "price": {"currency": "USD", "per_image": "-1"}}]}`:                             {"images[0].price.per_image must be a decimal number"},
		`{"speech": [{"name": "a", "type": "openai", "base_url": "http://x", "models": ["*"], "formats": ["ogg"]}]}`: {"speech[0].models[0] must be a name", "speech[0].formats must be a list of mp3"},
		`{"speech": [{"name": "a", "type": "openai", "base_url": "http://x"}]}`:                                      {"speech[0].models is missing"},
		`{"images": [{"name": "a", "type": "openai", "base_url": "http://x", "models": {"a": 1, "b": "*"}}]}`:        {"images[0].models.a must be a string", "images[0].models.b must be a name"},
	} {
		_, err := read(t, content)
		if err == nil {
			t.Errorf("%s: no error", content)
			continue
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: no %q in\n%v", content, text, err)
			}
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), "sk_planted_1234567890 is unknown", ""), "planted") {
			t.Errorf("%s: a value is in\n%v", content, err)
		}
	}
}

func TestMergedModels(t *testing.T) {
	t.Parallel()
	price := &job.Price{Currency: "pollen", PerImage: "0.1"}
	offer := func(name string, m job.Model) job.Model {
		return (&provider.Provider{Spec: provider.Spec{Name: name}}).Offered([]job.Model{m})[0]
	}
	got := provider.Merge(
		[]job.Model{offer("main", job.Model{Name: "flux", Aliases: []string{"bfl/flux"}, MaxPixels: 100, Price: price})},
		[]job.Model{offer("local", job.Model{Name: "BFL/flux", MaxPixels: 400, MaxReferenceImages: 2}), offer("local", job.Model{Name: "sketch", MaxPixels: 5})},
	)
	if len(got) != 2 || got[0].Name != "flux" || got[0].MaxPixels != 400 || got[0].MaxReferenceImages != 2 || got[0].Price != price {
		t.Fatalf("got %+v", got)
	}
	if o, ok := got[0].Offer("local"); !ok || o.MaxPixels != 400 || o.Price != nil || got[0].Offers[0].Provider != "main" {
		t.Errorf("offers are %+v", got[0].Offers)
	}
	if o := got[1].Offers; len(o) != 1 || o[0].Provider != "local" || o[0].MaxPixels != 0 {
		t.Errorf("offers are %+v", o)
	}
}

// TestVoices merges a provider with voices and one that has said nothing about its voices, which accepts all.
func TestVoices(t *testing.T) {
	t.Parallel()
	speech := func(voices string) []job.Model {
		f, err := read(t, `{"speech": [{"name": "local", "type": "openai", "base_url": "http://tts/v1", "models": ["kokoro"]`+voices+`}]}`)
		if err != nil {
			t.Fatal(err)
		}
		return (&provider.Provider{Spec: f.Speech[0], Upstream: job.UpstreamSpeech}).Configured()
	}
	listed, all := speech(`, "voices": {"nova": "af_nova"}`), speech("")
	for name, c := range map[string]struct {
		models []job.Model
		other  bool
	}{
		"listed": {listed, false}, "not listed": {all, true}, "both": {provider.Merge(listed, all), true},
	} {
		if m := c.models[0]; !m.TakesVoice("nova") || m.TakesVoice("zoe") != c.other {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
