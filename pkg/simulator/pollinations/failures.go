package pollinations

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

const (
	messageNoKey  = "Authentication required. Please provide an API key via Authorization header (Bearer token) or ?key= query parameter."
	messageBadKey = "Invalid API key. The provided key was not recognized; it may have been revoked or mistyped."
)

// failures returns the scripted failures. The other hosts adapt those that
// they do not define.
func failures() map[string]kit.Failure {
	table := map[string]kit.Failure{
		"bad_request":          invalidFields("Query parameter validation failed", fieldErrors{"width": {"Invalid input"}}),
		"unprocessable":        fail(http.StatusUnprocessableEntity, "UNPROCESSABLE_ENTITY", "The request could not be processed."),
		"unauthorized":         {Status: http.StatusUnauthorized, Code: "UNAUTHORIZED", Message: messageBadKey},
		"no_balance":           fail(http.StatusPaymentRequired, "PAYMENT_REQUIRED", "Insufficient balance. This model costs ~0.0136 pollen per request, but your available balance is 0.0000."),
		"insufficient_balance": fail(http.StatusPaymentRequired, "INSUFFICIENT_BALANCE", "Insufficient balance. This model costs ~0.0136 pollen per request, but your available balance is 0.0000."),
		"x402": {
			Status: http.StatusPaymentRequired, Code: "PAYMENT_REQUIRED", Message: "Payment required.",
			Header: map[string]string{"PAYMENT-REQUIRED": base64.StdEncoding.EncodeToString(kit.Encode(PaymentDemand("Payment required")))},
			Body:   PaymentDemand("Payment required"),
		},
		"key_budget_exhausted":         fail(http.StatusPaymentRequired, "KEY_BUDGET_EXHAUSTED", "API key budget exhausted. Raise the budget of this key or use another one."),
		"paid_only":                    fail(http.StatusPaymentRequired, "PAYMENT_REQUIRED", "This model requires 💳 Top-up Pollen. 🌱 Tier Pollen cannot be used."),
		"forbidden":                    fail(http.StatusForbidden, "FORBIDDEN", "Model 'zimage' is not allowed for this API key"),
		"banned":                       fail(http.StatusForbidden, "FORBIDDEN", "This account is banned."),
		"not_found":                    fail(http.StatusNotFound, "NOT_FOUND", "The requested resource was not found."),
		"method_not_allowed":           fail(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Method not allowed."),
		"unsupported_media_type":       fail(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json."),
		"failed_to_download_image":     fail(http.StatusBadRequest, "failed_to_download_image", "Failed to download the reference image."),
		"invalid_image_url":            fail(http.StatusBadRequest, "invalid_image_url", "The reference image has no valid URL."),
		"image_too_large":              fail(http.StatusBadRequest, "image_too_large", "The reference image is too large."),
		"unsupported_image_media_type": fail(http.StatusBadRequest, "unsupported_image_media_type", "The reference image is of an unsupported type."),
		"prompt_too_long":              fail(http.StatusBadRequest, "BAD_REQUEST", "Input text too long: 10001 characters. Maximum is 10000."),
		"openai_audio_gone":            fail(http.StatusBadRequest, "BAD_REQUEST", `Model "openai-audio" is a text model and cannot be used on the audio endpoint. Use the text endpoint instead.`),
		"payload_too_large":            fail(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "Request body too large."),
		"moderated":                    fail(http.StatusUnprocessableEntity, "content_policy_violation", "Your request was rejected by content moderation. Please change the prompt and try again."),
		"safety_block": {
			Status: http.StatusBadRequest, Code: "BAD_REQUEST", Type: "safety_error", Message: "The prompt was blocked by the safety filter.",
			Header: map[string]string{"X-Safety-Applied": "sexual,violence", "X-Safety-Status": "blocked"},
		},
		"rate_limited":    fail(http.StatusTooManyRequests, "RATE_LIMITED", "Too many requests from this IP. Please slow down."),
		"rate_limited_pk": keyLimited(12500*time.Millisecond, 12.5),
		"concurrency": {
			Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"},
			Body: map[string]string{
				"error": "concurrency_limit_exceeded", "message": "Another generation is still running on this account. Wait for it to finish and try again.",
			},
		},
		"rate_limited_interval": {
			Status: http.StatusTooManyRequests, Code: "RATE_LIMITED", Header: map[string]string{"Retry-After": "45"},
			Message: "Sana is limited to one request per IP every 45 seconds. Retry after 45s.",
		},
		"server_error": fail(http.StatusInternalServerError, "INTERNAL_ERROR", "No active flux servers available"),
		"bad_gateway": {
			Status: http.StatusBadGateway, Code: "BAD_GATEWAY", Message: "We couldn't reach our backend services. Please try again shortly.",
			Details: upstreamDetails{Name: "UpstreamError", UpstreamStatus: http.StatusTooManyRequests, UpstreamHost: "provider.invalid", UpstreamBody: "busy"},
		},
		"unavailable":       fail(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "The service is temporarily unavailable."),
		"model_overloaded":  fail(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "The model is overloaded."),
		"gateway_timeout":   fail(http.StatusGatewayTimeout, "GATEWAY_TIMEOUT", "The upstream service did not respond in time."),
		"unknown_model":     fail(http.StatusBadRequest, "BAD_REQUEST", `Invalid model: "x"`),
		"balance_forbidden": fail(http.StatusForbidden, "FORBIDDEN", "This API key lacks the permission account:usage."),
		"retired_model":     badRequest("The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-chat."),
	}
	for _, limit := range []string{"RPM", "RPH", "RPD", "TPD", "IPM", "IPD"} {
		table["limit_"+strings.ToLower(limit)] = fail(http.StatusTooManyRequests, "RATE_LIMITED", "Rate limit reached: "+limit+".")
	}
	return table
}

// fail returns a failure without details.
func fail(status int, code, message string) kit.Failure {
	return kit.Failure{Status: status, Code: code, Message: message}
}

// badRequest returns a 400 without details.
func badRequest(message string) kit.Failure {
	return fail(http.StatusBadRequest, "BAD_REQUEST", message)
}
