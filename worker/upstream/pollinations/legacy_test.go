package pollinations_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// asLegacy sets the legacy style for both services.
func asLegacy(c *pollinations.Config) {
	c.ImageStyle, c.SpeechStyle = pollinations.StyleLegacy, pollinations.StyleLegacy
}

// hosts is a transport that records the requests to any host.
type hosts struct {
	mu       sync.Mutex
	requests []string
	keys     []string
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, r.Method+" "+r.URL.Scheme+"://"+r.URL.Host+r.URL.EscapedPath())
	h.keys = append(h.keys, r.Header.Get("Authorization"))
	return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// The host of each URL decides the dialect, unless a style is set.
func TestStyles(t *testing.T) {
	t.Parallel()
	const gen, legacy = pollinations.StyleGen, pollinations.StyleLegacy
	rows := []struct {
		image, imageStyle, speech, speechStyle string
		requests                               [2]string
		legacy                                 [2]bool
	}{
		{
			image: "https://gen.pollinations.ai", speech: "https://gen.pollinations.ai/v1",
			requests: [2]string{"GET https://gen.pollinations.ai/image/cat", "POST https://gen.pollinations.ai/v1/audio/speech"},
		},
		{
			image: "https://image.pollinations.ai/prompt/", speech: "https://text.pollinations.ai/openai",
			requests: [2]string{"GET https://image.pollinations.ai/prompt/cat", "GET https://text.pollinations.ai/cat"}, legacy: [2]bool{true, true},
		},
		{
			image: "https://Image.Pollinations.AI", speech: "https://gen.pollinations.ai",
			requests: [2]string{"GET https://Image.Pollinations.AI/prompt/cat", "POST https://gen.pollinations.ai/v1/audio/speech"}, legacy: [2]bool{true, false},
		},
		{
			image: "http://127.0.0.1:1", imageStyle: legacy, speech: "http://127.0.0.1:1", speechStyle: legacy,
			requests: [2]string{"GET http://127.0.0.1:1/prompt/cat", "GET http://127.0.0.1:1/cat"}, legacy: [2]bool{true, true},
		},
		{
			image: "https://image.pollinations.ai", imageStyle: gen, speech: "https://text.pollinations.ai", speechStyle: gen,
			requests: [2]string{"GET https://image.pollinations.ai/image/cat", "POST https://text.pollinations.ai/v1/audio/speech"},
		},
		{
			image: "https://notimage.pollinations.ai", speech: "https://text.pollinations.ai.example.org",
			requests: [2]string{"GET https://notimage.pollinations.ai/image/cat", "POST https://text.pollinations.ai.example.org/v1/audio/speech"},
		},
	}
	for _, r := range rows {
		t.Run(r.image+r.imageStyle+" "+r.speech+r.speechStyle, func(t *testing.T) {
			t.Parallel()
			all := &hosts{}
			client, err := pollinations.New(pollinations.Config{
				BaseURL: r.image, SpeechBaseURL: r.speech, ImageStyle: r.imageStyle, SpeechStyle: r.speechStyle,
				Token: canaryKey, HTTP: &http.Client{Transport: all},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"})
			_, _ = client.Speech(t.Context(), pollinations.SpeechRequest{Text: "cat"})
			if fmt.Sprint(all.requests) != fmt.Sprint(r.requests) {
				t.Errorf("requested %q, want %q", all.requests, r.requests)
			}
			if got := client.Legacy(); got != r.legacy {
				t.Errorf("legacy %v, want %v", got, r.legacy)
			}
			for i, old := range r.legacy {
				key := "Bearer " + canaryKey
				if old {
					// The legacy services refuse calls with a token.
					key = ""
				}
				if all.keys[i] != key {
					t.Errorf("call %d: key %q, want %q", i, all.keys[i], key)
				}
			}
		})
	}
	for setting, cfg := range map[string]pollinations.Config{
		"POLLINATIONS_IMAGE_API_STYLE": {ImageStyle: "old"}, "POLLINATIONS_TEXT_API_STYLE": {SpeechStyle: "Gen"},
	} {
		if _, err := pollinations.New(cfg); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("got %v, want an error that names %s", err, setting)
		}
	}
}

func TestLegacyImageRequest(t *testing.T) {
	t.Parallel()
	type request = pollinations.ImageRequest
	scale := 3.0
	rows := []struct {
		name string
		request
		uri string
	}{
		{
			name: "everything", request: request{Prompt: "a/b?c#d%e\nf", Negative: "dogs & text", Model: "gptimage", Width: 640, Height: 480, Seed: 7, Quality: "hd", Transparent: true, NoLogo: true, Safe: "sexual,violence"},
			uri: "/prompt/a%2Fb%3Fc%23d%25e%0Af?height=480&model=gptimage&negative_prompt=dogs+%26+text&nologo=true&private=true&quality=hd&safe=true&seed=7&transparent=true&width=640",
		},
		{name: "false parameters are omitted", request: request{Prompt: "猫", Model: "flux", Quality: "hd", Transparent: true}, uri: "/prompt/%E7%8C%AB?model=flux&private=true&seed=0"},
		{
			name: "reference images and options", request: request{Prompt: "a", Model: "kontext", Safe: "true", ReferenceImages: []string{"https://a.example/1.png", "https://a.example/2.png"}, GuidanceScale: &scale, Reasoning: "pro"},
			uri: "/prompt/a?guidance_scale=3&image=https%3A%2F%2Fa.example%2F1.png%7Chttps%3A%2F%2Fa.example%2F2.png&model=kontext&private=true&safe=true&seed=0",
		},
		{name: "filter off", request: request{Prompt: "a", Safe: "false"}, uri: "/prompt/a?model=flux&private=true&seed=0"},
		{name: "default model", request: request{Prompt: "a"}, uri: "/prompt/a?model=flux&private=true&seed=0"},
		{name: "a parent directory", request: request{Prompt: ".."}, uri: "/prompt/..%20?model=flux&private=true&seed=0"},
		{name: "parent directories among slashes", request: request{Prompt: "../models/./..a"}, uri: "/prompt/..%20%2Fmodels%2F.%20%2F..a?model=flux&private=true&seed=0"},
		{name: "only slashes", request: request{Prompt: "//"}, uri: "/prompt/%2F%2F%20?model=flux&private=true&seed=0"},
		{name: "the name of a route", request: request{Prompt: "models"}, uri: "/prompt/models?model=flux&private=true&seed=0"},
		{name: "maximum length", request: request{Prompt: strings.Repeat("a", 5<<10)}, uri: "/prompt/" + strings.Repeat("a", 5<<10) + "?model=flux&private=true&seed=0"},
	}
	img := jpegOf(t, 640, 480)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var sent []string
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				sent = append(sent, q.Method+" "+q.RequestURI)
				if q.Header.Get("Referer") != "" || q.Header.Get("Authorization") != "" {
					t.Errorf("header %v", q.Header)
				}
				w.Header().Set("Content-Type", "image/jpeg")
				w.Header().Set("X-Cache", "HIT")
				w.Header().Set("X-Completion-Image-Tokens", "1")
				_, _ = w.Write(img)
			}, asLegacy)
			for range 2 {
				got, err := client.Image(t.Context(), r.request)
				if err != nil {
					t.Fatal(err)
				}
				if !got.CacheHit || got.Usage.ImageTokens != 1 {
					t.Errorf("got %+v", got.Usage)
				}
			}
			if want := "GET " + r.uri; sent[0] != want || sent[1] != want {
				t.Errorf("requested %q\nand   %q\nwant  %q", sent[0], sent[1], want)
			}
		})
	}
}

