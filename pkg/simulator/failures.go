package simulator

import "net/http"

// bilingual is a scripted failure as each upstream words it. A dialect that
// is left out says the same in its own envelope.
type bilingual struct{ gateway, deepSeek failure }

func (b bilingual) in(dialect Dialect) failure {
	switch {
	case dialect == DialectDeepSeek && b.deepSeek.status != 0:
		return b.deepSeek
	case dialect == DialectDeepSeek:
		return failure{status: b.gateway.status, message: b.gateway.message, kind: b.gateway.kind, header: b.gateway.header}
	case b.gateway.status != 0:
		return b.gateway
	default:
		return failure{status: b.deepSeek.status, code: "BAD_REQUEST", message: b.deepSeek.message}
	}
}

// The two odd shapes in which the gateway throttles.
type publishableLimit struct {
	Error             string  `json:"error"`
	Message           string  `json:"message"`
	RetryAfterSeconds float64 `json:"retryAfterSeconds"`
}

type concurrencyLimit struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

// upstreamTrouble is what the gateway tells about a provider behind it.
type upstreamTrouble struct {
	Name           string `json:"name"`
	UpstreamStatus int    `json:"upstreamStatus"`
	UpstreamHost   string `json:"upstreamHost"`
	UpstreamBody   string `json:"upstreamBody"`
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
		"key_budget_exhausted": {gateway: failure{
			status: http.StatusPaymentRequired, code: "KEY_BUDGET_EXHAUSTED", message: "API key budget exhausted. Raise the budget of this key or use another one.",
		}},
		"paid_only": {gateway: failure{
			status: http.StatusPaymentRequired, code: "PAYMENT_REQUIRED", message: "This model requires 💳 Top-up Pollen. 🌱 Tier Pollen cannot be used.",
		}},
		"forbidden": {gateway: failure{status: http.StatusForbidden, code: "FORBIDDEN", message: "Model 'zimage' is not allowed for this API key"}},
		"not_found": {gateway: failure{status: http.StatusNotFound, code: "NOT_FOUND", message: "The requested resource was not found."}},
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
			message: "This model is limited to one request per IP every 45 seconds. Retry after 45s.",
		}},
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
