package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// request asks for something good of each sort.
type sample struct {
	kind               simulator.Kind
	method, path, body string
}

func samples() map[string]sample {
	return map[string]sample{
		"image":   {simulator.KindImage, http.MethodGet, "/image/a%20cat?width=64&height=64", ""},
		"speech":  {simulator.KindSpeech, http.MethodPost, "/v1/audio/speech", `{"input":"hello there"}`},
		"chat":    {simulator.KindChat, http.MethodPost, "/deepseek/chat/completions", chatBody(quiet, improver, "a cat")},
		"stream":  {simulator.KindChat, http.MethodPost, "/deepseek/chat/completions", chatBody(`"stream":true,`+quiet, improver, "a cat")},
		"gateway": {simulator.KindChat, http.MethodPost, "/v1/chat/completions", `{"messages":[{"role":"user","content":"hello"}]}`},
		"balance": {simulator.KindAccount, http.MethodGet, "/account/balance", ""},
	}
}

// seen is what a fault must look like; zero fields are not looked at.
type seen struct {
	sample      string // image when empty
	status      int
	contentType string // a prefix
	part        string // of the body
	header      [2]string
	broken      bool // the answer does not arrive in full
	check       func(*testing.T, answer)
}

const jsonType, htmlType, textType = "application/json", "text/html", "text/plain"

func envelopeOrder(t *testing.T, a answer) {
	t.Helper()
	if keys := keysInOrder(t, a.body); !slices.Equal(keys, []string{"success", "error", "status"}) {
		t.Errorf("keys %v", keys)
	}
	fields := a.fields(t)
	if at(t, fields, "success") != false || int(at(t, fields, "status").(float64)) != a.status || at(t, fields, "error", "requestId") == nil {
		t.Errorf("envelope %s", a.body)
	}
}

func finished(reason string, empty bool) func(*testing.T, answer) {
	return func(t *testing.T, a answer) {
		t.Helper()
		fields := a.fields(t)
		content := at(t, fields, "choices", 0, "message", "content")
		if got := at(t, fields, "choices", 0, "finish_reason"); got != reason || (content == "") != empty {
			t.Errorf("finish_reason %v, content %q", got, content)
		}
	}
}

