package pollinations_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

const (
	canaryKey    = upstreamtest.Key
	canaryPrompt = "canary prompt: a yellow bird / 100% alive? #1"
)

// newClient returns a client for a server with the given handler.
func newClient(t *testing.T, handler http.HandlerFunc, options ...func(*pollinations.Config)) *pollinations.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := pollinations.Config{
		BaseURL:       server.URL + "/image/",
		SpeechBaseURL: server.URL + "/v1",
		Token:         canaryKey,
		HTTP:          upstreamtest.HTTP(t),
	}
	for _, option := range options {
		option(&cfg)
	}
	client, err := pollinations.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// respond returns a handler that always sends the same response.
func respond(body []byte, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = w.Write(body)
	}
}

func TestInvalidURL(t *testing.T) {
	t.Parallel()
	for setting, cfg := range map[string]pollinations.Config{
		"POLLINATIONS_IMAGE_API_BASE": {BaseURL: "gen.example.org"},
		"POLLINATIONS_TEXT_API_BASE":  {BaseURL: "https://gen.example.org", SpeechBaseURL: "https://gen.example.org?key=sk_hidden"},
	} {
		_, err := pollinations.New(cfg)
		if err == nil || !strings.Contains(err.Error(), setting) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("got %v, want an error that names %s", err, setting)
		}
	}
}

func TestUnset(t *testing.T) {
	t.Parallel()
	client, err := pollinations.New(pollinations.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Image(t.Context(), pollinations.ImageRequest{Prompt: "x"})
	upstreamtest.RequireError(t, err, fault.Misconfigured, job.CodeMisconfigured)
	f := upstreamtest.Error(t, err)
	if f.Upstream != job.UpstreamImage || !strings.Contains(err.Error(), "POLLINATIONS_IMAGE_API_BASE is not set") {
		t.Errorf("got %v", err)
	}
	_, err = client.Speech(t.Context(), pollinations.SpeechRequest{Text: "x"})
	upstreamtest.RequireError(t, err, fault.Misconfigured, job.CodeMisconfigured)
	f = upstreamtest.Error(t, err)
	if f.Upstream != job.UpstreamSpeech || !strings.Contains(err.Error(), "POLLINATIONS_TEXT_API_BASE is not set") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyTexts(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(http.ResponseWriter, *http.Request) { t.Error("the gateway was called") })
	_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: " \x00\n", Negative: "x"})
	upstreamtest.RequireError(t, err, fault.Permanent, job.CodeRejected)
	_, err = client.Speech(t.Context(), pollinations.SpeechRequest{Text: "\t"})
	upstreamtest.RequireError(t, err, fault.Permanent, job.CodeRejected)
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var seen []string
	client := newClient(t, respond(jpegOf(t, 9, 9), "Content-Type", "image/jpeg"), func(c *pollinations.Config) {
		c.Observe = func(name string, status int, code string, _ time.Duration) {
			seen = append(seen, fmt.Sprintf("%s %d %q", name, status, code))
		}
	})
	_, imageErr := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "x"})
	_, speechErr := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "x"})
	if imageErr != nil || speechErr == nil {
		t.Fatal(errors.Join(imageErr, speechErr))
	}
	want := `[pollinations-image 200 "" pollinations-speech 200 "upstream_invalid_answer"]`
	if fmt.Sprint(seen) != want {
		t.Errorf("observed %v, want %s", seen, want)
	}
}
