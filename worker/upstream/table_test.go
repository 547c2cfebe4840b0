package upstream_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// enveloped returns the gateway's envelope for a code and a message.
func enveloped(status int, code, message string) string {
	return `{"success":false,"error":{"message":` + strconv.Quote(message) + `,"code":"` + code +
		`","timestamp":"2026-06-01T12:00:00.000Z","requestId":"req-1"},"status":` + strconv.Itoa(status) + `}`
}

// limited returns SiliconFlow's error for a limit, which has no code.
func limited(limit string) string {
	return `{"message":"Request was rejected due to rate limiting. Details: ` + limit + ` limit reached.","data":null}`
}

const html502 = "<!DOCTYPE html>\n<html><head><title>gen.pollinations.ai | 502: Bad gateway</title></head>" +
	"<body>Unable to reach the origin service</body></html>"

func TestClassify(t *testing.T) {
	t.Parallel()
	type row struct {
		name       string
		status     int
		header     map[string]string
		body       string
		class      fault.Class
		code       string
		retryAfter time.Duration
		requestID  string
		detail     string
	}
	const (
		unavailable   = job.CodeUnavailable
		rejected      = job.CodeRejected
		moderated     = job.CodeModerated
		misconfigured = job.CodeMisconfigured
		throttled     = job.CodeThrottled
	)
	rows := []row{
		// The gateway.
		{
			name: "validation", status: 400, class: fault.Permanent, code: rejected, requestID: "r9", detail: "fields: seed, width",
			body: `{"success":false,"error":{"message":"Query parameter validation failed","code":"BAD_REQUEST","timestamp":"2026-06-01T12:00:00.000Z",` +
				`"details":{"name":"ValidationError","formErrors":[],"fieldErrors":{"width":["Too big"],"seed":["x"]}},"requestId":"r9"},"status":400}`,
		},
		{name: "unknown model", status: 400, body: enveloped(400, "BAD_REQUEST", `Invalid model: "x"`), class: fault.Permanent, code: rejected, requestID: "req-1", detail: `Invalid model: "x"`},
		{name: "unknown voice", status: 400, body: enveloped(400, "BAD_REQUEST", "Invalid voice: X. Use a preset name or valid ElevenLabs voice ID."), class: fault.Permanent, code: rejected},
		{name: "text too long", status: 400, body: enveloped(400, "BAD_REQUEST", "Input text too long: 12000 characters. Maximum is 10000."), class: fault.Permanent, code: rejected},
		{name: "chat model on speech", status: 400, body: enveloped(400, "BAD_REQUEST", `Model "openai-audio" is a text model and cannot be used on the audio endpoint. Use the text endpoint instead.`), class: fault.Permanent, code: rejected},
		{name: "reference image", status: 400, body: enveloped(400, "failed_to_download_image", "Failed to download image"), class: fault.Permanent, code: job.CodeReference},
		{name: "reference URL", status: 400, body: enveloped(400, "invalid_image_url", "Invalid image URL"), class: fault.Permanent, code: job.CodeReference},
		{name: "reference too large", status: 400, body: enveloped(400, "image_too_large", "Image too large"), class: fault.Permanent, code: job.CodeReference},
		{name: "reference type", status: 400, body: enveloped(400, "unsupported_image_media_type", "Unsupported"), class: fault.Permanent, code: job.CodeReference},
		{name: "reference type, as such", status: 415, body: enveloped(415, "unsupported_image_media_type", "Unsupported"), class: fault.Permanent, code: job.CodeReference},
		{name: "reference by type", status: 400, body: `{"error":{"message":"x","type":"image_too_large"}}`, class: fault.Permanent, code: job.CodeReference},
		{name: "provider's 422 as 400", status: 400, body: enveloped(400, "BAD_REQUEST", "Invalid image request: size"), class: fault.Permanent, code: rejected},
		{name: "validation of the parameter safe", status: 400, body: enveloped(400, "BAD_REQUEST", "safe: expected privacy, sexual, violence"), class: fault.Permanent, code: rejected},
		{
			name: "safety", status: 400, header: map[string]string{"X-Safety-Applied": "sexual", "X-Safety-Status": "blocked"}, class: fault.Moderated, code: moderated,
			body: `{"success":false,"error":{"message":"Blocked.","type":"safety_error","code":"BAD_REQUEST"},"status":400}`,
		},
		{name: "URL too long, HTML of the edge", status: 400, header: map[string]string{"Content-Type": "text/html"}, body: "<html><title>400 Bad Request</title></html>", class: fault.Permanent, code: rejected, detail: "400 Bad Request"},
		{name: "URL too long, empty", status: 400, class: fault.Permanent, code: rejected},
		{name: "no key", status: 401, body: enveloped(401, "UNAUTHORIZED", "Authentication required. Please provide an API key via Authorization header (Bearer token) or ?key= query parameter."), class: fault.Misconfigured, code: misconfigured},
		{name: "bad key", status: 401, body: enveloped(401, "UNAUTHORIZED", "Invalid API key. The provided key was not recognized; check it."), class: fault.Misconfigured, code: misconfigured},
		{name: "no balance", status: 402, body: enveloped(402, "PAYMENT_REQUIRED", "Insufficient balance. This model costs ~0.0136 pollen per request, but your available balance is 0.0000."), class: fault.Misconfigured, code: misconfigured},
		{name: "no balance, later code", status: 402, body: enveloped(402, "INSUFFICIENT_BALANCE", "Insufficient balance."), class: fault.Misconfigured, code: misconfigured},
		{name: "budget of the key", status: 402, body: enveloped(402, "KEY_BUDGET_EXHAUSTED", "API key budget exhausted. Raise it."), class: fault.Misconfigured, code: misconfigured},
		{name: "model needs bought balance", status: 402, body: enveloped(402, "PAYMENT_REQUIRED", "This model requires 💳 Top-up Pollen. 🌱 Tier Pollen cannot be used."), class: fault.Permanent, code: rejected},
		{
			name: "queue full as payment", status: 402, class: fault.Throttled, code: throttled,
			body: `{"x402Version":1,"error":"Queue full for IP: 1.2.3.4: 1 requests already queued (max: 1). ","accepts":[{"scheme":"exact","network":"base","maxAmountRequired":"1000","resource":"https://x/prompt/secret","mimeType":"image/jpeg","payTo":"0x1","maxTimeoutSeconds":60}]}`,
		},
		{name: "payment in the header alone", status: 402, header: map[string]string{"Payment-Required": base64.StdEncoding.EncodeToString([]byte(`{"error":"Payment required"}`))}, class: fault.Misconfigured, code: misconfigured, detail: "the response header requires a payment, as for a call without a key: Payment required"},
		{name: "payment in the header, no reason", status: 402, header: map[string]string{"Payment-Required": "e30="}, body: `{"error":{"message":""}}`, class: fault.Misconfigured, code: misconfigured, detail: "the response header requires a payment"},
		{name: "payment in the header, unreadable", status: 402, header: map[string]string{"Payment-Required": "%%"}, class: fault.Misconfigured, code: misconfigured, detail: "the response header requires a payment"},
		{name: "keyless payment", status: 402, header: map[string]string{"Payment-Required": "e30="}, body: `{"x402Version":2,"error":"Payment required","accepts":[]}`, class: fault.Misconfigured, code: misconfigured},
		{name: "banned", status: 403, body: enveloped(403, "FORBIDDEN", "Account banned"), class: fault.Misconfigured, code: misconfigured},
		{name: "model not of this key", status: 403, body: enveloped(403, "FORBIDDEN", "Model 'veo' is not allowed for this API key"), class: fault.Permanent, code: rejected},
		{name: "edge forbids", status: 403, header: map[string]string{"Content-Type": "text/html; charset=UTF-8"}, body: "<html><head><title>Just a moment...</title></head></html>", class: fault.Retryable, code: unavailable},
		{name: "not found", status: 404, body: enveloped(404, "NOT_FOUND", "Not found"), class: fault.Permanent, code: rejected},
		{name: "method", status: 405, body: enveloped(405, "METHOD_NOT_ALLOWED", "Method not allowed"), class: fault.Permanent, code: rejected},
		{name: "request timed out", status: 408, class: fault.Retryable, code: job.CodeTimeout},
		{name: "conflict", status: 409, class: fault.Permanent, code: rejected},
		{name: "gone", status: 410, class: fault.Permanent, code: rejected},
		{name: "too large", status: 413, body: enveloped(413, "PAYLOAD_TOO_LARGE", "Too large"), class: fault.Permanent, code: rejected},
		{name: "URL too long", status: 414, class: fault.Permanent, code: rejected},
		{name: "media type", status: 415, class: fault.Permanent, code: rejected},
		{name: "moderation by code", status: 422, body: enveloped(422, "content_policy_violation", "No."), class: fault.Moderated, code: moderated},
		{name: "moderation by message", status: 422, body: enveloped(422, "UNPROCESSABLE_ENTITY", "Your request was rejected by content moderation. Change it."), class: fault.Moderated, code: moderated},
		{name: "other 422", status: 422, body: enveloped(422, "UNPROCESSABLE_ENTITY", "Cannot do that"), class: fault.Permanent, code: rejected},
		{name: "too early", status: 425, class: fault.Retryable, code: unavailable},
		{name: "edge limit", status: 429, body: enveloped(429, "RATE_LIMITED", "Too many requests from this IP. Please slow down."), class: fault.Throttled, code: throttled},
		{
			name: "public key limit", status: 429, header: map[string]string{"Retry-After": "13"}, class: fault.Throttled, code: throttled, retryAfter: 13 * time.Second,
			body: `{"error":"Rate limit exceeded","message":"Rate limit exceeded. Retry after 12.5s. Use secret keys (sk_*) for unlimited requests.","retryAfterSeconds":12.5}`,
		},
		{
			name: "public key limit, body only", status: 429, class: fault.Throttled, code: throttled, retryAfter: 12500 * time.Millisecond,
			body: `{"error":"Rate limit exceeded","message":"x","retryAfterSeconds":12.5}`,
		},
		{
			name: "public key limit, message only", status: 429, class: fault.Throttled, code: throttled, retryAfter: 12500 * time.Millisecond,
			body: `{"error":"Rate limit exceeded","message":"Rate limit exceeded. Retry after 12.5s. Use secret keys."}`,
		},
		{
			name: "one at a time", status: 429, header: map[string]string{"Retry-After": "1"}, class: fault.Throttled, code: throttled, retryAfter: time.Second, detail: "concurrency_limit_exceeded",
			body: `{"error":"concurrency_limit_exceeded","message":"Another generation is still running on this account. Wait."}`,
		},
		{name: "interval", status: 429, body: enveloped(429, "RATE_LIMITED", "Sana is limited to one request per IP every 45 seconds. Retry after 31s."), class: fault.Throttled, code: throttled, retryAfter: 31 * time.Second},
		{name: "header fields too large", status: 431, class: fault.Permanent, code: rejected},
		{name: "legal reasons", status: 451, class: fault.Moderated, code: moderated},
		{name: "internal", status: 500, body: enveloped(500, "INTERNAL_ERROR", "No active flux servers available"), class: fault.Retryable, code: unavailable, detail: "No active flux servers"},
		{name: "full queue as 500", status: 500, body: `{"error":"Internal Server Error","message":"Queue full for IP: 1.2.3.4: 5 requests already queued (max: 5)"}`, class: fault.Throttled, code: throttled},
		{name: "not implemented", status: 501, class: fault.Retryable, code: unavailable},
		{
			name: "provider's error", status: 502, class: fault.Retryable, code: unavailable,
			body: `{"success":false,"error":{"message":"We couldn't reach our backend services. Please try again shortly.","code":"BAD_GATEWAY","details":{"name":"UpstreamError","upstreamStatus":401,"upstreamHost":"h","upstreamBody":"secret"}},"status":502}`,
		},
		{name: "bad gateway as a page", status: 502, header: map[string]string{"Content-Type": "text/html; charset=UTF-8", "Cf-Ray": "8f-FRA"}, body: html502, class: fault.Retryable, code: unavailable, requestID: "8f-FRA", detail: "HTML page: gen.pollinations.ai | 502: Bad gateway"},
		{name: "a page without its type", status: 502, body: html502, class: fault.Retryable, code: unavailable, detail: "HTML page"},
		{name: "unavailable", status: 503, header: map[string]string{"Retry-After": "20"}, body: enveloped(503, "SERVICE_UNAVAILABLE", "Busy"), class: fault.Retryable, code: unavailable, retryAfter: 20 * time.Second},
		{name: "coordination", status: 503, header: map[string]string{"Content-Type": "text/plain"}, body: "Generation coordination is unavailable", class: fault.Retryable, code: unavailable, detail: "Generation coordination is unavailable"},
		{name: "gateway time-out", status: 504, body: enveloped(504, "GATEWAY_TIMEOUT", "The upstream service did not respond in time."), class: fault.Retryable, code: job.CodeTimeout},
		{name: "edge: unknown", status: 520, header: map[string]string{"Content-Type": "text/html"}, body: "<html><title>520</title></html>", class: fault.Retryable, code: unavailable},
		{name: "edge: down", status: 521, header: map[string]string{"Content-Type": "text/html"}, body: "<html><title>521</title></html>", class: fault.Retryable, code: unavailable},
		{name: "edge: connection", status: 522, header: map[string]string{"Content-Type": "text/html"}, body: "<html><title>522</title></html>", class: fault.Retryable, code: job.CodeTimeout},
		{name: "edge: unreachable", status: 523, header: map[string]string{"Content-Type": "text/html"}, body: "<html><title>523</title></html>", class: fault.Retryable, code: unavailable},
		{name: "edge: time-out", status: 524, header: map[string]string{"Content-Type": "text/html"}, body: "<html></html>", class: fault.Retryable, code: job.CodeTimeout},
		{name: "tunnel", status: 530, body: "error code: 1033", class: fault.Retryable, code: unavailable, detail: "error code: 1033"},

		// The language model.
		{name: "model retired", status: 400, body: `{"error":{"message":"The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-chat.","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, class: fault.Permanent, code: rejected, detail: "supported API model names"},
		{name: "model unknown", status: 400, body: `{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, class: fault.Permanent, code: rejected},
		{name: "body not accepted", status: 400, body: `{"error":{"message":"Failed to deserialize the JSON body into the target type: messages at line 1 column 9","type":"invalid_request_error"}}`, class: fault.Permanent, code: rejected},
		{name: "content risk", status: 400, body: `{"error":{"message":"Content Exists Risk","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, class: fault.Moderated, code: moderated},
		{name: "masked key", status: 401, body: `{"error":{"message":"Authentication Fails, Your api key: ****fcc2 is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}`, class: fault.Misconfigured, code: misconfigured},
		{name: "no such user", status: 401, body: `{"error":{"message":"Authentication Fails (no such user)","type":"authentication_error"}}`, class: fault.Misconfigured, code: misconfigured},
		{name: "governor", status: 401, body: "Authentication Fails (governor)", class: fault.Misconfigured, code: misconfigured},
		{name: "insufficient balance", status: 402, body: `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, class: fault.Misconfigured, code: misconfigured},
		{name: "invalid parameters", status: 422, body: `{"error":{"message":"bad temperature","type":"invalid_request_error"}}`, class: fault.Permanent, code: rejected},
		{name: "concurrency", status: 429, body: `{"error":{"message":"Too many concurrent requests","type":"rate_limit"}}`, class: fault.Throttled, code: throttled},
		{name: "server error", status: 500, body: `{"error":{"message":"oops","type":"server_error"}}`, class: fault.Retryable, code: unavailable},
		{name: "overloaded", status: 503, body: `{"error":{"message":"overloaded","type":"server_error"}}`, class: fault.Retryable, code: unavailable},

		{name: "authorization header", status: 401, body: `{"error":{"message":"Authentication Fails (auth header format should be Bearer sk-...)","type":"authentication_error","param":null,"code":"invalid_request_error"}}`, class: fault.Misconfigured, code: misconfigured},
		{name: "body not understood, as it was before", status: 422, body: `Failed to deserialize the JSON body into the target type: messages: missing field at line 1 column 9`, class: fault.Permanent, code: rejected},
		{name: "server error as a page", status: 500, header: map[string]string{"Content-Type": "text/html"}, body: "<html><head><title>500 Internal Server Error</title></head></html>", class: fault.Retryable, code: unavailable},
		{name: "overloaded as a page", status: 503, header: map[string]string{"Content-Type": "text/html"}, body: "<html><head><title>503 Service Temporarily Unavailable</title></head></html>", class: fault.Retryable, code: unavailable, detail: "503 Service"},

		// SiliconFlow.
		{name: "20012", status: 400, body: `{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}`, class: fault.Permanent, code: rejected, detail: "20012: Model does not exist"},
		{name: "20015", status: 400, body: `{"code":20015,"message":"length of prompt_tokens (68957) must be less than max_seq_len (65536).","data":null}`, class: fault.Permanent, code: rejected, detail: "max_seq_len"},
		{name: "bare string: key", status: 401, header: map[string]string{"Content-Type": "application/json"}, body: `"Api key is invalid"`, class: fault.Misconfigured, code: misconfigured, detail: "Api key is invalid"},
		{name: "bare string: token", status: 401, body: `"Invalid token"`, class: fault.Misconfigured, code: misconfigured, detail: "Invalid token"},
		{name: "balance", status: 403, body: `{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}`, class: fault.Misconfigured, code: misconfigured, detail: "30001"},
		{name: "real name", status: 403, body: `{"message":"Real-name verification is required","data":null}`, class: fault.Misconfigured, code: misconfigured},
		{name: "TPM", status: 429, body: limited("TPM"), class: fault.Throttled, code: throttled, detail: "TPM limit reached"},
		{name: "RPM", status: 429, body: limited("RPM"), class: fault.Throttled, code: throttled},
		{name: "IPM", status: 429, body: limited("IPM"), class: fault.Throttled, code: throttled},
		{name: "RPH", status: 429, body: limited("RPH"), class: fault.Throttled, code: throttled, retryAfter: 10 * time.Minute},
		{name: "RPD", status: 429, body: limited("RPD"), class: fault.Throttled, code: throttled, retryAfter: time.Hour},
		{name: "TPD", status: 429, body: limited("TPD"), class: fault.Throttled, code: throttled, retryAfter: time.Hour},
		{name: "IPD", status: 429, body: limited("IPD"), class: fault.Throttled, code: throttled, retryAfter: time.Hour},
		{name: "IPH", status: 429, body: limited("IPH"), class: fault.Throttled, code: throttled, retryAfter: 10 * time.Minute},
		{name: "RPD until tomorrow", status: 429, header: map[string]string{"Retry-After": "36000"}, body: limited("RPD"), class: fault.Throttled, code: throttled, retryAfter: 10 * time.Hour},
		{name: "ten years", status: 503, header: map[string]string{"Retry-After": "315360000"}, class: fault.Retryable, code: unavailable, retryAfter: day},
		{name: "RPD with a wait", status: 429, header: map[string]string{"Retry-After": "60"}, body: limited("RPD"), class: fault.Throttled, code: throttled, retryAfter: time.Minute},
		{name: "50508", status: 503, body: `{"code":50508,"message":"System is too busy now. Please try again later.","data":null}`, class: fault.Retryable, code: unavailable, detail: "50508: System is too busy"},
		{name: "50505", status: 503, body: `{"code":50505,"message":"Model service overloaded. Please try again later.","data":null}`, class: fault.Retryable, code: unavailable},
		{name: "server error with a code", status: 500, body: `{"code":50500,"message":"Unknown error","data":null}`, class: fault.Retryable, code: unavailable},
		{name: "gateway time-out of the model", status: 504, body: "", class: fault.Retryable, code: job.CodeTimeout},

		// The legacy services.
		{name: "legacy: safety", status: 400, body: `{"error":"Bad Request","message":"The prompt was blocked by the safety filter."}`, class: fault.Moderated, code: moderated},
		{name: "legacy: prohibited", status: 400, body: `{"error":"Bad Request","message":"Content is prohibited"}`, class: fault.Moderated, code: moderated},
		{name: "legacy: prohibited, as forbidden", status: 403, body: `{"error":"Forbidden","message":"Content is prohibited"}`, class: fault.Moderated, code: moderated},
		{name: "legacy: prohibited, as an error", status: 500, body: `{"error":"Internal Server Error","message":"Content is prohibited"}`, class: fault.Moderated, code: moderated},
		{name: "legacy: unauthorized", status: 401, body: `{"error":"Unauthorized","message":"Authentication required"}`, class: fault.Misconfigured, code: misconfigured, detail: "Authentication required"},
		{name: "legacy: blocked", status: 403, body: `{"error":"Forbidden","status":403,"details":{"blockedIp":"203.0.113.9","timestamp":"2026-01-01T00:00:00Z"}}`, class: fault.Misconfigured, code: misconfigured, detail: "Forbidden"},
		{name: "legacy: tier", status: 402, body: `{"error":"Model not found or tier not high enough. Your tier: anonymous, required tier: seed. Get a token.","status":402}`, class: fault.Permanent, code: rejected, detail: "required tier: seed"},
		{name: "legacy: model gone", status: 404, body: `{"error":"Model not found: openai-audio. See the list.","status":404}`, class: fault.Permanent, code: rejected, detail: "Model not found"},
		{name: "legacy: no such route", status: 404, body: `{"error":"Not Found","message":"The requested endpoint was not found","path":"/x"}`, class: fault.Permanent, code: rejected},
		{name: "legacy: no messages", status: 400, body: `{"error":"Invalid messages array"}`, class: fault.Permanent, code: rejected},
		{
			name: "legacy: queue", status: 429, header: map[string]string{"X-Error-Type": "Too Many Requests"}, requestID: "q1", detail: "Queue full for IP", class: fault.Throttled, code: throttled,
			body: `{"error":"Too Many Requests","message":"Queue full for IP: 1.2.3.4: 1 requests already queued (max: 1). Get unlimited access at https://enter.pollinations.ai","details":null,"debug":null,` +
				`"timingInfo":[{"step":"Request received","timestamp":0}],"requestId":"q1","requestParameters":{"prompt":"x","width":1,"height":1,"seed":1,"model":"flux"},"queueInfo":{"ip":"1.2.3.4","currentSize":1,"pending":1,"total":2,"maxAllowed":1,"username":null,"userId":null,"tier":"anonymous"}}`,
		},
		{name: "legacy: texts", status: 429, body: `{"error":"Rate limit exceeded","status":429,"details":{"queue":1},"deprecation_notice":"moved","migration":{"guide":"https://g","docs":"https://d","signup":"https://s"}}`, class: fault.Throttled, code: throttled},
		{name: "legacy: no server", status: 500, body: `{"error":"Internal Server Error","message":"No active flux servers available","requestId":"r"}`, class: fault.Retryable, code: unavailable, detail: "No active flux servers"},
		{name: "legacy: page of the tunnel", status: 502, header: map[string]string{"Content-Type": "text/html"}, body: "<!DOCTYPE html><html><head><title>Bad Gateway</title></head><body>Unable to reach the origin service.</body></html>", class: fault.Retryable, code: unavailable, detail: "HTML page: Bad Gateway"},
		{name: "legacy: page of the cloud", status: 504, header: map[string]string{"Content-Type": "text/html"}, body: `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN"><HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD></HTML>`, class: fault.Retryable, code: job.CodeTimeout, detail: "could not be satisfied"},

		// Other formats of an error body.
		{name: "code and message", status: 503, body: `{"code":50508,"message":"System is too busy now. Please try again later.","data":null}`, class: fault.Retryable, code: unavailable, detail: "50508: System is too busy"},
		{name: "message alone", status: 429, body: `{"message":"Request was rejected due to rate limiting. Details: TPM limit reached.","data":null}`, class: fault.Throttled, code: throttled},
		{name: "bare string", status: 401, body: `"Api key is invalid"`, class: fault.Misconfigured, code: misconfigured, detail: "Api key is invalid"},
		{name: "string and status", status: 404, body: `{"error":"Model not found: openai-audio. ","status":404}`, class: fault.Permanent, code: rejected, detail: "Model not found"},
		{name: "cut JSON", status: 500, body: `{"success":false,"error":{"mess`, class: fault.Retryable, code: unavailable},
		{name: "members of other types", status: 500, body: `{"error":{"message":["x"],"code":7,"details":[]},"status":"500","requestId":3}`, class: fault.Retryable, code: unavailable, requestID: "3"},

		// Statuses that are neither a success nor an error.
		{name: "no content", status: 204, class: fault.Retryable, code: job.CodeInvalidAnswer},
		{name: "partial content", status: 206, class: fault.Retryable, code: job.CodeInvalidAnswer},
		{name: "redirect", status: 302, header: map[string]string{"Location": "https://status.example.org/image/a%20cat?key=sk_1"}, class: fault.Retryable, code: unavailable, detail: "redirect to host status.example.org"},
		{name: "moved", status: 301, class: fault.Retryable, code: unavailable},
		{name: "unknown", status: 999, class: fault.Retryable, code: unavailable},
	}
	for _, r := range rows {
		t.Run(strconv.Itoa(r.status)+" "+r.name, func(t *testing.T) {
			t.Parallel()
			header := make(http.Header)
			for name, value := range r.header {
				header.Set(name, value)
			}
			got := upstream.Classify(r.status, header, []byte(r.body))
			if got.Class != r.class || got.Code != r.code {
				t.Errorf("class %s, code %s; want %s, %s", got.Class, got.Code, r.class, r.code)
			}
			if got.Status != r.status || got.RetryAfter != r.retryAfter {
				t.Errorf("status %d, wait %v; want %d, %v", got.Status, got.RetryAfter, r.status, r.retryAfter)
			}
			if r.requestID != "" && got.RequestID != r.requestID {
				t.Errorf("request id %q, want %q", got.RequestID, r.requestID)
			}
			if !strings.Contains(got.Detail, r.detail) {
				t.Errorf("detail %q lacks %q", got.Detail, r.detail)
			}
		})
	}
}

// Every status has a class and a code.
func TestClassifyAllStatuses(t *testing.T) {
	t.Parallel()
	for status := range 1000 {
		if f := upstream.Classify(status, nil, nil); f.Class == "" || f.Code == "" {
			t.Errorf("status %d has no class or code", status)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(429, "application/json", "1", `{"error":"x","message":"Retry after 2s","retryAfterSeconds":1e400}`)
	f.Add(400, "text/html", "", html502)
	f.Add(402, "", "-5", enveloped(402, "x", "y"))
	f.Add(500, "text/plain", "NaN", `"bare`)
	f.Fuzz(func(t *testing.T, status int, contentType, retryAfter, body string) {
		header := http.Header{"Content-Type": {contentType}, "Retry-After": {retryAfter}, "X-Request-Id": {body}}
		got := upstream.Classify(status, header, []byte(body))
		if got.RetryAfter < 0 || got.RetryAfter > day {
			t.Errorf("wait %v is out of bounds", got.RetryAfter)
		}
		if status >= 0 && status < 1<<30 && (got.Class == "" || got.Code == "") {
			t.Error("no class or code")
		}
	})
}
