package simulator_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
)

// faultTable lists the expected responses of every fault; TestEveryFault checks that
// none is missing. Faults without an end are in TestEndlessFaults.
func faultTable() map[string][]expected {
	gateway := func(status int, code, part string) expected {
		return expected{status: status, contentType: jsonType, part: part, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			wiretest.CheckEnvelope(t, a)
			if got := wiretest.At(t, a.Fields(t), "error", "code"); got != code {
				t.Errorf("code %v, want %s", got, code)
			}
		}}
	}
	deepSeek := func(status int, kind, part string) expected {
		return expected{sample: "chat", status: status, contentType: jsonType, part: part, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			if got := wiretest.At(t, a.Fields(t), "error", "type"); got != kind {
				t.Errorf("type %v, want %s", got, kind)
			}
		}}
	}
	const invalid = "invalid_request_error"
	return map[string][]expected{
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
		"safety_block":         {{status: 400, part: `"type":"safety_error"`, header: [2]string{"X-Safety-Status", "blocked"}, check: wiretest.CheckEnvelope}},
		"rate_limited":         {gateway(429, "RATE_LIMITED", "Too many requests from this IP."), deepSeek(429, "rate_limit_error", "")},
		"rate_limited_pk": {{status: 429, contentType: jsonType, part: `"retryAfterSeconds":12.5`, header: [2]string{"Retry-After", "13"}, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			if keys := wiretest.KeysInOrder(t, a.Body); !slices.Equal(keys, []string{"error", "message", "retryAfterSeconds"}) {
				t.Errorf("keys %v", keys)
			}
		}}},
		"concurrency":           {{status: 429, part: `"error":"concurrency_limit_exceeded"`, header: [2]string{"Retry-After", "1"}}, deepSeek(429, "rate_limit_error", "")},
		"rate_limited_interval": {{status: 429, part: "every 45 seconds", header: [2]string{"Retry-After", "45"}, check: wiretest.CheckEnvelope}},
		"server_error":          {gateway(500, "INTERNAL_ERROR", "No active flux servers available"), deepSeek(500, "server_error", "")},
		"bad_gateway":           {gateway(502, "BAD_GATEWAY", `"name":"UpstreamError","upstreamStatus":429`)},
		"unavailable":           {gateway(503, "SERVICE_UNAVAILABLE", ""), deepSeek(503, "service_unavailable_error", "")},
		"gateway_timeout":       {gateway(504, "GATEWAY_TIMEOUT", "")},
		"insufficient_balance":  {gateway(402, "INSUFFICIENT_BALANCE", "available balance is 0.0000")},
		"x402": {{status: 402, contentType: jsonType, part: `{"x402Version":1,"error":"`, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			header, err := base64.StdEncoding.DecodeString(a.Header.Get("PAYMENT-REQUIRED"))
			if err != nil || string(header) != string(a.Body) {
				t.Errorf("the header is %s, %v", header, err)
			}
		}}},
		"banned":                       {gateway(403, "FORBIDDEN", "banned")},
		"method_not_allowed":           {gateway(405, "METHOD_NOT_ALLOWED", "")},
		"unsupported_media_type":       {gateway(415, "UNSUPPORTED_MEDIA_TYPE", "")},
		"failed_to_download_image":     {gateway(400, "failed_to_download_image", "")},
		"invalid_image_url":            {gateway(400, "invalid_image_url", "")},
		"image_too_large":              {gateway(400, "image_too_large", "")},
		"unsupported_image_media_type": {gateway(400, "unsupported_image_media_type", "")},
		"prompt_too_long":              {gateway(400, "BAD_REQUEST", "Input text too long"), deepSeek(400, invalid, "maximum context length")},
		"openai_audio_gone":            {gateway(400, "BAD_REQUEST", "is a text model")},
		"model_overloaded":             {gateway(503, "SERVICE_UNAVAILABLE", ""), deepSeek(503, "service_unavailable_error", "")},
		"limit_rpm":                    {gateway(429, "RATE_LIMITED", ""), deepSeek(429, "rate_limit_error", "")},
		"retired_model":                {deepSeek(400, invalid, "but you passed deepseek-chat."), gateway(400, "BAD_REQUEST", "")},
		"unknown_model":                {gateway(400, "BAD_REQUEST", "Invalid model"), deepSeek(400, invalid, "Model Not Exist")},
		"balance_forbidden":            {{sample: "balance", status: 403, part: "account:usage"}},
		"budgeted_key":                 {{sample: "balance", status: 200, part: `{"balance":8.44}`}},

		"html_502": {{status: 502, contentType: htmlType, part: "Bad Gateway"}, {sample: "chat", status: 502, contentType: htmlType}},
		"html_504": {{status: 504, contentType: htmlType}},
		"html_524": {{status: 524, contentType: htmlType}},
		"html_520": {{status: 520, contentType: htmlType}},
		"html_521": {{status: 521, contentType: htmlType}},
		"html_522": {{status: 522, contentType: htmlType}},
		"html_523": {{status: 523, contentType: htmlType}},
		"text_503": {{status: 503, contentType: textType, part: "Generation coordination is unavailable"}},
		"text_530": {{status: 530, contentType: textType, part: "error code: 1033"}},

		"error_picture": {{status: 200, contentType: "image/jpeg", header: [2]string{"X-Error-Status", "500"}, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			wiretest.DecodeImage(t, a.Body, "jpeg", 1280, 720)
			if a.Header.Get("X-Error-Type") == "" || a.Header.Get("X-Error-Message") == "" {
				t.Error("a header is missing")
			}
		}}},
		"error_picture_bare": {{status: 200, contentType: "image/jpeg", check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			wiretest.DecodeImage(t, a.Body, "jpeg", 1280, 720)
			for name := range a.Header {
				if strings.HasPrefix(name, "X-Error") {
					t.Errorf("it has %s", name)
				}
			}
		}}},
		"error_picture_large": {{status: 200, contentType: "image/jpeg", check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			wiretest.DecodeImage(t, a.Body, "jpeg", 1280, 720)
			if n := len(a.Body); n < 1_299_990 || n > 1_300_000 || a.Header.Get("X-Error-Type") != "" {
				t.Errorf("%d bytes, X-Error-Type %q", n, a.Header.Get("X-Error-Type"))
			}
		}}},
		"error_picture_throttled": {{status: 200, contentType: "image/jpeg", header: [2]string{"X-Rate-Limited", "true"}}},
		"first_hit":               {{status: 200, contentType: "image/jpeg", header: [2]string{"X-Cache", "HIT"}}, {status: 200, header: [2]string{"X-Cache-Type", "GENERATED"}}},
		"redirect":                {{status: 200, contentType: jsonType, part: `"object":"list"`}}, // The client of these tests follows it.
		"gzip_bomb": {{status: 200, contentType: "image/jpeg", header: [2]string{"Content-Encoding", "gzip"}, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			reader, err := gzip.NewReader(bytes.NewReader(a.Body))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, reader); err != nil || n < 256<<20 || len(a.Body) > 1<<20 {
				t.Errorf("%d bytes unpack to %d, %v", len(a.Body), n, err)
			}
		}}, {sample: "chat", status: 200, contentType: jsonType}},
		"wrong_size":      {{status: 200, contentType: "image/jpeg", check: func(t *testing.T, a wiretest.Response) { t.Helper(); wiretest.DecodeImage(t, a.Body, "jpeg", 640, 448) }}},
		"wrong_type":      {{status: 200, contentType: htmlType}, {sample: "speech", status: 200, contentType: htmlType}, {sample: "chat", status: 200, contentType: htmlType}},
		"not_json":        {{sample: "chat", status: 200, contentType: jsonType, part: `{"id"`}},
		"garbage":         {{status: 200, contentType: "image/jpeg", part: "upstream"}, {sample: "speech", status: 200, contentType: "audio/mpeg", part: "upstream"}, {sample: "chat", status: 200, contentType: jsonType}},
		"empty":           {{status: 200, contentType: "image/jpeg", check: isEmpty}, {sample: "speech", status: 200, check: isEmpty}, {sample: "chat", status: 200, check: isEmpty}, {sample: "stream", status: 200, contentType: "text/event-stream", check: isEmpty}},
		"truncated":       {{broken: true, status: 200, contentType: "image/jpeg"}, {sample: "speech", broken: true, status: 200}, {sample: "chat", broken: true, status: 200}, {sample: "stream", broken: true, status: 200}},
		"reset":           {{broken: true}, {sample: "chat", broken: true}},
		"safety_redacted": {{status: 200, contentType: "image/jpeg", header: [2]string{"X-Safety-Redacted", "1"}}},

		"accept_openai_audio": {{sample: "speech", status: 200, contentType: "audio/mpeg"}},
		"blank_lines": {{sample: "chat", status: 200, contentType: jsonType, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			if !strings.HasPrefix(string(a.Body), "\n\n") {
				t.Errorf("it begins with %q", a.Body[:2])
			}
			finished("stop", false)(t, a)
		}}},
		"keepalive_comments": {{sample: "stream", status: 200, part: ": keep-alive\n\ndata: {"}},
		"usage_chunk":        {{sample: "stream", status: 200, part: `"choices":[],"usage":{"prompt_tokens"`}},
		"split_chunks":       {{sample: "stream", status: 200, part: "data: [DONE]"}},
		"stream_without_done": {{sample: "stream", status: 200, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			if all := wiretest.Join(t, a.Body); all.Done || all.Finish != "" || all.Content == "" {
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

// googleFaultTable lists the expected responses of Google: a page for browsers, an
// error of OAuth for programs.
func googleFaultTable() map[string][]expected {
	both := func(status int, code, page string) []expected {
		return []expected{
			{sample: "google keys", status: status, contentType: jsonType, part: `{"error":"` + code + `"`},
			{sample: "google page", status: status, contentType: htmlType, part: page},
		}
	}
	return map[string][]expected{
		"invalid_grant":         both(400, "invalid_grant", "Error 400: invalid_grant"),
		"malformed_code":        both(400, "invalid_grant", "Malformed auth code."),
		"redirect_uri_mismatch": both(400, "redirect_uri_mismatch", "Error 400: redirect_uri_mismatch"),
		"invalid_client":        both(401, "invalid_client", "The OAuth client was not found."),
		"wrong_client_secret":   both(401, "invalid_client", "Error 401: invalid_client"),
		"unauthorized_client":   both(401, "unauthorized_client", "Error 401: unauthorized_client"),
		"admin_policy_enforced": both(400, "admin_policy_enforced", "Error 400: admin_policy_enforced"),
		"org_internal":          both(403, "org_internal", "Error 403: org_internal"),
		"disallowed_useragent":  both(403, "disallowed_useragent", "Error 403: disallowed_useragent"),

		"server_error": both(500, "internal_failure", "Error 500: internal_failure"),
		"unavailable":  both(503, "temporarily_unavailable", "Error 503: temporarily_unavailable"),
		"rate_limited": both(429, "rate_limit_exceeded", "Error 429: rate_limit_exceeded"),
		"bad_request":  both(400, "invalid_request", "Error 400: invalid_request"),
		"html_502":     {{sample: "google document", status: 502, contentType: htmlType}},
		"wrong_type":   {{sample: "google keys", status: 200, contentType: htmlType}},
		"not_json":     {{sample: "google keys", status: 200, contentType: jsonType}},
		"garbage":      {{sample: "google document", status: 200, contentType: jsonType, part: "upstream"}},
		"empty":        {{sample: "google keys", status: 200, check: isEmpty}},
		"truncated":    {{sample: "google document", broken: true, status: 200}},
		"reset":        {{sample: "google keys", broken: true}},
	}
}
