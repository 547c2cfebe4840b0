package simulator

import (
	"encoding/base64"
	"net/http"
)

// bilingual is a scripted failure as the gateway and DeepSeek word it. A
// dialect that is left out says the same in its own envelope.
type bilingual struct{ gateway, deepSeek failure }

// in words a failure for a dialect. The legacy hosts and SiliconFlow have
// tables of their own for what they say differently.
func (b bilingual) in(dialect Dialect) failure {
	plain := b.gateway
	if plain.status == 0 || (dialect == DialectSiliconFlow && b.deepSeek.status != 0) {
		plain = b.deepSeek
	}
	said := plain.message
	if said == "" {
		said = http.StatusText(plain.status)
	}
	switch {
	case dialect == DialectDeepSeek && b.deepSeek.status != 0:
		return b.deepSeek
	case dialect == DialectDeepSeek:
		return failure{status: plain.status, message: said, kind: plain.kind, header: plain.header}
	case dialect == DialectSiliconFlow, dialect == DialectGoogle, dialect.legacy():
		return failure{status: plain.status, message: said} // They promise no Retry-After.
	case b.gateway.status != 0:
		return b.gateway
	default:
		return failure{status: plain.status, code: "BAD_REQUEST", message: said}
	}
}

// scriptedFailures turns the tables into faults.
func scriptedFailures() map[string]fault {
	own := map[Dialect]map[string]failure{
		DialectLegacyImage: legacyImageFailures(), DialectLegacyText: legacyTextFailures(), DialectSiliconFlow: siliconFlowFailures(),
	}
	table := map[string]fault{}
	for name, words := range failures() {
		table[name] = func(x *exchange) {
			if f, ok := own[x.dialect][name]; ok {
				x.refuse(f)
				return
			}
			x.refuse(words.in(x.dialect))
		}
	}
	return table
}

const (
	messageNoKey  = "Authentication required. Please provide an API key via Authorization header (Bearer token) or ?key= query parameter."
	messageBadKey = "Invalid API key. The provided key was not recognized; it may have been revoked or mistyped."
)

