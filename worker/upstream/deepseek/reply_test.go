package deepseek_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// The events of a stream, as documented.
const (
	role       = `{"id":"1","object":"chat.completion.chunk","created":1,"model":"deepseek-flash","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}`
	hello      = `{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"content":"A red "},"logprobs":null,"finish_reason":null}],"usage":null}`
	world      = `{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"content":"fox 狐狸"},"logprobs":null,"finish_reason":null}]}`
	think      = `{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"Hm."},"finish_reason":null}]}`
	other      = `{"id":"1","model":"deepseek-flash","choices":[{"index":1,"delta":{"content":"A dog"},"finish_reason":"stop"}]}`
	used       = `"usage":{"prompt_tokens":21,"completion_tokens":5,"total_tokens":26,"prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":21}`
	ended      = `{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"%s"}]}`
	usageEvent = `{"id":"1","model":"deepseek-flash","choices":[],` + used + `}`
	whole      = `{"id":"1","object":"chat.completion","created":1,"model":"deepseek-flash","choices":[{"index":0,"message":{"role":"assistant","content":%s,"reasoning_content":null},"logprobs":null,"finish_reason":"%s"}],` + used + `}`
	failed     = `{"error":{"message":"%s","type":"server_error","param":null,"code":"%s"}}`
)

func end(reason string) string { return fmt.Sprintf(ended, reason) }

// endWithUsage returns a last event that also has the usage.
func endWithUsage(reason string) string {
	return strings.TrimSuffix(end(reason), "}") + "," + used + "}"
}

// stream returns a stream of events.
func stream(data ...string) string {
	return "data: " + strings.Join(data, "\n\ndata: ") + "\n\n"
}

func document(content, reason string) string { return fmt.Sprintf(whole, content, reason) }

func TestReplies(t *testing.T) {
	t.Parallel()
	const text = "A red fox 狐狸"
	rows := []struct {
		name, body  string
		contentType string
		text        string
		tokens      int
	}{
		{name: "usage on the last event", body: stream(role, hello, world, endWithUsage("stop"), "[DONE]"), tokens: 5},
		{name: "usage in an event of its own", body: stream(role, hello, world, end("stop"), usageEvent, "[DONE]"), tokens: 5},
		{name: "without usage", body: stream(role, hello, world, end("stop"), "[DONE]")},
		{name: "keep-alives", body: ": keep-alive\n\n: keep-alive\n\n" + strings.ReplaceAll(stream(role, hello, world, endWithUsage("stop"), "[DONE]"), "data:", ": keep-alive\n\ndata:"), tokens: 5},
		{name: "CRLF and no space", body: strings.NewReplacer("\n", "\r\n", "data: ", "data:").Replace(stream(role, hello, world, endWithUsage("stop"), "[DONE]")), tokens: 5},
		{name: "names, ids and retry", body: "retry: 10\nevent: message\nid: 7\n" + stream(role, hello, world, endWithUsage("stop"), "[DONE]"), tokens: 5},
		{name: "data in two lines", body: "data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"A red fox 狐狸\"},\"finish_reason\":\"stop\"}]}\n\n"},
		{name: "byte order mark", body: "\ufeff" + stream(hello, world, endWithUsage("stop"), "[DONE]"), tokens: 5},
		{name: "thoughts first", body: stream(think, think, hello, world, endWithUsage("stop"), "[DONE]"), tokens: 5},
		{name: "alternatives", body: stream(other, hello, other, world, endWithUsage("stop"), "[DONE]"), tokens: 5},
		{name: "end without DONE", body: stream(hello, world, endWithUsage("stop")), tokens: 5},
		{name: "end without DONE and without a last line", body: strings.TrimSpace(stream(hello, world, endWithUsage("stop"))), tokens: 5},
		{name: "DONE without a reason", body: stream(hello, world, "[DONE]")},
		{name: "unknown reason", body: stream(hello, world, end("eos"), "[DONE]")},
		{name: "whole", contentType: "application/json", body: document(`"A red fox 狐狸"`, "stop"), tokens: 5},
		{name: "whole after blank lines", contentType: "application/json", body: "\n\n\r\n \n\n" + document(`"A red fox 狐狸"`, "stop"), tokens: 5},
		{name: "whole, called a stream", body: document(`"A red fox 狐狸"`, "stop"), tokens: 5},
		{name: "whole with an error that is none", body: strings.TrimSuffix(document(`"A red fox 狐狸"`, "stop"), "}") + `,"error":null}`, tokens: 5},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			contentType := "text/event-stream"
			if r.contentType != "" {
				contentType = r.contentType
			}
			got, err := newClient(t, respond(contentType, r.body)).Improve(t.Context(), "fox", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Text != text {
				t.Errorf("text %q, want %q", got.Text, text)
			}
			if got.CompletionTokens != r.tokens || (r.tokens > 0 && got.PromptTokens != 21) {
				t.Errorf("tokens %d and %d", got.PromptTokens, got.CompletionTokens)
			}
		})
	}
}

