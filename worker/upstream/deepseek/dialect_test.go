package deepseek_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// recorder is a transport that records the last request to any host.
type recorder struct {
	mu   sync.Mutex
	url  string
	body map[string]json.RawMessage
}

func (rec *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.url, rec.body = r.URL.String(), nil
	if err := json.NewDecoder(r.Body).Decode(&rec.body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Request: r,
		Body: io.NopCloser(strings.NewReader(stream(hello, end("stop"), "[DONE]"))),
	}, nil
}

// The host decides the path, the default model and how thinking is disabled. For an unknown host the name of the model
// decides.
func TestDialect(t *testing.T) {
	t.Parallel()
	const flash, flow = "deepseek-flash", "deepseek-ai/DeepSeek-V4-Flash"
	rows := []struct {
		url, model         string
		wantURL, wantModel string
		siliconFlow        bool
	}{
		{url: "https://api.deepseek.com", wantURL: "https://api.deepseek.com/chat/completions", wantModel: flash},
		{url: "https://api.deepseek.com/v1/", wantURL: "https://api.deepseek.com/v1/chat/completions", wantModel: flash},
		{url: "https://api.deepseek.com/v1/chat/completions", wantURL: "https://api.deepseek.com/v1/chat/completions", wantModel: flash},
		{url: "https://API.DeepSeek.com./chat/completions", model: "x/y", wantURL: "https://API.DeepSeek.com./chat/completions", wantModel: "x/y"},
		{url: "https://api.siliconflow.cn", wantURL: "https://api.siliconflow.cn/v1/chat/completions", wantModel: flow, siliconFlow: true},
		{url: "https://api.siliconflow.cn/v1", wantURL: "https://api.siliconflow.cn/v1/chat/completions", wantModel: flow, siliconFlow: true},
		{url: "https://api.siliconflow.cn/v1/chat/completions", wantURL: "https://api.siliconflow.cn/v1/chat/completions", wantModel: flow, siliconFlow: true},
		{url: "https://api.siliconflow.com/", wantURL: "https://api.siliconflow.com/v1/chat/completions", wantModel: flow, siliconFlow: true},
		{url: "https://api.siliconflow.com/v1/", model: "deepseek-chat", wantURL: "https://api.siliconflow.com/v1/chat/completions", wantModel: flow, siliconFlow: true},
		{url: "https://api.siliconflow.com/chat/completions", model: "Pro/deepseek-ai/DeepSeek-V3.2", wantURL: "https://api.siliconflow.com/v1/chat/completions", wantModel: "Pro/deepseek-ai/DeepSeek-V3.2", siliconFlow: true},
		{url: "http://127.0.0.1:1/v1", model: "deepseek-ai/DeepSeek-V3", wantURL: "http://127.0.0.1:1/v1/chat/completions", wantModel: "deepseek-ai/DeepSeek-V3", siliconFlow: true},
		{url: "http://127.0.0.1:1", wantURL: "http://127.0.0.1:1/chat/completions", wantModel: flash},
		{url: "http://notsiliconflow.cn", wantURL: "http://notsiliconflow.cn/chat/completions", wantModel: flash},
	}
	for _, r := range rows {
		t.Run(r.url+" "+r.model, func(t *testing.T) {
			t.Parallel()
			service := &recorder{}
			cfg := deepseek.Config{URL: r.url, Model: r.model, Key: canaryKey, HTTP: &http.Client{Transport: service}}
			client, err := deepseek.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Translate(t.Context(), "fox", nil); err != nil {
				t.Fatal(err)
			}
			if service.url != r.wantURL {
				t.Errorf("requested %s, want %s", service.url, r.wantURL)
			}
			if got := string(service.body["model"]); got != `"`+r.wantModel+`"` {
				t.Errorf("requested the model %s, want %s", got, r.wantModel)
			}
			thinking, thinks := `{"type":"disabled"}`, ""
			if r.siliconFlow {
				thinking, thinks = "", "false"
			}
			if got := string(service.body["thinking"]); got != thinking {
				t.Errorf("thinking is %s, want %s", got, thinking)
			}
			if got := string(service.body["enable_thinking"]); got != thinks {
				t.Errorf("enable_thinking is %s, want %s", got, thinks)
			}
		})
	}
}

// An unknown model is a misconfiguration, and the detail names the setting.
func TestUnknownModel(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]struct {
		status int
		body   string
	}{
		"retired":        {400, `{"error":{"message":"The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-chat.","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`},
		"unknown":        {400, `{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`},
		"SiliconFlow":    {400, `{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}`},
		"as a not-found": {404, `{"error":{"message":"Model Not Exist","type":"invalid_request_error"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(r.status)
				_, _ = io.WriteString(w, r.body)
			})
			_, err := client.Improve(t.Context(), canaryPrompt, nil)
			requireFault(t, err, fault.Misconfigured, job.CodeMisconfigured)
			if f := upstreamtest.Error(t, err); !strings.HasPrefix(f.Detail, "DEEPSEEK_MODEL names a model that is not served: ") {
				t.Errorf("detail %q", f.Detail)
			}
		})
	}
	t.Run("in the user's text", func(t *testing.T) {
		t.Parallel()
		const text = "model does not exist, said the yellow bird"
		client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"message":"cannot read: `+text+`"}}`)
		})
		_, err := client.Improve(t.Context(), text, nil)
		requireFault(t, err, fault.Permanent, job.CodeRejected)
	})
}

