package legacy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/audiotest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestLegacyImage(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const query = "?width=320&height=200&model=flux&seed=7"
	first := wiretest.Get(t, s.LegacyImageURL()+"/prompt/A%20red%20fox!"+query, "Authorization", "")
	wiretest.DecodeImage(t, first.Body, "jpeg", 320, 200)
	for name, want := range map[string]string{
		"Content-Type": "image/jpeg", "X-Cache": "MISS", "Cache-Control": "public, max-age=31536000, immutable", "Access-Control-Allow-Origin": "*",
		"Content-Disposition": `inline; filename="a-red-fox.jpg"`, "x-completion-image-tokens": "1", "X-Auth-Status": "unauthenticated",
		"x-model-used": "black-forest-labs/flux.1-schnell", "X-Cache-Type": "", "x-usage-completion-image-tokens": "",
	} {
		if got := first.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// The order of the query does not matter, and the cache key is the URL.
	second := wiretest.Get(t, s.LegacyImageURL()+"/prompt/A%20red%20fox!?seed=7&model=flux&height=200&width=320")
	if second.Header.Get("X-Cache") != "HIT" || !bytes.Equal(first.Body, second.Body) {
		t.Errorf("the second one: %s", second.Header.Get("X-Cache"))
	}
	if again := wiretest.Get(t, s.LegacyImageURL()+"/prompt/A%20red%20fox!"+query+"&no-cache=true"); again.Header.Get("X-Cache") != "MISS" || !bytes.Equal(first.Body, again.Body) {
		t.Errorf("no-cache is a %s", again.Header.Get("X-Cache"))
	}
	if short := wiretest.Get(t, s.LegacyImageURL()+"/A%20red%20fox!"+query); short.Header.Get("X-Cache") != "MISS" || !bytes.Equal(first.Body, short.Body) {
		t.Error("the short path gives another image")
	}
	if call := s.Calls(simulator.KindImage)[0]; call.Dialect != simulator.DialectLegacyImage || call.Prompt != "A red fox!" || call.Cache != "GENERATED" {
		t.Errorf("recorded: %+v", call)
	}
}

func TestLegacyImageParameters(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	draw := func(query string) []byte {
		t.Helper()
		a := wiretest.Get(t, s.LegacyImageURL()+"/prompt/cat?width=200&height=150&"+query)
		if a.Status != http.StatusOK {
			t.Fatalf("%s: status %d", query, a.Status)
		}
		return a.Body
	}
	plain := draw("seed=42&model=flux&nologo=false")
	for query, same := range map[string]bool{
		"":                               true, // Seed 42 and flux are the defaults.
		"seed=x":                         true,
		"seed=2147483648":                true,
		"seed=43":                        false,
		"model=unknown-model":            true,
		"model=sana":                     false,
		"nologo=1":                       true, // Only the text true is true.
		"nologo=TRUE":                    true,
		"nologo=yes":                     true,
		"nologo=true":                    false,
		"enhance=1":                      true,
		"enhance=true":                   false,
		"private=true&safe=true":         true,
		"negative=dogs&unknown=key":      true,
		"referrer=site&transparent=true": true, // flux knows no transparency.
	} {
		if got := bytes.Equal(draw(query), plain); got != same {
			t.Errorf("%s: same image %t, want %t", query, got, same)
		}
	}
	if bytes.Equal(draw("seed=-1&n=1"), draw("seed=-1&n=2")) {
		t.Error("seed -1 is not random")
	}
	if !bytes.Equal(draw("seed=-1&n=1"), draw("seed=-1&n=1")) {
		t.Error("a random image is not cached by its URL")
	}
	wiretest.DecodeImage(t, draw("model=gptimage&transparent=true"), "png", 200, 150)
	wiretest.DecodeImage(t, wiretest.Get(t, s.LegacyImageURL()+"/prompt/cat?width=nine&height=-4").Body, "jpeg", 1024, 1024)
	wiretest.DecodeImage(t, wiretest.Get(t, s.LegacyImageURL()+"/prompt/cat?width=8192&height=4096").Body, "jpeg", 2896, 1448)
}

func TestLegacyPaths(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	if body := string(wiretest.Get(t, s.LegacyImageURL()+"/models").Body); body != `["flux","kontext","turbo","sana"]` {
		t.Errorf("image models: %s", body)
	}
	var list []map[string]any
	if err := json.Unmarshal(wiretest.Get(t, s.LegacyTextURL()+"/models").Body, &list); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"name", "description", "tier", "aliases", "input_modalities", "output_modalities", "tools", "vision", "audio"} {
		if list[0][field] == nil {
			t.Errorf("text models have no %s", field)
		}
	}
	if !slices.ContainsFunc(list, func(m map[string]any) bool { return m["audio"] == true && m["voices"] != nil }) {
		t.Error("no text model supports speech")
	}
	if wiretest.At(t, wiretest.Get(t, s.LegacyTextURL()+"/openai/models").Fields(t), "object") != "list" {
		t.Error("the model list has a wrong format")
	}
	for _, path := range []string{"/", "/a/b", "/prompt/"} {
		a := wiretest.Get(t, s.LegacyImageURL()+path)
		want := fmt.Sprintf(`{"error":"Not Found","message":"The requested endpoint was not found","path":%q}`, path)
		if path == "/prompt/" {
			if a.Status != http.StatusBadRequest {
				t.Errorf("%s: status %d", path, a.Status)
			}
			continue
		}
		if a.Status != http.StatusNotFound || string(a.Body) != want {
			t.Errorf("%s: status %d, %s", path, a.Status, a.Body)
		}
	}
	if a := wiretest.Post(t, s.LegacyImageURL()+"/prompt/x", "{}"); a.Status != http.StatusNotFound {
		t.Errorf("POST: status %d", a.Status)
	}
	for _, base := range []string{s.LegacyImageURL() + "/prompt/", s.LegacyTextURL() + "/"} {
		if a := wiretest.Get(t, base+strings.Repeat("x", 9000)); a.Status != http.StatusBadRequest || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("a long URL: status %d", a.Status)
		}
	}
}