func TestReplyFaults(t *testing.T) {
	t.Parallel()
	const invalid = job.CodeInvalidAnswer
	rows := []struct {
		name, contentType, body string
		class                   fault.Class
		code                    string
	}{
		{"stream broken off", "", stream(role, hello), fault.Retryable, invalid},
		{"stream of comments that ends", "", ": keep-alive\n\n", fault.Retryable, invalid},
		{"only DONE", "", stream("[DONE]"), fault.Retryable, invalid},
		{"no choices at all", "", stream(usageEvent, "[DONE]"), fault.Retryable, invalid},
		{"other alternatives only", "", stream(other, "[DONE]"), fault.Retryable, invalid},
		{"no text", "", stream(role, end("stop"), "[DONE]"), fault.Retryable, invalid},
		{"cut by length", "", stream(hello, world, end("length"), "[DONE]"), fault.Retryable, invalid},
		{"whole: cut by length", "application/json", document(`"A red fox 狐狸"`, "length"), fault.Retryable, invalid},
		{"no text, cut by length", "", stream(think, end("length"), "[DONE]"), fault.Retryable, invalid},
		{"only wrapping", "", stream(`{"choices":[{"index":0,"delta":{"content":"\"\""},"finish_reason":"stop"}]}`), fault.Retryable, invalid},
		{"filter", "", stream(hello, end("content_filter"), "[DONE]"), fault.Moderated, job.CodeModerated},
		{"resources", "", stream(hello, end("insufficient_system_resource"), "[DONE]"), fault.Retryable, job.CodeUnavailable},
		{"tools", "", stream(hello, end("tool_calls"), "[DONE]"), fault.Retryable, invalid},
		{"event that is no JSON", "", stream(hello, "oops"), fault.Retryable, invalid},
		{"event that is an array", "", stream("[]"), fault.Retryable, invalid},
		{"event of two megabytes", "", "data: " + strings.Repeat("x", 3<<20), fault.Retryable, invalid},
		{"longer than the limit", "", strings.Repeat(stream(role), 3<<20/len(role)), fault.Retryable, invalid},
		{"error in the stream", "", stream(hello, fmt.Sprintf(failed, canaryPrompt, "internal")), fault.Retryable, job.CodeUnavailable},
		{"limit in the stream", "", stream(fmt.Sprintf(failed, "Retry after 3s.", "429")), fault.Throttled, job.CodeThrottled},
		{"error as a string", "", stream(`{"error":"busy"}`), fault.Retryable, job.CodeUnavailable},
		{"whole: no text", "application/json", document(`""`, "stop"), fault.Retryable, invalid},
		{"whole: null", "application/json", document("null", "stop"), fault.Retryable, invalid},
		{"whole: filter", "application/json", document(`"x"`, "content_filter"), fault.Moderated, job.CodeModerated},
		{"whole: error", "application/json", fmt.Sprintf(failed, "Insufficient Balance", "402"), fault.Misconfigured, job.CodeMisconfigured},
		{"whole: cut", "application/json", document(`"x"`, "stop")[:60], fault.Retryable, invalid},
		{"whole: no choices", "application/json", `{"choices":[]}`, fault.Retryable, invalid},
		{"whole: other object", "application/json", `{"hello":"` + canaryPrompt + `"}`, fault.Retryable, invalid},
		{"empty", "application/json", "", fault.Retryable, invalid},
		{"blank lines and nothing", "application/json", "\n\n\n", fault.Retryable, invalid},
		{"page", "text/html", "<!DOCTYPE html><title>" + canaryPrompt + "</title>", fault.Retryable, invalid},
		{"bare string", "application/json", `"Invalid token"`, fault.Retryable, invalid},
		{"array", "application/json", `[1]`, fault.Retryable, invalid},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			contentType := "text/event-stream"
			if r.contentType != "" {
				contentType = r.contentType
			}
			_, err := newClient(t, respond(contentType, r.body)).Improve(t.Context(), canaryPrompt, nil)
			requireFault(t, err, r.class, r.code)
		})
	}
}