// A prompt that is too long for the URL is rejected without a call, since the service accepts no body.
func TestLegacyLongPrompt(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(http.ResponseWriter, *http.Request) { t.Error("the service was called") }, asLegacy)
	for _, r := range []pollinations.ImageRequest{
		{Prompt: strings.Repeat("a", 5<<10+1)},
		{Prompt: strings.Repeat("猫", 600)},
		{Prompt: "a", Negative: strings.Repeat("b", 5<<10)},
		{Prompt: " "},
		{Prompt: "a", ReferenceImages: []string{"https://a.example/" + strings.Repeat("p", 5<<10)}},
	} {
		_, err := client.Image(t.Context(), r)
		upstreamtest.RequireError(t, err, fault.Permanent, job.CodeRejected)
	}
	_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: " "})
	upstreamtest.RequireError(t, err, fault.Permanent, job.CodeRejected)
}

func TestLegacySpeech(t *testing.T) {
	t.Parallel()
	type request = pollinations.SpeechRequest
	long := strings.Repeat("今天天气很好。", 60)
	rows := []struct {
		name string
		request
		// path is that of the expected GET request; if it is empty, a POST with this format is expected.
		path, format string
		model, voice string
		sound        []byte
		contentType  string
	}{
		{name: "short", request: request{Text: "hello, you/me?", Voice: "nova"}, path: "/hello%2C%20you%2Fme%3F", model: "openai-audio", voice: "nova", sound: mp3Of(5), contentType: "audio/mpeg"},
		{name: "the system's default model", request: request{Text: "hello", Model: pollinations.DefaultSpeechModel}, path: "/hello", model: "openai-audio", voice: "alloy", sound: mp3Of(5), contentType: "audio/mpeg"},
		{name: "another model", request: request{Text: "hello", Model: "hear"}, path: "/hello", model: "hear", voice: "alloy", sound: mp3Of(5), contentType: "audio/mpeg"},
		{name: "long", request: request{Text: long}, format: "mp3", model: "openai-audio", voice: "alloy", sound: mp3Of(5), contentType: "audio/mpeg"},
		{name: "a route of the service", request: request{Text: "Models"}, format: "mp3", model: "openai-audio", voice: "alloy", sound: mp3Of(5), contentType: "audio/mpeg"},
		{name: "wav", request: request{Text: "hello", Format: "wav"}, format: "wav", model: "openai-audio", voice: "alloy", sound: wavOf(2000, -1), contentType: "audio/wav"},
		{name: "flac", request: request{Text: "hello", Format: "flac", Voice: "sage"}, format: "flac", model: "openai-audio", voice: "sage", sound: []byte("fLaC and so on"), contentType: "audio/flac"},
		{name: "raw samples", request: request{Text: "hello", Format: "pcm"}, format: "wav", model: "openai-audio", voice: "alloy", sound: make([]byte, 400), contentType: "audio/pcm"},
		{name: "another speed", request: request{Text: "hello", Format: "wav", Speed: 2}, format: "wav", model: "openai-audio", voice: "alloy", sound: wavOf(24000, -1), contentType: "audio/wav"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				if r.path != "" {
					query := q.URL.Query()
					if q.Method != http.MethodGet || q.URL.EscapedPath() != "/speak"+r.path {
						t.Errorf("requested %s %s, want GET %s", q.Method, q.URL.EscapedPath(), r.path)
					}
					if query.Get("model") != r.model || query.Get("voice") != r.voice || !strings.Contains(query.Get("system"), "word for word") {
						t.Errorf("query %v", query)
					}
					respond(r.sound, "Content-Type", "audio/mpeg")(w, q)
					return
				}
				var sent struct {
					Model      string
					Modalities []string
					Audio      struct{ Voice, Format string }
					Messages   []struct{ Role, Content string }
				}
				if err := json.NewDecoder(q.Body).Decode(&sent); err != nil || q.Method != http.MethodPost || q.URL.Path != "/speak/openai" {
					t.Errorf("requested %s %s: %v", q.Method, q.URL.Path, err)
				}
				if sent.Model != r.model || fmt.Sprint(sent.Modalities) != "[text audio]" || sent.Audio.Voice != r.voice || sent.Audio.Format != r.format {
					t.Errorf("requested %+v", sent)
				}
				if len(sent.Messages) != 2 || sent.Messages[0].Role != "system" || !strings.Contains(sent.Messages[0].Content, "word for word") ||
					sent.Messages[1].Role != "user" || sent.Messages[1].Content != r.Text {
					t.Errorf("messages %+v", sent.Messages)
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, chatSpeech(r.sound, r.Text, "stop"))
			}, asLegacy, func(c *pollinations.Config) { c.SpeechBaseURL = strings.TrimSuffix(c.SpeechBaseURL, "/v1") + "/speak" })
			got, err := client.Speech(t.Context(), r.request)
			if err != nil {
				t.Fatal(err)
			}
			if got.ContentType != r.contentType || (r.Speed == 0 && string(got.Data) != string(r.sound)) {
				t.Errorf("got %s, %d bytes", got.ContentType, len(got.Data))
			}
			if r.Speed == 2 && len(got.Data) != 44+24000 {
				t.Errorf("%d bytes for one second at twice the speed", len(got.Data))
			}
		})
	}
}