func TestLegacyText(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const greeting = "You said: 你好"
	body := `{"messages":[{"role":"user","content":"你好"}]}`
	for name, a := range map[string]wiretest.Response{
		"GET":      wiretest.Get(t, s.LegacyTextURL()+"/"+url.PathEscape("你好"), "Authorization", ""),
		"POST":     wiretest.Post(t, s.LegacyTextURL(), body),
		"POST /":   wiretest.Post(t, s.LegacyTextURL()+"/", body),
		"the JSON": wiretest.Get(t, s.LegacyTextURL()+"/"+url.PathEscape("你好")+"?json=true&system=Answer"),
	} {
		want := greeting
		if name == "the JSON" {
			want = `{"result":"` + greeting + `"}`
		}
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || string(a.Body) != want {
			t.Errorf("%s: status %d, %s", name, a.Status, a.Body)
		}
	}
	for _, path := range []string{"/openai", "/openai/chat/completions", "/v1/chat/completions"} {
		fields := wiretest.Post(t, s.LegacyTextURL()+path, body).Fields(t)
		if id := wiretest.At(t, fields, "id").(string); !strings.HasPrefix(id, "pllns_") || len(id) != 38 || wiretest.At(t, fields, "choices", 0, "message", "content") != greeting {
			t.Errorf("%s: %v", path, fields)
		}
	}
	stream := wiretest.Join(t, wiretest.Post(t, s.LegacyTextURL()+"/openai", `{"stream":true,`+body[1:]).Body)
	if stream.Content != greeting || !stream.Done {
		t.Errorf("stream: %+v", stream)
	}
	if stream := wiretest.Join(t, wiretest.Get(t, s.LegacyTextURL()+"/hello?stream=true").Body); stream.Content != "You said: hello" || !stream.Done {
		t.Errorf("GET as a stream: %+v", stream)
	}
	for path, want := range map[string]string{
		"/":       `{"error":"Invalid messages array"}`,
		"/openai": `{"error":"Invalid messages array"}`,
	} {
		for _, body := range []string{`{}`, `not json`, `{"messages":"x"}`, `{"messages":[{"content":"x"}]}`} {
			if a := wiretest.Post(t, s.LegacyTextURL()+path, body); a.Status != http.StatusBadRequest || string(a.Body) != want {
				t.Errorf("%s with %s: status %d, %s", path, body, a.Status, a.Body)
			}
		}
	}
	if a := wiretest.Get(t, s.LegacyTextURL()+"/x?model=deepseek"); a.Status != 402 || wiretest.At(t, a.Fields(t), "status") != 402.0 {
		t.Errorf("a tier: status %d, %s", a.Status, a.Body)
	}
	if a := wiretest.Get(t, s.LegacyTextURL()+"/x?model=unknown-model"); a.Status != 404 || !strings.HasPrefix(string(a.Body), `{"error":"Model not found: unknown-model. `) {
		t.Errorf("no model: status %d, %s", a.Status, a.Body)
	}
}