// faultTable names what every fault looks like; TestEveryFault checks that
// none is missing. Faults that never end an answer are in TestEndlessFaults.
func faultTable() map[string][]seen {
	gateway := func(status int, code, part string) seen {
		return seen{status: status, contentType: jsonType, part: part, check: func(t *testing.T, a answer) {
			t.Helper()
			envelopeOrder(t, a)
			if got := at(t, a.fields(t), "error", "code"); got != code {
				t.Errorf("code %v, want %s", got, code)
			}
		}}
	}
	deepSeek := func(status int, kind, part string) seen {
		return seen{sample: "chat", status: status, contentType: jsonType, part: part, check: func(t *testing.T, a answer) {
			t.Helper()
			if got := at(t, a.fields(t), "error", "type"); got != kind {
				t.Errorf("type %v, want %s", got, kind)
			}
		}}
	}
	const invalid = "invalid_request_error"
	return map[string][]seen{
		"bad_request":          {gateway(400, "BAD_REQUEST", "fieldErrors"), deepSeek(400, invalid, "Failed to deserialize")},
		"unprocessable":        {gateway(422, "UNPROCESSABLE_ENTITY", ""), deepSeek(422, invalid, "")},
		"unauthorized":         {gateway(401, "UNAUTHORIZED", "Invalid API key."), deepSeek(401, "authentication_error", "****")},
		"no_balance":           {gateway(402, "PAYMENT_REQUIRED", "Insufficient balance."), deepSeek(402, "unknown_error", "Insufficient Balance")},
		"key_budget_exhausted": {gateway(402, "KEY_BUDGET_EXHAUSTED", "API key budget exhausted.")},
		"paid_only":            {gateway(402, "PAYMENT_REQUIRED", "💳 Top-up Pollen")},
		"forbidden":            {gateway(403, "FORBIDDEN", "is not allowed for this API key")},
		"not_found":            {gateway(404, "NOT_FOUND", ""), deepSeek(404, invalid, "")},
		"payload_too_large":    {gateway(413, "PAYLOAD_TOO_LARGE", "")},
		"moderated":            {gateway(422, "content_policy_violation", "rejected by content moderation"), deepSeek(400, invalid, "Content Exists Risk")},
		"safety_block":         {{status: 400, part: `"type":"safety_error"`, header: [2]string{"X-Safety-Status", "blocked"}, check: envelopeOrder}},
		"rate_limited":         {gateway(429, "RATE_LIMITED", "Too many requests from this IP."), deepSeek(429, "rate_limit_error", "")},
		"rate_limited_pk": {{status: 429, contentType: jsonType, part: `"retryAfterSeconds":12.5`, header: [2]string{"Retry-After", "13"}, check: func(t *testing.T, a answer) {
			t.Helper()
			if keys := keysInOrder(t, a.body); !slices.Equal(keys, []string{"error", "message", "retryAfterSeconds"}) {
				t.Errorf("keys %v", keys)
			}
		}}},
		"concurrency":           {{status: 429, part: `"error":"concurrency_limit_exceeded"`, header: [2]string{"Retry-After", "1"}}, deepSeek(429, "rate_limit_error", "")},
		"rate_limited_interval": {{status: 429, part: "every 45 seconds", header: [2]string{"Retry-After", "45"}, check: envelopeOrder}},
		"server_error":          {gateway(500, "INTERNAL_ERROR", "No active flux servers available"), deepSeek(500, "server_error", "")},
		"bad_gateway":           {gateway(502, "BAD_GATEWAY", `"name":"UpstreamError","upstreamStatus":429`)},
		"unavailable":           {gateway(503, "SERVICE_UNAVAILABLE", ""), deepSeek(503, "service_unavailable_error", "")},
		"gateway_timeout":       {gateway(504, "GATEWAY_TIMEOUT", "")},
		"retired_model":         {deepSeek(400, invalid, "but you passed deepseek-chat."), gateway(400, "BAD_REQUEST", "")},
		"unknown_model":         {gateway(400, "BAD_REQUEST", "Invalid model"), deepSeek(400, invalid, "Model Not Exist")},
		"balance_forbidden":     {{sample: "balance", status: 403, part: "account:usage"}},
		"budgeted_key":          {{sample: "balance", status: 200, part: `{"balance":8.44}`}},

		"html_502": {{status: 502, contentType: htmlType, part: "Bad Gateway"}, {sample: "chat", status: 502, contentType: htmlType}},
		"html_504": {{status: 504, contentType: htmlType}},
		"html_524": {{status: 524, contentType: htmlType}},
		"text_503": {{status: 503, contentType: textType, part: "Generation coordination is unavailable"}},
		"text_530": {{status: 530, contentType: textType, part: "error code: 1033"}},

		"error_picture": {{status: 200, contentType: "image/jpeg", header: [2]string{"X-Error-Status", "500"}, check: func(t *testing.T, a answer) {
			t.Helper()
			decode(t, a.body, "jpeg", 1280, 720)
			if a.header.Get("X-Error-Type") == "" || a.header.Get("X-Error-Message") == "" {
				t.Error("a header is missing")
			}
		}}},
		"error_picture_bare": {{status: 200, contentType: "image/jpeg", check: func(t *testing.T, a answer) {
			t.Helper()
			decode(t, a.body, "jpeg", 1280, 720)
			for name := range a.header {
				if strings.HasPrefix(name, "X-Error") {
					t.Errorf("it has %s", name)
				}
			}
		}}},
		"wrong_size":      {{status: 200, contentType: "image/jpeg", check: func(t *testing.T, a answer) { t.Helper(); decode(t, a.body, "jpeg", 640, 448) }}},
		"wrong_type":      {{status: 200, contentType: htmlType}, {sample: "speech", status: 200, contentType: htmlType}, {sample: "chat", status: 200, contentType: htmlType}},
		"not_json":        {{sample: "chat", status: 200, contentType: jsonType, part: `{"id"`}},
		"garbage":         {{status: 200, contentType: "image/jpeg", part: "upstream"}, {sample: "speech", status: 200, contentType: "audio/mpeg", part: "upstream"}, {sample: "chat", status: 200, contentType: jsonType}},
		"empty":           {{status: 200, contentType: "image/jpeg", check: isEmpty}, {sample: "speech", status: 200, check: isEmpty}, {sample: "chat", status: 200, check: isEmpty}, {sample: "stream", status: 200, contentType: "text/event-stream", check: isEmpty}},
		"truncated":       {{broken: true, status: 200, contentType: "image/jpeg"}, {sample: "speech", broken: true, status: 200}, {sample: "chat", broken: true, status: 200}, {sample: "stream", broken: true, status: 200}},
		"reset":           {{broken: true}, {sample: "chat", broken: true}},
		"safety_redacted": {{status: 200, contentType: "image/jpeg", header: [2]string{"X-Safety-Redacted", "1"}}},

		"accept_openai_audio": {{sample: "speech", status: 200, contentType: "audio/mpeg"}},
		"blank_lines": {{sample: "chat", status: 200, contentType: jsonType, check: func(t *testing.T, a answer) {
			t.Helper()
			if !strings.HasPrefix(string(a.body), "\n\n") {
				t.Errorf("it begins with %q", a.body[:2])
			}
			finished("stop", false)(t, a)
		}}},
		"keepalive_comments": {{sample: "stream", status: 200, part: ": keep-alive\n\ndata: {"}},
		"usage_chunk":        {{sample: "stream", status: 200, part: `"choices":[],"usage":{"prompt_tokens"`}},
		"split_chunks":       {{sample: "stream", status: 200, part: "data: [DONE]"}},
		"stream_without_done": {{sample: "stream", status: 200, check: func(t *testing.T, a answer) {
			t.Helper()
			if all := join(t, a.body); all.done || all.finish != "" || all.content == "" {
				t.Errorf("%+v", all)
			}
		}}},
		"empty_content":                       {{sample: "chat", check: finished("stop", true)}, {sample: "stream", status: 200, part: "[DONE]"}},
		"finish_length":                       {{sample: "chat", check: finished("length", false)}},
		"finish_content_filter":               {{sample: "chat", check: finished("content_filter", true)}, {sample: "stream", status: 200, part: `"finish_reason":"content_filter"`}},
		"finish_tool_calls":                   {{sample: "chat", part: `"tool_calls":[{"id"`, check: finished("tool_calls", true)}},
		"finish_insufficient_system_resource": {{sample: "chat", check: finished("insufficient_system_resource", false)}},
	}
}