func TestStatusFaults(t *testing.T) {
	t.Parallel()
	rows := []struct {
		status int
		body   string
		class  fault.Class
		code   string
	}{
		{400, `{"error":{"message":"The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed x.","type":"invalid_request_error"}}`, fault.Misconfigured, job.CodeMisconfigured},
		{401, `{"error":{"message":"Authentication Fails, Your api key: ****5f1e is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}`, fault.Misconfigured, job.CodeMisconfigured},
		{402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, fault.Misconfigured, job.CodeMisconfigured},
		{422, `{"error":{"message":"` + canaryPrompt + `"}}`, fault.Permanent, job.CodeRejected},
		{429, `{"error":{"message":"slow down ` + canaryKey + `"}}`, fault.Throttled, job.CodeThrottled},
		{500, "", fault.Retryable, job.CodeUnavailable},
		{503, "<html>" + canaryPrompt + "</html>", fault.Retryable, job.CodeUnavailable},
	}
	for _, r := range rows {
		t.Run(http.StatusText(r.status), func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(r.status)
				_, _ = io.WriteString(w, r.body)
			})
			_, err := client.Translate(t.Context(), canaryPrompt, nil)
			requireFault(t, err, r.class, r.code)
			if f := upstreamtest.Error(t, err); f.Status != r.status {
				t.Errorf("status %d", f.Status)
			}
		})
	}
}

// A stream may be split anywhere, also inside characters and lines.
func TestSplitStream(t *testing.T) {
	t.Parallel()
	body := stream(role, hello, world, endWithUsage("stop"), "[DONE]")
	for _, size := range []int{1, 2, 3, 7} {
		got, err := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for rest := []byte(body); len(rest) > 0; {
				n := min(size, len(rest))
				_, _ = w.Write(rest[:n])
				_ = http.NewResponseController(w).Flush()
				rest = rest[n:]
			}
		}).Improve(t.Context(), "fox", nil)
		if err != nil || got.Text != "A red fox 狐狸" {
			t.Errorf("pieces of %d: %q, %v", size, got.Text, err)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(stream(role, hello, "[DONE]"))
	f.Add(": x\r\ndata\ndata:\ndata: a\ndata: b\n\n\n")
	f.Fuzz(func(t *testing.T, body string) {
		events, err := deepseek.Events(strings.NewReader(body))
		if err == nil {
			t.Error("no error at the end")
		}
		length := 0
		for _, event := range events {
			length += len(event)
		}
		if length > len(body) {
			t.Error("more data than in the stream")
		}
	})
}

// fixed is a transport that always returns the same body.
type fixed string

func (body fixed) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(string(body))),
	}, nil
}

func FuzzReply(f *testing.F) {
	f.Add(stream(role, hello, world, endWithUsage("stop"), "[DONE]"))
	f.Add("\n\n" + document(`"x"`, "stop"))
	f.Add(stream(fmt.Sprintf(failed, "x", "429")))
	f.Add("<html>")
	f.Fuzz(func(t *testing.T, body string) {
		client, err := deepseek.New(deepseek.Config{URL: "http://example.org", HTTP: &http.Client{Transport: fixed(body)}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.Improve(t.Context(), "fox", nil)
		if err == nil && got.Text == "" {
			t.Error("succeeded without a text")
		}
	})
}
