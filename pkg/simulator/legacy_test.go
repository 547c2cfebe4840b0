package simulator_test

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
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// spokenBody returns a request to openai-audio to read a text aloud.
func spokenBody(text string) string {
	return fmt.Sprintf(`{"model":"openai-audio","modalities":["text","audio"],"audio":{"voice":"nova","format":"mp3"},"messages":[{"role":"user","content":%q}]}`, text)
}

func TestLegacyImage(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const query = "?width=320&height=200&model=flux&seed=7"
	first := get(t, s.LegacyImageURL()+"/prompt/A%20red%20fox!"+query, "Authorization", "")
	decode(t, first.body, "jpeg", 320, 200)
	for name, want := range map[string]string{
		"Content-Type": "image/jpeg", "X-Cache": "MISS", "Cache-Control": "public, max-age=31536000, immutable", "Access-Control-Allow-Origin": "*",
		"Content-Disposition": `inline; filename="a-red-fox.jpg"`, "x-completion-image-tokens": "1", "X-Auth-Status": "unauthenticated",
		"x-model-used": "black-forest-labs/flux.1-schnell", "X-Cache-Type": "", "x-usage-completion-image-tokens": "",
	} {
		if got := first.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// The order of the query does not matter, and the cache key is the URL.
	second := get(t, s.LegacyImageURL()+"/prompt/A%20red%20fox!?seed=7&model=flux&height=200&width=320")
	if second.header.Get("X-Cache") != "HIT" || !bytes.Equal(first.body, second.body) {
		t.Errorf("the second one: %s", second.header.Get("X-Cache"))
	}
	if again := get(t, s.LegacyImageURL()+"/prompt/A%20red%20fox!"+query+"&no-cache=true"); again.header.Get("X-Cache") != "MISS" || !bytes.Equal(first.body, again.body) {
		t.Errorf("no-cache is a %s", again.header.Get("X-Cache"))
	}
	if short := get(t, s.LegacyImageURL()+"/A%20red%20fox!"+query); short.header.Get("X-Cache") != "MISS" || !bytes.Equal(first.body, short.body) {
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
		a := get(t, s.LegacyImageURL()+"/prompt/cat?width=200&height=150&"+query)
		if a.status != http.StatusOK {
			t.Fatalf("%s: status %d", query, a.status)
		}
		return a.body
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
	decode(t, draw("model=gptimage&transparent=true"), "png", 200, 150)
	decode(t, get(t, s.LegacyImageURL()+"/prompt/cat?width=nine&height=-4").body, "jpeg", 1024, 1024)
	decode(t, get(t, s.LegacyImageURL()+"/prompt/cat?width=8192&height=4096").body, "jpeg", 2896, 1448)
}

func TestLegacyPaths(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	if body := string(get(t, s.LegacyImageURL()+"/models").body); body != `["flux","kontext","turbo","sana"]` {
		t.Errorf("image models: %s", body)
	}
	var list []map[string]any
	if err := json.Unmarshal(get(t, s.LegacyTextURL()+"/models").body, &list); err != nil {
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
	if at(t, get(t, s.LegacyTextURL()+"/openai/models").fields(t), "object") != "list" {
		t.Error("the model list has a wrong format")
	}
	for _, path := range []string{"/", "/a/b", "/prompt/"} {
		a := get(t, s.LegacyImageURL()+path)
		want := fmt.Sprintf(`{"error":"Not Found","message":"The requested endpoint was not found","path":%q}`, path)
		if path == "/prompt/" {
			if a.status != http.StatusBadRequest {
				t.Errorf("%s: status %d", path, a.status)
			}
			continue
		}
		if a.status != http.StatusNotFound || string(a.body) != want {
			t.Errorf("%s: status %d, %s", path, a.status, a.body)
		}
	}
	if a := post(t, s.LegacyImageURL()+"/prompt/x", "{}"); a.status != http.StatusNotFound {
		t.Errorf("POST: status %d", a.status)
	}
	for _, base := range []string{s.LegacyImageURL() + "/prompt/", s.LegacyTextURL() + "/"} {
		if a := get(t, base+strings.Repeat("x", 9000)); a.status != http.StatusBadRequest || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("a long URL: status %d", a.status)
		}
	}
}

func TestLegacyText(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const greeting = "You said: 你好"
	body := `{"messages":[{"role":"user","content":"你好"}]}`
	for name, a := range map[string]response{
		"GET":      get(t, s.LegacyTextURL()+"/"+url.PathEscape("你好"), "Authorization", ""),
		"POST":     post(t, s.LegacyTextURL(), body),
		"POST /":   post(t, s.LegacyTextURL()+"/", body),
		"the JSON": get(t, s.LegacyTextURL()+"/"+url.PathEscape("你好")+"?json=true&system=Answer"),
	} {
		want := greeting
		if name == "the JSON" {
			want = `{"result":"` + greeting + `"}`
		}
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/plain; charset=utf-8" || string(a.body) != want {
			t.Errorf("%s: status %d, %s", name, a.status, a.body)
		}
	}
	for _, path := range []string{"/openai", "/openai/chat/completions", "/v1/chat/completions"} {
		fields := post(t, s.LegacyTextURL()+path, body).fields(t)
		if id := at(t, fields, "id").(string); !strings.HasPrefix(id, "pllns_") || len(id) != 38 || at(t, fields, "choices", 0, "message", "content") != greeting {
			t.Errorf("%s: %v", path, fields)
		}
	}
	stream := join(t, post(t, s.LegacyTextURL()+"/openai", `{"stream":true,`+body[1:]).body)
	if stream.content != greeting || !stream.done {
		t.Errorf("stream: %+v", stream)
	}
	if stream := join(t, get(t, s.LegacyTextURL()+"/hello?stream=true").body); stream.content != "You said: hello" || !stream.done {
		t.Errorf("GET as a stream: %+v", stream)
	}
	for path, want := range map[string]string{
		"/":       `{"error":"Invalid messages array"}`,
		"/openai": `{"error":"Invalid messages array"}`,
	} {
		for _, body := range []string{`{}`, `not json`, `{"messages":"x"}`, `{"messages":[{"content":"x"}]}`} {
			if a := post(t, s.LegacyTextURL()+path, body); a.status != http.StatusBadRequest || string(a.body) != want {
				t.Errorf("%s with %s: status %d, %s", path, body, a.status, a.body)
			}
		}
	}
	if a := get(t, s.LegacyTextURL()+"/x?model=deepseek"); a.status != 402 || at(t, a.fields(t), "status") != 402.0 {
		t.Errorf("a tier: status %d, %s", a.status, a.body)
	}
	if a := get(t, s.LegacyTextURL()+"/x?model=unknown-model"); a.status != 404 || !strings.HasPrefix(string(a.body), `{"error":"Model not found: unknown-model. `) {
		t.Errorf("no model: status %d, %s", a.status, a.body)
	}
}

func TestLegacySpeech(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const path = "/Good%20evening%2C%20and%20welcome%20aboard.?model=openai-audio&voice=nova"
	first, second := get(t, s.LegacyTextURL()+path, "Authorization", ""), get(t, s.LegacyTextURL()+path)
	if first.header.Get("Content-Type") != "audio/mpeg" || second.header.Get("X-Cache") != "HIT" || !bytes.Equal(first.body, second.body) {
		t.Errorf("%s, then a %s", first.header.Get("Content-Type"), second.header.Get("X-Cache"))
	}
	if seconds, loudness := audiotest.DecodeMP3(t, first.body); seconds < 2 || seconds > 3.5 || loudness < 500 {
		t.Errorf("%.1f s of loudness %.0f", seconds, loudness)
	}
	if bytes.Equal(get(t, s.LegacyTextURL()+strings.Replace(path, "nova", "onyx", 1)).body, first.body) {
		t.Error("another voice gives the same audio")
	}
	for name, target := range map[string]string{"legacy": s.LegacyTextURL() + "/openai", "gateway": s.URL() + "/v1/chat/completions"} {
		fields := post(t, target, spokenBody("Good evening, and welcome aboard.")).fields(t)
		audio := at(t, fields, "choices", 0, "message", "audio").(map[string]any)
		sound, err := base64.StdEncoding.DecodeString(audio["data"].(string))
		if err != nil || !bytes.Equal(sound, first.body) || audio["transcript"] != "Good evening, and welcome aboard." || at(t, fields, "choices", 0, "message", "content") != nil {
			t.Errorf("%s: %d bytes, %v, %v", name, len(sound), audio["transcript"], err)
		}
		// Missing options have defaults; the text modality alone gives text.
		open := `{"model":"openai-audio","messages":[{"role":"user","content":"x"}]`
		if at(t, post(t, target, open+`}`).fields(t), "choices", 0, "message", "audio") == nil {
			t.Errorf("%s: no audio by default", name)
		}
		if at(t, post(t, target, open+`,"modalities":["text"]}`).fields(t), "choices", 0, "message", "audio") != nil {
			t.Errorf("%s: unrequested audio", name)
		}
		for _, bad := range []string{`"audio":{"voice":"nobody"}`, `"audio":{"format":"ogg"}`, `"stream":true,"audio":{"format":"mp3"}`} {
			if a := post(t, target, open+`,`+bad+`}`); a.status != http.StatusBadRequest {
				t.Errorf("%s: %s: status %d", name, bad, a.status)
			}
		}
	}
	wav := post(t, s.LegacyTextURL()+"/", strings.Replace(spokenBody("hello"), `"mp3"`, `"wav"`, 1))
	if wav.header.Get("Content-Type") != "audio/wav" || !bytes.HasPrefix(wav.body, []byte("RIFF")) {
		t.Errorf("POST /: %s", wav.header.Get("Content-Type"))
	}
	if n := s.Generations(simulator.KindSpeech); n != 9-2 {
		t.Errorf("%d generations of speech", n)
	}
}

func TestSpokenStream(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	a := post(t, s.LegacyTextURL()+"/openai", `{"model":"openai-audio","stream":true,"messages":[{"role":"user","content":"Good evening."}]}`)
	var sound []byte
	said, finish := "", ""
	for _, e := range events(t, a.body) {
		if e.data == "[DONE]" {
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
		if err := json.Unmarshal([]byte(e.data), &chunk); err != nil {
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