func TestLegacySpeech(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const path = "/Good%20evening%2C%20and%20welcome%20aboard.?model=openai-audio&voice=nova"
	first, second := wiretest.Get(t, s.LegacyTextURL()+path, "Authorization", ""), wiretest.Get(t, s.LegacyTextURL()+path)
	if first.Header.Get("Content-Type") != "audio/mpeg" || second.Header.Get("X-Cache") != "HIT" || !bytes.Equal(first.Body, second.Body) {
		t.Errorf("%s, then a %s", first.Header.Get("Content-Type"), second.Header.Get("X-Cache"))
	}
	if seconds, loudness := audiotest.DecodeMP3(t, first.Body); seconds < 2 || seconds > 3.5 || loudness < 500 {
		t.Errorf("%.1f s of loudness %.0f", seconds, loudness)
	}
	if bytes.Equal(wiretest.Get(t, s.LegacyTextURL()+strings.Replace(path, "nova", "onyx", 1)).Body, first.Body) {
		t.Error("another voice gives the same audio")
	}
	for name, target := range map[string]string{"legacy": s.LegacyTextURL() + "/openai", "gateway": s.URL() + "/v1/chat/completions"} {
		fields := wiretest.Post(t, target, wiretest.SpokenBody("Good evening, and welcome aboard.")).Fields(t)
		audio := wiretest.At(t, fields, "choices", 0, "message", "audio").(map[string]any)
		sound, err := base64.StdEncoding.DecodeString(audio["data"].(string))
		if err != nil || !bytes.Equal(sound, first.Body) || audio["transcript"] != "Good evening, and welcome aboard." || wiretest.At(t, fields, "choices", 0, "message", "content") != nil {
			t.Errorf("%s: %d bytes, %v, %v", name, len(sound), audio["transcript"], err)
		}
		// Missing options have defaults; the text modality alone gives text.
		open := `{"model":"openai-audio","messages":[{"role":"user","content":"x"}]`
		if wiretest.At(t, wiretest.Post(t, target, open+`}`).Fields(t), "choices", 0, "message", "audio") == nil {
			t.Errorf("%s: no audio by default", name)
		}
		if wiretest.At(t, wiretest.Post(t, target, open+`,"modalities":["text"]}`).Fields(t), "choices", 0, "message", "audio") != nil {
			t.Errorf("%s: unrequested audio", name)
		}
		for _, bad := range []string{`"audio":{"voice":"nobody"}`, `"audio":{"format":"ogg"}`, `"stream":true,"audio":{"format":"mp3"}`} {
			if a := wiretest.Post(t, target, open+`,`+bad+`}`); a.Status != http.StatusBadRequest {
				t.Errorf("%s: %s: status %d", name, bad, a.Status)
			}
		}
	}
	wav := wiretest.Post(t, s.LegacyTextURL()+"/", strings.Replace(wiretest.SpokenBody("hello"), `"mp3"`, `"wav"`, 1))
	if wav.Header.Get("Content-Type") != "audio/wav" || !bytes.HasPrefix(wav.Body, []byte("RIFF")) {
		t.Errorf("POST /: %s", wav.Header.Get("Content-Type"))
	}
	if n := s.Generations(simulator.KindSpeech); n != 9-2 {
		t.Errorf("%d generations of speech", n)
	}
}