func isEmpty(t *testing.T, a answer) {
	t.Helper()
	if len(a.body) > 0 {
		t.Errorf("%d bytes", len(a.body))
	}
}

// endlessFaults never end their answer.
func endlessFaults() []string {
	return []string{"hang", "stalled", "silent_stream", "endless_keepalive"}
}

func TestEveryFault(t *testing.T) {
	t.Parallel()
	table := faultTable()
	for _, name := range simulatortest.Start(t).FaultNames() {
		if _, ok := table[name]; !ok && !slices.Contains(endlessFaults(), name) {
			t.Errorf("the fault %s is not in the table", name)
		}
	}
	for name, looks := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, look := range looks {
				if look.sample == "" {
					look.sample = "image"
				}
				s := simulatortest.Start(t) // Each has its own cache.
				ask := samples()[look.sample]
				simulatortest.Script(t, s, simulator.Rule{Kind: ask.kind, Fault: name, Times: 1})
				a := send(t.Context(), ask.method, s.URL()+ask.path, ask.body)
				if (a.err != nil) != look.broken {
					t.Errorf("%s: %v", look.sample, a.err)
					continue
				}
				if look.status != 0 && a.status != look.status {
					t.Errorf("%s: status %d, want %d", look.sample, a.status, look.status)
				}
				if !strings.HasPrefix(a.header.Get("Content-Type"), look.contentType) {
					t.Errorf("%s: %s", look.sample, a.header.Get("Content-Type"))
				}
				if !strings.Contains(string(a.body), look.part) {
					t.Errorf("%s: %.300s", look.sample, a.body)
				}
				if h := look.header; h[0] != "" && a.header.Get(h[0]) != h[1] {
					t.Errorf("%s: %s is %q", look.sample, h[0], a.header.Get(h[0]))
				}
				if look.check != nil {
					look.check(t, a)
				}
				// The rule is spent: the next request is served well.
				if after := whole(t, send(t.Context(), ask.method, s.URL()+ask.path, ask.body)); after.status != http.StatusOK {
					t.Errorf("%s: afterwards status %d", look.sample, after.status)
				}
			}
		})
	}
}

