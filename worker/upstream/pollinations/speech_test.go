package pollinations_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

func TestSpeech(t *testing.T) {
	t.Parallel()
	type request = pollinations.SpeechRequest
	for _, r := range []struct {
		name string
		request
		document string
	}{
		{"all", request{Text: " hello ", Voice: "nova", Model: "kokoro", Format: "wav"}, `{"model":"kokoro","input":"hello","voice":"nova","response_format":"wav"}`},
		{"defaults", request{Text: "hello", Speed: 1}, `{"model":"elevenlabs","input":"hello","voice":"alloy","response_format":"mp3"}`},
		{"a retired model", request{Text: "hello", Model: "openai-audio"}, `{"model":"elevenlabs","input":"hello","voice":"alloy","response_format":"mp3"}`},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var sent string
			sound := tagged(20, mp3Of(5))
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				sent = q.Method + " " + q.RequestURI + " " + string(body)
				w.Header().Set("Content-Type", "audio/mpeg")
				w.Header().Set("X-Model-Used", "used")
				_, _ = w.Write(sound)
			})
			got, err := client.Speech(t.Context(), r.request)
			if err != nil {
				t.Fatal(err)
			}
			if want := "POST /v1/audio/speech " + r.document; sent != want {
				t.Errorf("requested %s, want %s", sent, want)
			}
			if got.ContentType != "audio/mpeg" || string(got.Data) != string(sound) || got.Model != "used" {
				t.Errorf("got %s, %d bytes of %s", got.ContentType, len(got.Data), got.Model)
			}
		})
	}
}

// The replacement of a model is logged only once.
func TestSpeechModelWarning(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	client := newClient(t, respond(mp3Of(5), "Content-Type", "audio/mpeg"), func(c *pollinations.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	for range 3 {
		if _, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: canaryPrompt, Model: "openai-audio"}); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "yellow") {
		t.Errorf("log: %s", log.String())
	}
}

func TestSpeechFaults(t *testing.T) {
	t.Parallel()
	isMP3 := []string{"Content-Type", "audio/mpeg"}
	rows := []struct {
		name    string
		handler http.HandlerFunc
		class   fault.Class
		code    string
	}{
		{"page", respond([]byte("<html></html>"), "Content-Type", "text/html"), fault.Retryable, job.CodeInvalidAnswer},
		{"page with the type of audio", respond([]byte("<html></html>"), isMP3...), fault.Retryable, job.CodeInvalidAnswer},
		{"empty", respond(nil, isMP3...), fault.Retryable, job.CodeInvalidAnswer},
		{"error in headers", respond(mp3Of(5), append(isMP3, "X-Rate-Limited", "1")...), fault.Throttled, job.CodeThrottled},
		{"compressed", respond(mp3Of(5), append(isMP3, "Content-Encoding", "br")...), fault.Retryable, job.CodeInvalidAnswer},
		{"short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "audio/mpeg")
			w.Header().Set("Content-Length", "99999")
			_, _ = w.Write(mp3Of(5))
		}, fault.Retryable, job.CodeInvalidAnswer},
		{"chat model", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"success":false,"error":{"message":"Model \"x\" is a text model and cannot be used on the audio endpoint. `+canaryPrompt+`","code":"BAD_REQUEST"},"status":400}`)
		}, fault.Permanent, job.CodeRejected},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, r.handler).Speech(t.Context(), pollinations.SpeechRequest{Text: canaryPrompt})
			upstreamtest.RequireError(t, err, r.class, r.code)
			f := upstreamtest.Error(t, err)
			upstreamtest.RequireNoSecret(t, f)
			if f.Upstream != job.UpstreamSpeech {
				t.Errorf("error of %s", f.Upstream)
			}
		})
	}
}
