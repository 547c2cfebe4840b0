package pollinations

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

const (
	messageNoKey  = "Authentication required. Please provide an API key via Authorization header (Bearer token) or ?key= query parameter."
	messageBadKey = "Invalid API key. The provided key was not recognized; it may have been revoked or mistyped."
)

// failures returns the scripted failures. The other hosts adapt those that they
// do not word themselves.
func failures() map[string]kit.Failure {
	return map[string]kit.Failure{
		"bad_request": {Status: http.StatusBadRequest, Code: "BAD_REQUEST", Message: "Query parameter validation failed", Details: validationDetails{
			Name: "ValidationError", FormErrors: []string{}, FieldErrors: map[string][]string{"width": {"Invalid input"}},
		}},
		"unprocessable": {Status: http.StatusUnprocessableEntity, Code: "UNPROCESSABLE_ENTITY", Message: "The request could not be processed."},
		"unauthorized":  {Status: http.StatusUnauthorized, Code: "UNAUTHORIZED", Message: messageBadKey},
		"no_balance": {
			Status: http.StatusPaymentRequired, Code: "PAYMENT_REQUIRED",
			Message: "Insufficient balance. This model costs ~0.0136 pollen per request, but your available balance is 0.0000.",
		},
		"insufficient_balance": {
			Status: http.StatusPaymentRequired, Code: "INSUFFICIENT_BALANCE",
			Message: "Insufficient balance. This model costs ~0.0136 pollen per request, but your available balance is 0.0000.",
		},
		"x402": {
			Status: http.StatusPaymentRequired, Code: "PAYMENT_REQUIRED", Message: "Payment required.",
			Header: map[string]string{"PAYMENT-REQUIRED": base64.StdEncoding.EncodeToString(kit.Encode(PaymentDemand("Payment required")))},
			Body:   PaymentDemand("Payment required"),
		},
		"key_budget_exhausted": {
			Status: http.StatusPaymentRequired, Code: "KEY_BUDGET_EXHAUSTED", Message: "API key budget exhausted. Raise the budget of this key or use another one.",
		},
		"paid_only": {
			Status: http.StatusPaymentRequired, Code: "PAYMENT_REQUIRED", Message: "This model requires 💳 Top-up Pollen. 🌱 Tier Pollen cannot be used.",
		},
		"forbidden":          {Status: http.StatusForbidden, Code: "FORBIDDEN", Message: "Model 'zimage' is not allowed for this API key"},
		"banned":             {Status: http.StatusForbidden, Code: "FORBIDDEN", Message: "This account is banned."},
		"not_found":          {Status: http.StatusNotFound, Code: "NOT_FOUND", Message: "The requested resource was not found."},
		"method_not_allowed": {Status: http.StatusMethodNotAllowed, Code: "METHOD_NOT_ALLOWED", Message: "Method not allowed."},
		"unsupported_media_type": {
			Status: http.StatusUnsupportedMediaType, Code: "UNSUPPORTED_MEDIA_TYPE", Message: "The body must be application/json.",
		},
		"failed_to_download_image":     referenceFailure("failed_to_download_image", "Failed to download the reference image."),
		"invalid_image_url":            referenceFailure("invalid_image_url", "The reference image has no valid URL."),
		"image_too_large":              referenceFailure("image_too_large", "The reference image is too large."),
		"unsupported_image_media_type": referenceFailure("unsupported_image_media_type", "The reference image is of an unsupported type."),
		"prompt_too_long":              {Status: http.StatusBadRequest, Code: "BAD_REQUEST", Message: "Input text too long: 10001 characters. Maximum is 10000."},
		"openai_audio_gone": {
			Status: http.StatusBadRequest, Code: "BAD_REQUEST",
			Message: `Model "openai-audio" is a text model and cannot be used on the audio endpoint. Use the text endpoint instead.`,
		},
		"payload_too_large": {
			Status: http.StatusRequestEntityTooLarge, Code: "PAYLOAD_TOO_LARGE", Message: "Request body too large.",
		},
		"moderated": {
			Status: http.StatusUnprocessableEntity, Code: "content_policy_violation",
			Message: "Your request was rejected by content moderation. Please change the prompt and try again.",
		},
		"safety_block": {
			Status: http.StatusBadRequest, Code: "BAD_REQUEST", Type: "safety_error", Message: "The prompt was blocked by the safety filter.",
			Header: map[string]string{"X-Safety-Applied": "sexual,violence", "X-Safety-Status": "blocked"},
		},
		"rate_limited":    {Status: http.StatusTooManyRequests, Code: "RATE_LIMITED", Message: "Too many requests from this IP. Please slow down."},
		"rate_limited_pk": keyLimited(12500*time.Millisecond, 12.5),
		"concurrency": {
			Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"},
			Body: concurrencyBody{
				Error:   "concurrency_limit_exceeded",
				Message: "Another generation is still running on this account. Wait for it to finish and try again.",
			},
		},
		"rate_limited_interval": {
			Status: http.StatusTooManyRequests, Code: "RATE_LIMITED", Header: map[string]string{"Retry-After": "45"},
			Message: "Sana is limited to one request per IP every 45 seconds. Retry after 45s.",
		},
		"limit_rpm":    throttled("RPM"),
		"limit_rph":    throttled("RPH"),
		"limit_rpd":    throttled("RPD"),
		"limit_tpd":    throttled("TPD"),
		"limit_ipm":    throttled("IPM"),
		"limit_ipd":    throttled("IPD"),
		"server_error": {Status: http.StatusInternalServerError, Code: "INTERNAL_ERROR", Message: "No active flux servers available"},
		"bad_gateway": {
			Status: http.StatusBadGateway, Code: "BAD_GATEWAY", Message: "We couldn't reach our backend services. Please try again shortly.",
			Details: upstreamDetails{Name: "UpstreamError", UpstreamStatus: http.StatusTooManyRequests, UpstreamHost: "provider.invalid", UpstreamBody: "busy"},
		},
		"unavailable":      {Status: http.StatusServiceUnavailable, Code: "SERVICE_UNAVAILABLE", Message: "The service is temporarily unavailable."},
		"model_overloaded": {Status: http.StatusServiceUnavailable, Code: "SERVICE_UNAVAILABLE", Message: "The model is overloaded."},
		"gateway_timeout": {
			Status: http.StatusGatewayTimeout, Code: "GATEWAY_TIMEOUT", Message: "The upstream service did not respond in time.",
		},
		"unknown_model": {Status: http.StatusBadRequest, Code: "BAD_REQUEST", Message: `Invalid model: "x"`},
		"balance_forbidden": {
			Status: http.StatusForbidden, Code: "FORBIDDEN", Message: "This API key lacks the permission account:usage.",
		},
		"retired_model": badRequest("The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-chat."),
	}
}

// badRequest returns a 400 without details.
func badRequest(message string) kit.Failure {
	return kit.Failure{Status: http.StatusBadRequest, Code: "BAD_REQUEST", Message: message}
}

// referenceFailure returns the refusal of a reference image.
func referenceFailure(code, message string) kit.Failure {
	return kit.Failure{Status: http.StatusBadRequest, Code: code, Message: message}
}

// throttled returns the refusal for one of the limits of SiliconFlow. Pollinations
// knows a single one.
func throttled(limit string) kit.Failure {
	return kit.Failure{Status: http.StatusTooManyRequests, Code: "RATE_LIMITED", Message: "Rate limit reached: " + limit + "."}
}