// TestEndlessFaults lets a client wait for something to arrive, if anything
// does, then lets it go, and sees that the simulator notices.
func TestEndlessFaults(t *testing.T) {
	t.Parallel()
	for _, name := range endlessFaults() {
		for _, kind := range []string{"image", "speech", "chat", "stream"} {
			if ask := samples()[kind]; ask.kind != simulator.KindChat && (name == "silent_stream" || name == "endless_keepalive") {
				continue
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				s := simulatortest.Start(t)
				ask := samples()[kind]
				simulatortest.Script(t, s, simulator.Rule{Fault: name})
				ctx, leave := context.WithCancel(t.Context())
				request, err := http.NewRequestWithContext(ctx, ask.method, s.URL()+ask.path, strings.NewReader(ask.body))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Authorization", "Bearer sk_test")
				transport := &http.Transport{DisableKeepAlives: true}
				begun, ended := make(chan error, 1), make(chan error, 1)
				go func() {
					response, err := transport.RoundTrip(request)
					if err != nil {
						begun <- err
						ended <- err
						return
					}
					defer response.Body.Close() //nolint:errcheck // It never ends well.
					_, err = response.Body.Read(make([]byte, 1))
					begun <- err
					_, err = io.Copy(io.Discard, response.Body)
					ended <- err
				}()
				simulatortest.WaitCalls(t, s, ask.kind, 1)
				if name != "hang" {
					if err := <-begun; err != nil {
						t.Errorf("nothing came: %v", err)
					}
				}
				// It must not end by itself. There is no signal for what does not happen.
				soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				if s.WaitFinished(soon, ask.kind, 1) == nil {
					t.Error("the answer ended by itself")
				}
				leave()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Errorf("the client saw %v", err)
				}
				simulatortest.WaitFinished(t, s, ask.kind, 1)
				if call := s.Calls(ask.kind)[0]; call.Outcome != simulator.OutcomeAborted {
					t.Errorf("outcome %s", call.Outcome)
				}
			})
		}
	}
}

// TestStopEndsWhatHangs leaves a request hanging and one held, and stops.
func TestStopEndsWhatHangs(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Config{})
	if err := s.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindChat, Fault: "hang"}, simulator.Rule{Kind: simulator.KindImage, Hold: true})
	answers := make(chan answer, 2)
	for _, name := range []string{"chat", "image"} {
		ask := samples()[name]
		go func() { answers <- send(t.Context(), ask.method, s.URL()+ask.path, ask.body) }()
		simulatortest.WaitCalls(t, s, ask.kind, 1)
	}
	simulatortest.WaitHeld(t, s, 1)
	ctx, cancel := context.WithTimeout(t.Context(), hangGuard)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	for range 2 {
		if a := <-answers; a.err == nil && a.status == http.StatusOK {
			t.Errorf("it was answered: status %d", a.status)
		}
	}
}
