package pollinations_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestPollinationsChat(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	target := s.PollinationsURL() + "/v1/chat/completions"
	body := `{"messages":[{"role":"system","content":"Translate."},{"role":"user","content":[{"type":"text","text":"你好"},{"type":"image_url"}]}]`
	a := wiretest.Post(t, target, body+`,"model":"openai"}`)
	fields := a.Fields(t)
	if wiretest.At(t, fields, "choices", 0, "message", "content") != "Hello" || !strings.HasPrefix(wiretest.At(t, fields, "id").(string), "pllns_") {
		t.Errorf("%s", a.Body)
	}
	if strings.Contains(string(a.Body), "prompt_cache_hit_tokens") {
		t.Error("Pollinations reports the cache of DeepSeek")
	}
	if got := wiretest.Join(t, wiretest.Post(t, target, body+`,"stream":true}`).Body); got.Usages != 0 || got.Content != "Hello" || !got.Done {
		t.Errorf("stream: %+v", got)
	}
	if got := wiretest.Join(t, wiretest.Post(t, target, body+`,"stream":true,"stream_options":{"include_usage":true}}`).Body); got.BareUsages != 1 {
		t.Errorf("stream with usage: %+v", got)
	}
	for body, message := range map[string]string{
		body + `,"model":"gpt-9"}`: `Invalid model: "gpt-9"`,
		`{"messages":[]}`:          "JSON body validation failed",
		`{"messages":"x"}`:         "JSON body validation failed",
		`not json`:                 "Malformed JSON in request body",
	} {
		a := wiretest.Post(t, target, body)
		if got := wiretest.At(t, a.Fields(t), "error", "message"); a.Status != http.StatusBadRequest || got != message {
			t.Errorf("%s: status %d, %q", body, a.Status, got)
		}
	}
}