func TestSpokenStream(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	a := wiretest.Post(t, s.LegacyTextURL()+"/openai", `{"model":"openai-audio","stream":true,"messages":[{"role":"user","content":"Good evening."}]}`)
	var sound []byte
	said, finish := "", ""
	for _, e := range wiretest.Events(t, a.Body) {
		if e.Data == "[DONE]" {
			finish += " done"
			continue
		}
		var chunk struct {
			Choices []struct {
				Delta struct {
					Audio struct {
						Data       []byte
						Transcript string
					}
				}
				FinishReason string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal([]byte(e.Data), &chunk); err != nil {
			t.Fatal(err)
		}
		sound = append(sound, chunk.Choices[0].Delta.Audio.Data...)
		said += chunk.Choices[0].Delta.Audio.Transcript
		finish += chunk.Choices[0].FinishReason
	}
	if said != "Good evening." || finish != "stop done" || len(sound) < 24000 || len(sound)%2 != 0 {
		t.Errorf("%q, %q, %d bytes", said, finish, len(sound))
	}
}

// TestLegacyOptions checks that the legacy host rejects nothing and uses the valid
// options.
func TestLegacyOptions(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	base := s.LegacyImageURL() + "/prompt/a%20boat?width=64&height=64&model=kontext"
	plain := wiretest.Get(t, base)
	for query, same := range map[string]bool{
		"&guidance_scale=much": true, "&guidance_scale=NaN": true, "&reasoning=deep": true, "&image=": true,
		"&guidance_scale=4": false, "&image=" + url.QueryEscape("https://a.example/x"): false, "&image=nonsense": false,
	} {
		a := wiretest.Get(t, base+query)
		if a.Status != http.StatusOK || bytes.Equal(a.Body, plain.Body) != same {
			t.Errorf("%s: status %d, same image %t, want %t", query, a.Status, !same, same)
		}
	}
}

// TestTokensAreRejectedEverywhere sends no token, and a token in each place.
func TestTokensAreRejectedEverywhere(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s, simulator.Rule{Fault: "legacy_token_401"})
	for query, want := range map[string]int{"": 200, "&referrer=site": 200, "&token=secret": 401, "&key=secret": 401} {
		a := wiretest.Get(t, s.LegacyImageURL()+"/prompt/cat?width=64&height=64"+query, "Authorization", "")
		if a.Status != want {
			t.Errorf("%s: status %d, want %d", query, a.Status, want)
		}
	}
	for _, call := range s.Calls("") {
		if call.Query.Has("token") && call.Query.Get("token") != "***" {
			t.Error("the token is recorded")
		}
	}
}

// TestErrorsAnnounceDeprecation checks the notice of deprecation in failures.
func TestErrorsAnnounceDeprecation(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s, simulator.Rule{Fault: "legacy_deprecated"})
	for path, notice := range map[string]bool{
		"/legacy-text/x?model=nothing":                   true,
		"/legacy-text/x?model=openai-audio&voice=nobody": true,
	} {
		fields := wiretest.Get(t, s.URL()+path).Fields(t)
		if wiretest.At(t, fields, "migration", "guide") == "" || wiretest.At(t, fields, "migration", "signup") == "" || (fields["deprecation_notice"] != nil) != notice {
			t.Errorf("%s: %v", path, fields)
		}
	}
}