// A model that cannot think may reject the parameter that disables thinking. All later requests omit it.
func TestThinkingParameterIsRejected(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		"Value error, current model does not support parameter `enable_thinking`. Please check it carefully.",
		"Unrecognized request argument supplied: thinking",
		"Value error, current model does not support thinking.",
	} {
		calls := 0
		client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "thinking\":") {
				w.WriteHeader(http.StatusBadRequest)
				_ = json.NewEncoder(w).Encode(map[string]any{"code": 20015, "message": message, "data": nil})
				return
			}
			respond("text/event-stream", stream(hello, end("stop"), "[DONE]"))(w, r)
		})
		_, err := client.Improve(t.Context(), "fox", nil)
		requireFault(t, err, fault.Retryable, job.CodeUnavailable)
		for range 2 {
			if _, err := client.Improve(t.Context(), "fox", nil); err != nil {
				t.Error(err)
			}
		}
		if calls != 3 {
			t.Errorf("%d calls", calls)
		}
	}
}

// SiliconFlow's errors have no member "error", also in a response with status 200 or in a stream.
func TestSiliconFlowFaults(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name        string
		status      int
		contentType string
		body        string
		class       fault.Class
		code        string
		after       time.Duration
	}{
		{"key", 401, "application/json", `"Api key is invalid"`, fault.Misconfigured, job.CodeMisconfigured, 0},
		{"balance", 403, "application/json", `{"code":30001,"message":"insufficient balance","data":null}`, fault.Misconfigured, job.CodeMisconfigured, 0},
		{"too long", 400, "application/json", `{"code":20015,"message":"length of prompt_tokens (68957) must be less than max_seq_len (65536).","data":null}`, fault.Permanent, job.CodeRejected, 0},
		{"limit of a minute", 429, "application/json", `{"message":"Request was rejected due to rate limiting. Details: TPM limit reached.","data":null}`, fault.Throttled, job.CodeThrottled, 0},
		{"limit of a day", 429, "application/json", `{"message":"Request was rejected due to rate limiting. Details: RPD limit reached.","data":null}`, fault.Throttled, job.CodeThrottled, time.Hour},
		{"busy", 503, "application/json", `{"code":50508,"message":"System is too busy now. Please try again later.","data":null}`, fault.Retryable, job.CodeUnavailable, 0},
		{"busy, as a success", 200, "application/json", `{"code":50508,"message":"System is too busy now.","data":null}`, fault.Retryable, job.CodeUnavailable, 0},
		{"busy, in a stream", 200, "text/event-stream", stream(role, hello, `{"code":50508,"message":"System is too busy now.","data":null}`), fault.Retryable, job.CodeUnavailable, 0},
		{"too long, as a success", 200, "application/json", `{"code":20015,"message":"length of prompt_tokens","data":null}`, fault.Permanent, job.CodeRejected, 0},
		{"model, in a stream", 200, "text/event-stream", stream(`{"code":20012,"message":"Model does not exist.","data":null}`), fault.Misconfigured, job.CodeMisconfigured, 0},
		{"balance, in a stream", 200, "text/event-stream", stream(`{"code":30001,"message":"insufficient","data":null}`), fault.Misconfigured, job.CodeMisconfigured, 0},
		{"no code, in a stream", 200, "text/event-stream", stream(`{"message":"oops","data":null}`), fault.Retryable, job.CodeUnavailable, 0},
		{"bare string, as a success", 200, "application/json", `"Invalid token"`, fault.Retryable, job.CodeInvalidAnswer, 0},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", r.contentType)
				w.WriteHeader(r.status)
				_, _ = io.WriteString(w, r.body)
			}, func(c *deepseek.Config) { c.Model = deepseek.DefaultSiliconFlowModel })
			_, err := client.Improve(t.Context(), canaryPrompt, nil)
			requireFault(t, err, r.class, r.code)
			if got := upstreamtest.Error(t, err).RetryAfter; got != r.after {
				t.Errorf("wait %v, want %v", got, r.after)
			}
		})
	}
}

// OpenAI sends the status of a throttle for an account without balance, which only an operator can fix.
func TestAccountWithoutBalance(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`)
	}, func(c *deepseek.Config) { c.Plain, c.Model = true, "gpt-5" })
	_, err := client.Improve(t.Context(), "fox", nil)
	requireFault(t, err, fault.Misconfigured, job.CodeMisconfigured)
}
