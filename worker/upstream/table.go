package upstream

import (
	"net/http"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// verdict is the class and the code of an error.
type verdict struct {
	class fault.Class
	code  string
}

// rule applies to responses with a status between from and to for which when, if not nil, returns true.
type rule struct {
	from, to int
	when     func(*envelope) bool
	verdict
}

// table returns the rules of all upstreams. The first rule that matches decides, and the last matches everything.
//
// Rules about one model or one text come before the rules about the account: Misconfigured opens the circuit breaker for
// all jobs, which one user's choice of a model must never do.
func table() []rule {
	var (
		moderated     = verdict{fault.Moderated, job.CodeModerated}
		misconfigured = verdict{fault.Misconfigured, job.CodeMisconfigured}
		throttled     = verdict{fault.Throttled, job.CodeThrottled}
		rejected      = verdict{fault.Permanent, job.CodeRejected}
		reference     = verdict{fault.Permanent, job.CodeReference}
		unavailable   = verdict{fault.Retryable, job.CodeUnavailable}
		timedOut      = verdict{fault.Retryable, job.CodeTimeout}
		invalid       = verdict{fault.Retryable, job.CodeInvalidAnswer}
	)
	return []rule{
		// An unexpected success, such as no content or partial content.
		{200, 299, nil, invalid},
		// Redirects are never followed. They lead to a status page, a login page or a new URL.
		{300, 399, nil, unavailable},

		{400, 400, (*envelope).moderated, moderated},
		{403, 403, (*envelope).moderated, moderated},
		{422, 422, (*envelope).moderated, moderated},
		{451, 451, nil, moderated},
		// The legacy image service sends this message with various statuses.
		{400, 599, (*envelope).prohibited, moderated},

		{400, 400, (*envelope).aboutReference, reference},
		{413, 413, (*envelope).aboutReference, reference},
		{415, 415, (*envelope).aboutReference, reference},
		{422, 422, (*envelope).aboutReference, reference},

		{401, 401, nil, misconfigured},
		{402, 402, (*envelope).queueFull, throttled},
		{402, 403, (*envelope).aboutModel, rejected},
		{402, 402, nil, misconfigured},
		// An HTML page is from the edge, which refuses this request for now, not the key.
		{403, 403, (*envelope).page, unavailable},
		{403, 403, nil, misconfigured},

		{408, 408, nil, timedOut},
		{425, 425, nil, unavailable},
		{429, 429, (*envelope).withoutBalance, misconfigured},
		{429, 429, nil, throttled},
		{400, 499, nil, rejected},

		{500, 599, (*envelope).queueFull, throttled},
		// A gateway timed out: that of the model (504), or the edge, for a connection (522) or a response (524).
		{504, 504, nil, timedOut},
		{522, 522, nil, timedOut},
		{524, 524, nil, timedOut},
		{0, 1 << 30, nil, unavailable},
	}
}

// classify returns the error of a response by its status, header and body, with an unredacted Detail. For an error that
// was sent with status 200, pass the status that the body claims.
func classify(status int, header http.Header, body []byte) *fault.Error {
	e := parseEnvelope(header.Get("Content-Type"), body)
	if status == http.StatusPaymentRequired && e.message == "" {
		e.message = paymentReason(header)
	}
	f := &fault.Error{
		Status:     status,
		RetryAfter: e.retryAfter(header),
		RequestID:  requestID(e, header),
		Detail:     e.detail(header),
	}
	for _, r := range table() {
		if status >= r.from && status <= r.to && (r.when == nil || r.when(e)) {
			f.Class, f.Code = r.class, r.code
			break
		}
	}
	return f
}

// moderated reports whether content moderation refused the text or an image.
func (e *envelope) moderated() bool {
	return e.contains(
		"safety_error", "content_policy_violation", "content_filter", "content policy", "content moderation",
		"safety system", "safety filter", "content is prohibited", "content exists risk",
	)
}

// prohibited reports whether the legacy image service forbids the text.
func (e *envelope) prohibited() bool { return e.contains("content is prohibited") }

// queueFull reports whether too many requests of this account wait, whatever the status.
func (e *envelope) queueFull() bool { return e.contains("queue full") }

// withoutBalance reports whether the account has no balance, which OpenAI sends with the status of a throttle.
func (e *envelope) withoutBalance() bool {
	const code = "insufficient_quota"
	return e.code == code || e.kind == code
}

// aboutModel reports whether the key is not allowed to use the model, but may use others.
func (e *envelope) aboutModel() bool {
	return e.contains("is not allowed for this api key", "this model requires", "model not found or tier not high enough")
}

// aboutReference reports whether a reference image cannot be fetched or used.
func (e *envelope) aboutReference() bool {
	return e.contains("failed_to_download_image", "invalid_image_url", "image_too_large", "unsupported_image_media_type")
}

// page reports whether the body is an HTML page.
func (e *envelope) page() bool { return e.markup }

// contains reports whether code, kind or message contains one of the lower-case phrases.
func (e *envelope) contains(phrases ...string) bool {
	text := strings.ToLower(e.code + "\n" + e.kind + "\n" + e.message)
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(text, p) })
}