// chatSpeech returns the response of a chat model with audio output.
func chatSpeech(sound []byte, transcript, finish string) string {
	quoted, err := json.Marshal(transcript)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"id":"pllns_1","object":"chat.completion","created":1,"model":"gpt-audio","choices":[{"index":0,"message":{"role":"assistant","content":null,`+
		`"audio":{"id":"a","data":%q,"expires_at":1,"transcript":%s}},"finish_reason":%q}],"usage":{"total_tokens":9}}`,
		base64.StdEncoding.EncodeToString(sound), quoted, finish)
}

func TestLegacyChatSpeech(t *testing.T) {
	t.Parallel()
	const text = "How many legs does a spider have, and what is it called in Latin? Please tell me at once."
	rows := []struct {
		name, body string
		class      fault.Class
		code       string
	}{
		{"read", chatSpeech(mp3Of(5), text, "stop"), "", ""},
		{"read, with another spelling", chatSpeech(mp3Of(5), "how many legs does a spider have and what is it called in latin please tell me AT ONCE", "stop"), "", ""},
		{"read without a transcript", chatSpeech(mp3Of(5), "", "stop"), "", ""},
		{"answered", chatSpeech(mp3Of(5), "Eight. Its family goes by Araneae.", "stop"), fault.Retryable, job.CodeInvalidAnswer},
		{"filtered", chatSpeech(nil, "", "content_filter"), fault.Moderated, job.CodeModerated},
		{"written", `{"choices":[{"message":{"content":"Eight."},"finish_reason":"stop"}]}`, fault.Retryable, job.CodeInvalidAnswer},
		{"no choice", `{"choices":[]}`, fault.Retryable, job.CodeInvalidAnswer},
		{"an error", `{"error":"Rate limit exceeded","status":429}`, fault.Throttled, job.CodeThrottled},
		{"no JSON", `{"choices":`, fault.Retryable, job.CodeInvalidAnswer},
		{"no base64", strings.Replace(chatSpeech(mp3Of(5), text, "stop"), `"data":"`, `"data":"!`, 1), fault.Retryable, job.CodeInvalidAnswer},
		{"no audio", chatSpeech([]byte("hello"), text, "stop"), fault.Retryable, job.CodeInvalidAnswer},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, respond([]byte(r.body), "Content-Type", "application/json; charset=utf-8"), asLegacy)
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: text, Format: "opus"})
			if r.code == "" {
				if err != nil || got.Model != "gpt-audio" || got.ContentType != "audio/mpeg" {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			upstreamtest.RequireError(t, err, r.class, r.code)
		})
	}
}

// All documented errors of the legacy services.
func TestLegacyFaults(t *testing.T) {
	t.Parallel()
	const (
		queue = `{"error":"Too Many Requests","message":"Queue full for IP: 1.2.3.4: 1 requests already queued (max: 1).","requestId":"q","requestParameters":{"prompt":"` + canaryPrompt + `"},"queueInfo":{"ip":"1.2.3.4"}}`
		x402  = `{"x402Version":1,"error":"%s","accepts":[{"scheme":"exact","network":"base","maxAmountRequired":"1000","resource":"http://h/prompt/a%%20yellow%%20bird","mimeType":"image/jpeg","payTo":"0x1","maxTimeoutSeconds":60}]}`
		tier  = `{"error":"Model not found or tier not high enough. Your tier: anonymous, required tier: seed. ","status":402}`
		gone  = `{"error":"Model not found: openai-audio. ","status":404}`
	)
	full := fmt.Sprintf(x402, "Queue full for IP: 1.2.3.4: 1 requests already queued (max: 1). ")
	paid := fmt.Sprintf(x402, "Payment required")
	rows := []struct {
		name   string
		status int
		body   string
		class  fault.Class
		code   string
		// model is the requested speech model.
		model   string
		advised bool
		after   time.Duration
	}{
		{name: "queue", status: 429, body: queue, class: fault.Throttled, code: job.CodeThrottled, after: 30 * time.Second},
		{name: "queue as an error", status: 500, body: queue, class: fault.Throttled, code: job.CodeThrottled, after: 30 * time.Second},
		{name: "queue as payment", status: 402, body: full, class: fault.Throttled, code: job.CodeThrottled, after: 30 * time.Second},
		{name: "interval", status: 429, body: `{"success":false,"error":{"message":"Sana is limited to one request per IP every 45 seconds. Retry after 31s.","code":"RATE_LIMITED"},"status":429}`, class: fault.Throttled, code: job.CodeThrottled, after: 31 * time.Second},
		{name: "payment", status: 402, body: paid, class: fault.Misconfigured, code: job.CodeMisconfigured, advised: true},
		{name: "unauthorized", status: 401, body: `{"error":"Unauthorized","message":"x"}`, class: fault.Misconfigured, code: job.CodeMisconfigured, advised: true},
		{name: "blocked", status: 403, body: `{"error":"Forbidden","status":403,"details":{"blockedIp":"1.2.3.4"}}`, class: fault.Misconfigured, code: job.CodeMisconfigured, advised: true},
		{name: "forbidden without a message", status: 403, class: fault.Misconfigured, code: job.CodeMisconfigured, advised: true},
		{name: "page of the edge", status: 403, body: "<html><title>Just a moment...</title></html>", class: fault.Retryable, code: job.CodeUnavailable},
		{name: "prohibited", status: 403, body: `{"error":"Forbidden","message":"Content is prohibited"}`, class: fault.Moderated, code: job.CodeModerated},
		{name: "tier", status: 402, body: tier, class: fault.Misconfigured, code: job.CodeMisconfigured, advised: true},
		{name: "tier of a requested model", status: 402, body: tier, model: "hear", class: fault.Permanent, code: job.CodeRejected},
		{name: "model gone", status: 404, body: gone, class: fault.Misconfigured, code: job.CodeMisconfigured, advised: true},
		{name: "requested model gone", status: 404, body: gone, model: "hear", class: fault.Permanent, code: job.CodeRejected},
		{name: "URL too long", status: 400, body: "<html><title>400</title></html>", class: fault.Permanent, code: job.CodeRejected},
		{name: "no server", status: 500, body: `{"error":"Internal Server Error","message":"No active flux servers available"}`, class: fault.Retryable, code: job.CodeUnavailable},
		{name: "tunnel", status: 530, body: "error code: 1033", class: fault.Retryable, code: job.CodeUnavailable},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", http.DetectContentType([]byte(r.body)))
				w.WriteHeader(r.status)
				_, _ = io.WriteString(w, r.body)
			}, asLegacy)
			_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: canaryPrompt, Model: r.model})
			upstreamtest.RequireError(t, err, r.class, r.code)
			f := upstreamtest.Error(t, err)
			upstreamtest.RequireNoSecret(t, f)
			if f.Status != r.status || f.RetryAfter != r.after {
				t.Errorf("status %d, wait %v", f.Status, f.RetryAfter)
			}
			if strings.Contains(f.Detail, "move to gen (set POLLINATIONS_TEXT_API_BASE") != r.advised {
				t.Errorf("detail %q", f.Detail)
			}
		})
	}
	t.Run("advice about images", func(t *testing.T) {
		t.Parallel()
		client := newClient(t, respond(jpegOf(t, 9, 9), "Content-Type", "image/jpeg", "X-Error-Status", "401"), asLegacy)
		_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: canaryPrompt})
		upstreamtest.RequireError(t, err, fault.Misconfigured, job.CodeMisconfigured)
		if f := upstreamtest.Error(t, err); !strings.Contains(f.Detail, "move to gen (set POLLINATIONS_IMAGE_API_BASE") {
			t.Errorf("detail %q", f.Detail)
		}
	})
	t.Run("text instead of audio", func(t *testing.T) {
		t.Parallel()
		client := newClient(t, respond([]byte("Eight legs."), "Content-Type", "text/plain; charset=utf-8"), asLegacy)
		_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: url.PathEscape(canaryPrompt)})
		upstreamtest.RequireError(t, err, fault.Retryable, job.CodeInvalidAnswer)
	})
}
