package pollinations_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name        string
		header      map[string]string
		image, text float64
	}{
		{name: "no counts", header: map[string]string{"X-Model-Used": "flux"}},
		{name: "image", header: map[string]string{"x-usage-completion-image-tokens": "1"}, image: 1},
		{name: "image, older name", header: map[string]string{"x-completion-image-tokens": " 2 "}, image: 2},
		{
			name: "image by tokens", image: 1290,
			header: map[string]string{"X-Usage-Completion-Image-Tokens": "1290", "X-Usage-Prompt-Text-Tokens": "12", "X-Usage-Total-Tokens": "1302"},
		},
		{name: "speech", header: map[string]string{"x-usage-completion-audio-tokens": "17"}, text: 17},
		{name: "invalid", header: map[string]string{"X-Usage-Completion-Image-Tokens": "NaN", "X-Usage-Completion-Audio-Tokens": "-1"}},
		{name: "out of range", header: map[string]string{"X-Usage-Completion-Image-Tokens": "1e300", "X-Usage-Completion-Audio-Tokens": "many"}},
	}
	for _, r := range rows {
		header := make(http.Header)
		for name, value := range r.header {
			header.Set(name, value)
		}
		got := pollinations.UsageOf(header)
		if got.ImageTokens != r.image || got.AudioCharacters != r.text {
			t.Errorf("%s: %+v", r.name, got)
		}
	}
}

// The response to a long prompt is a document, which may be the only one with the usage.
func TestUsageInDocument(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString(pngOf(t, 5, 6))
	for name, r := range map[string]struct {
		usage, header string
		image         float64
	}{
		"in the document":  {usage: `{"input_tokens":12,"output_tokens":1290,"total_tokens":1302,"input_tokens_details":{"text_tokens":12}}`, image: 1290},
		"in a header, too": {usage: `{"output_tokens":1290}`, header: "2", image: 2},
		"null":             {usage: `null`},
		"another type":     {usage: `"much"`},
		"invalid":          {usage: `{"input_tokens":-1,"output_tokens":"many","total_tokens":1e300}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers := []string{"Content-Type", "application/json"}
			if r.header != "" {
				headers = append(headers, "X-Usage-Completion-Image-Tokens", r.header)
			}
			body := `{"created":1,"data":[{"b64_json":"` + encoded + `"}],"usage":` + r.usage + `}`
			client := newClient(t, respond([]byte(body), headers...))
			got, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: strings.Repeat(canaryPrompt, 100), Model: "gptimage"})
			if err != nil || got.Usage.ImageTokens != r.image {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
