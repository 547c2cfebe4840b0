package openai_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/openai"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

func pngOf(t *testing.T, width, height int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// service is an OpenAI-compatible service whose answer to generations is a status, a content type and a body.
type service struct {
	*httptest.Server
	client *openai.Client
	status int
	header http.Header
	body   string
	// asked is the last request, with its key.
	asked map[string]any
	key   string
	// files counts the requests for files, and fileStatus is the status of the responses.
	files      atomic.Int32
	fileStatus int
}

func serve(t *testing.T, body string) *service {
	t.Helper()
	s := &service{status: http.StatusOK, fileStatus: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: body}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			s.files.Add(1)
			w.WriteHeader(s.fileStatus)
			_, _ = w.Write(pngOf(t, 20, 10))
			return
		}
		s.key = r.Header.Get("Authorization")
		data, _ := io.ReadAll(r.Body)
		s.asked = nil
		if err := json.Unmarshal(data, &s.asked); err != nil {
			t.Error(err)
		}
		for name, values := range s.header {
			w.Header()[name] = values
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, strings.ReplaceAll(s.body, "{host}", r.Host))
	}))
	t.Cleanup(s.Close)
	var err error
	s.client, err = openai.New(openai.Config{
		Name: "image-local", BaseURL: s.URL + "/v1/", Setting: "images[0].base_url", Key: upstreamtest.Key, HTTP: upstreamtest.HTTP(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request() openai.ImageRequest {
	return openai.ImageRequest{Prompt: "a yellow submarine in the deep sea", Negative: "fog", Model: "flux-dev", Width: 20, Height: 10, Seed: 7, Quality: "high"}
}

func TestImage(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString(pngOf(t, 20, 10))
	for name, body := range map[string]string{
		"base64":              `{"created":1,"data":[{"b64_json":"` + encoded + `"}],"usage":{"output_tokens":30}}`,
		"data URL":            `{"data":[{"b64_json":null,"url":"data:image/png;base64,` + encoded + `"}],"usage":{"output_tokens":30}}`,
		"URL at the service":  `{"data":[{"url":"http://{host}/files/1.png?sig=x"}],"usage":{"output_tokens":30}}`,
		"path at the service": `{"data":[{"url":"/files/1.png"}],"usage":{"output_tokens":30}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, body)
			m, err := s.client.Image(t.Context(), request())
			if err != nil {
				t.Fatal(err)
			}
			if m.ContentType != "image/png" || m.Width != 20 || m.Height != 10 || m.Model != "flux-dev" || m.Usage.ImageTokens != 30 || m.Seedless {
				t.Errorf("got %+v", m)
			}
			want := map[string]any{
				"model": "flux-dev", "prompt": "a yellow submarine in the deep sea, avoid: fog", "n": 1.0, "size": "20x10", "seed": 7.0, "response_format": "b64_json",
			}
			got, _ := json.Marshal(s.asked)
			if expected, _ := json.Marshal(want); !bytes.Equal(got, expected) || s.key != "Bearer "+upstreamtest.Key {
				t.Errorf("asked %s with %q", got, s.key)
			}
		})
	}
	t.Run("the image itself", func(t *testing.T) {
		t.Parallel()
		s := serve(t, string(pngOf(t, 20, 10)))
		s.header.Set("Content-Type", "image/png")
		if m, err := s.client.Image(t.Context(), request()); err != nil || m.Width != 20 {
			t.Errorf("got %+v, %v", m, err)
		}
	})
	t.Run("OpenAI's own models", func(t *testing.T) {
		t.Parallel()
		s := serve(t, `{"data":[{"b64_json":"`+encoded+`"}]}`)
		r := request()
		r.Model, r.Transparent = "gpt-image-1", true
		m, err := s.client.Image(t.Context(), r)
		if err != nil || !m.Seedless {
			t.Fatalf("got %+v, %v", m, err)
		}
		if s.asked["seed"] != nil || s.asked["response_format"] != nil || s.asked["quality"] != "high" || s.asked["background"] != "transparent" {
			t.Errorf("asked %v", s.asked)
		}
	})
}

// A response is an error unless it has a complete image from an allowed place.
func TestUselessImages(t *testing.T) {
	t.Parallel()
	whole := pngOf(t, 20, 10)
	encode := func(data []byte) string {
		return `{"data":[{"b64_json":"` + base64.StdEncoding.EncodeToString(data) + `"}]}`
	}
	for name, r := range map[string]struct {
		status     int
		body       string
		class      fault.Class
		code       string
		retryAfter time.Duration
	}{
		"error with status 200":      {200, `{"error":{"message":"out of memory for a yellow submarine in the deep sea","code":500}}`, fault.Retryable, job.CodeInvalidAnswer, 0},
		"no image":                   {200, `{"data":[]}`, fault.Retryable, job.CodeInvalidAnswer, 0},
		"image that is a page":       {200, encode([]byte("<html></html>")), fault.Retryable, job.CodeInvalidAnswer, 0},
		"image cut off":              {200, encode(whole[:len(whole)-9]), fault.Retryable, job.CodeInvalidAnswer, 0},
		"not base64":                 {200, `{"data":[{"b64_json":"?"}]}`, fault.Retryable, job.CodeInvalidAnswer, 0},
		"not JSON":                   {200, `<html></html>`, fault.Retryable, job.CodeInvalidAnswer, 0},
		"URL without TLS":            {200, `{"data":[{"url":"http://192.0.2.1/a.png"}]}`, fault.Retryable, job.CodeInvalidAnswer, 0},
		"URL with a password":        {200, `{"data":[{"url":"https://a:b@example.org/a.png"}]}`, fault.Retryable, job.CodeInvalidAnswer, 0},
		"URL of another scheme":      {200, `{"data":[{"url":"file:///etc/passwd"}]}`, fault.Retryable, job.CodeInvalidAnswer, 0},
		"URL in the private network": {200, `{"data":[{"url":"https://{host}/a.png"}]}`, fault.Retryable, job.CodeUnavailable, 0},
		"throttled":                  {429, `{"error":{"message":"slow down"}}`, fault.Throttled, job.CodeThrottled, 9 * time.Second},
		"no balance":                 {429, `{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}`, fault.Misconfigured, job.CodeMisconfigured, 9 * time.Second},
		"moderated":                  {400, `{"error":{"message":"rejected by the safety system","code":"content_policy_violation"}}`, fault.Moderated, job.CodeModerated, 9 * time.Second},
		"unknown model":              {404, `{"error":{"message":"The model does not exist","code":"model_not_found"}}`, fault.Permanent, job.CodeRejected, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, r.body)
			s.status = r.status
			if r.status != http.StatusOK {
				s.header.Set("Retry-After", "9")
			}
			_, err := s.client.Image(t.Context(), request())
			upstreamtest.RequireError(t, err, r.class, r.code)
			if f := upstreamtest.Error(t, err); f.RetryAfter != r.retryAfter || f.Upstream != "image-local" {
				t.Errorf("got %+v", f)
			}
			if s.files.Load() != 0 {
				t.Error("it was downloaded")
			}
		})
	}
}

// The host of a file refuses the URL, not the request or the key: another attempt may get one that works.
func TestRefusedDownload(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 402, 403, 404, 410} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			s := serve(t, `{"data":[{"url":"/files/1.png"}]}`)
			s.fileStatus = status
			_, err := s.client.Image(t.Context(), request())
			upstreamtest.RequireError(t, err, fault.Retryable, job.CodeUnavailable)
			if f := upstreamtest.Error(t, err); f.Status != status || s.files.Load() != 1 {
				t.Errorf("got %+v after %d downloads", f, s.files.Load())
			}
		})
	}
}

func TestSpeech(t *testing.T) {
	t.Parallel()
	s := serve(t, string(make([]byte, 400)))
	s.header.Set("Content-Type", "application/octet-stream")
	m, err := s.client.Speech(t.Context(), openai.SpeechRequest{Text: "good evening", Model: "kokoro", Voice: "af_sky", Format: "pcm", Speed: 1})
	if err != nil || m.ContentType != "audio/pcm" || m.SampleRate != 24000 || m.Channels != 1 || m.Model != "kokoro" {
		t.Fatalf("got %+v, %v", m, err)
	}
	got, _ := json.Marshal(s.asked)
	if want := `{"input":"good evening","model":"kokoro","response_format":"pcm","voice":"af_sky"}`; string(got) != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	s.header.Set("Content-Type", "application/json")
	s.body = `{"error":{"message":"no such voice"}}`
	_, err = s.client.Speech(t.Context(), openai.SpeechRequest{Text: "good evening", Model: "kokoro", Speed: 1.5})
	upstreamtest.RequireError(t, err, fault.Retryable, job.CodeInvalidAnswer)
	if s.asked["speed"] != 1.5 {
		t.Errorf("asked %v", s.asked)
	}
}