// failures is the table of scripted refusals.
func failures() map[string]bilingual {
	const invalid = "invalid_request_error"
	return map[string]bilingual{
		"bad_request": {
			gateway: failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "Query parameter validation failed", details: validationDetails{
				Name: "ValidationError", FormErrors: []string{}, FieldErrors: map[string][]string{"width": {"Invalid input"}},
			}},
			deepSeek: failure{status: http.StatusBadRequest, message: "Failed to deserialize the JSON body into the target type: messages: missing field `content` at line 1 column 64"},
		},
		"unprocessable": {
			gateway:  failure{status: http.StatusUnprocessableEntity, code: "UNPROCESSABLE_ENTITY", message: "The request could not be processed."},
			deepSeek: failure{status: http.StatusUnprocessableEntity, message: "Invalid parameters in the request body."},
		},
		"unauthorized": {
			gateway:  failure{status: http.StatusUnauthorized, code: "UNAUTHORIZED", message: messageBadKey},
			deepSeek: failure{status: http.StatusUnauthorized, message: "Authentication Fails, Your api key: ****0000 is invalid", kind: "authentication_error", reason: invalid},
		},
		"no_balance": {
			gateway: failure{
				status: http.StatusPaymentRequired, code: "PAYMENT_REQUIRED",
				message: "Insufficient balance. This model costs ~0.0136 pollen per request, but your available balance is 0.0000.",
			},
			deepSeek: failure{status: http.StatusPaymentRequired, message: "Insufficient Balance", kind: "unknown_error", reason: invalid},
		},
		"insufficient_balance": {gateway: failure{
			status: http.StatusPaymentRequired, code: "INSUFFICIENT_BALANCE",
			message: "Insufficient balance. This model costs ~0.0136 pollen per request, but your available balance is 0.0000.",
		}},
		"x402": {gateway: failure{
			status: http.StatusPaymentRequired, code: "PAYMENT_REQUIRED", message: "Payment required.",
			header: map[string]string{"PAYMENT-REQUIRED": base64.StdEncoding.EncodeToString(encode(demand("Payment required")))},
			shape:  demand("Payment required"),
		}},
		"key_budget_exhausted": {gateway: failure{
			status: http.StatusPaymentRequired, code: "KEY_BUDGET_EXHAUSTED", message: "API key budget exhausted. Raise the budget of this key or use another one.",
		}},
		"paid_only": {gateway: failure{
			status: http.StatusPaymentRequired, code: "PAYMENT_REQUIRED", message: "This model requires 💳 Top-up Pollen. 🌱 Tier Pollen cannot be used.",
		}},
		"forbidden":          {gateway: failure{status: http.StatusForbidden, code: "FORBIDDEN", message: "Model 'zimage' is not allowed for this API key"}},
		"banned":             {gateway: failure{status: http.StatusForbidden, code: "FORBIDDEN", message: "This account is banned."}},
		"not_found":          {gateway: failure{status: http.StatusNotFound, code: "NOT_FOUND", message: "The requested resource was not found."}},
		"method_not_allowed": {gateway: failure{status: http.StatusMethodNotAllowed, code: "METHOD_NOT_ALLOWED", message: "Method not allowed."}},
		"unsupported_media_type": {gateway: failure{
			status: http.StatusUnsupportedMediaType, code: "UNSUPPORTED_MEDIA_TYPE", message: "The body must be application/json.",
		}},
		"failed_to_download_image":     referenceTrouble("failed_to_download_image", "Failed to download the reference image."),
		"invalid_image_url":            referenceTrouble("invalid_image_url", "The reference image has no valid URL."),
		"image_too_large":              referenceTrouble("image_too_large", "The reference image is too large."),
		"unsupported_image_media_type": referenceTrouble("unsupported_image_media_type", "The reference image is of an unsupported type."),
		"prompt_too_long": {
			gateway:  failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "Input text too long: 10001 characters. Maximum is 10000."},
			deepSeek: failure{status: http.StatusBadRequest, message: "This model's maximum context length is 1048576 tokens. However, you requested 1048577 tokens."},
		},
		"openai_audio_gone": {gateway: failure{
			status: http.StatusBadRequest, code: "BAD_REQUEST",
			message: `Model "openai-audio" is a text model and cannot be used on the audio endpoint. Use the text endpoint instead.`,
		}},
		"payload_too_large": {gateway: failure{
			status: http.StatusRequestEntityTooLarge, code: "PAYLOAD_TOO_LARGE", message: "Request body too large.",
		}},
		"moderated": {
			gateway: failure{
				status: http.StatusUnprocessableEntity, code: "content_policy_violation",
				message: "Your request was rejected by content moderation. Please change the prompt and try again.",
			},
			deepSeek: failure{status: http.StatusBadRequest, message: "Content Exists Risk"},
		},
		"safety_block": {gateway: failure{
			status: http.StatusBadRequest, code: "BAD_REQUEST", kind: "safety_error", message: "The prompt was blocked by the safety filter.",
			header: map[string]string{"X-Safety-Applied": "sexual,violence", "X-Safety-Status": "blocked"},
		}},
		"rate_limited": {
			gateway:  failure{status: http.StatusTooManyRequests, code: "RATE_LIMITED", message: "Too many requests from this IP. Please slow down."},
			deepSeek: failure{status: http.StatusTooManyRequests, message: "Rate limit reached. Please pace your requests.", kind: "rate_limit_error"},
		},
		"rate_limited_pk": {gateway: failure{
			status: http.StatusTooManyRequests, message: "Rate limit exceeded.", header: map[string]string{"Retry-After": "13"},
			shape: publishableLimit{
				Error: "Rate limit exceeded", RetryAfterSeconds: 12.5,
				Message: "Rate limit exceeded. Retry after 12.5s. Use secret keys (sk_*) for unlimited requests.",
			},
		}},
		"concurrency": {
			gateway: failure{
				status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "1"},
				shape: concurrencyLimit{
					Error:   "concurrency_limit_exceeded",
					Message: "Another generation is still running on this account. Wait for it to finish and try again.",
				},
			},
			deepSeek: failure{status: http.StatusTooManyRequests, message: "Too many concurrent requests on this account.", kind: "rate_limit_error"},
		},
		"rate_limited_interval": {gateway: failure{
			status: http.StatusTooManyRequests, code: "RATE_LIMITED", header: map[string]string{"Retry-After": "45"},
			message: "Sana is limited to one request per IP every 45 seconds. Retry after 45s.",
		}},
		"limit_rpm": throttledBy("RPM"), "limit_rph": throttledBy("RPH"), "limit_rpd": throttledBy("RPD"),
		"limit_tpd": throttledBy("TPD"), "limit_ipm": throttledBy("IPM"), "limit_ipd": throttledBy("IPD"),
		"server_error": {
			gateway:  failure{status: http.StatusInternalServerError, code: "INTERNAL_ERROR", message: "No active flux servers available"},
			deepSeek: failure{status: http.StatusInternalServerError, message: "Internal server error", kind: "server_error", reason: "internal_error"},
		},
		"bad_gateway": {gateway: failure{
			status: http.StatusBadGateway, code: "BAD_GATEWAY", message: "We couldn't reach our backend services. Please try again shortly.",
			details: upstreamTrouble{Name: "UpstreamError", UpstreamStatus: http.StatusTooManyRequests, UpstreamHost: "provider.invalid", UpstreamBody: "busy"},
		}},
		"unavailable": {
			gateway:  failure{status: http.StatusServiceUnavailable, code: "SERVICE_UNAVAILABLE", message: "The service is temporarily unavailable."},
			deepSeek: failure{status: http.StatusServiceUnavailable, message: "Service is too busy. Please try again later.", kind: "service_unavailable_error"},
		},
		"model_overloaded": {
			gateway:  failure{status: http.StatusServiceUnavailable, code: "SERVICE_UNAVAILABLE", message: "The model is overloaded."},
			deepSeek: failure{status: http.StatusServiceUnavailable, message: "The model is overloaded. Please try again later.", kind: "service_unavailable_error"},
		},
		"gateway_timeout": {gateway: failure{
			status: http.StatusGatewayTimeout, code: "GATEWAY_TIMEOUT", message: "The upstream service did not respond in time.",
		}},
		"retired_model": {deepSeek: failure{
			status: http.StatusBadRequest, message: "The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-chat.",
		}},
		"unknown_model": {
			gateway:  failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: `Invalid model: "x"`},
			deepSeek: failure{status: http.StatusBadRequest, message: "Model Not Exist"},
		},
		"balance_forbidden": {gateway: failure{
			status: http.StatusForbidden, code: "FORBIDDEN", message: "This API key lacks the permission account:usage.",
		}},
	}
}

// referenceTrouble is what the gateway says about a picture it was given.
func referenceTrouble(code, message string) bilingual {
	return bilingual{gateway: failure{status: http.StatusBadRequest, code: code, message: message}}
}

// throttledBy is one of the limits that SiliconFlow names; elsewhere it is
// throttling like any other.
func throttledBy(limit string) bilingual {
	const message = "Rate limit reached: "
	return bilingual{
		gateway:  failure{status: http.StatusTooManyRequests, code: "RATE_LIMITED", message: message + limit + "."},
		deepSeek: failure{status: http.StatusTooManyRequests, message: message + limit + ".", kind: "rate_limit_error"},
	}
}
