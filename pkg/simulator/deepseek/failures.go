package deepseek

import (
	"cmp"
	"net/http"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

const invalidRequest = "invalid_request_error"

// writeFailure writes a failure in the error body of DeepSeek.
func writeFailure(x *kit.Exchange, f kit.Failure) {
	f.Type = cmp.Or(f.Type, invalidRequest)
	f.Reason = cmp.Or(f.Reason, f.Type)
	x.SendJSON(f.Status, map[string]any{"error": map[string]any{"message": f.Message, "type": f.Type, "param": nil, "code": f.Reason}})
}

// authorize rejects a missing or unknown key.
func authorize(x *kit.Exchange) bool {
	key, wellFormed := x.BearerKey()
	if x.Accepts(key) {
		return true
	}
	message := "Authentication Fails, Your api key: " + maskKey(key) + " is invalid"
	if !wellFormed || key == "" {
		message = "Authentication Fails (auth header format should be Bearer sk-...)"
	}
	x.Fail(kit.Failure{Status: http.StatusUnauthorized, Message: message, Type: "authentication_error", Reason: invalidRequest})
	return false
}

// maskKey shows the last four characters of a key, as DeepSeek does.
func maskKey(key string) string {
	if len(key) <= 4 {
		return "****"
	}
	return "****" + key[len(key)-4:]
}

// failures returns the scripted failures that differ at DeepSeek.
func failures() map[string]kit.Failure {
	return map[string]kit.Failure{
		"bad_request":      {Status: http.StatusBadRequest, Message: "Failed to deserialize the JSON body into the target type: messages: missing field `content` at line 1 column 64"},
		"unprocessable":    {Status: http.StatusUnprocessableEntity, Message: "Invalid parameters in the request body."},
		"unauthorized":     {Status: http.StatusUnauthorized, Message: "Authentication Fails, Your api key: ****0000 is invalid", Type: "authentication_error", Reason: invalidRequest},
		"no_balance":       {Status: http.StatusPaymentRequired, Message: "Insufficient Balance", Type: "unknown_error", Reason: invalidRequest},
		"prompt_too_long":  {Status: http.StatusBadRequest, Message: "This model's maximum context length is 1048576 tokens. However, you requested 1048577 tokens."},
		"moderated":        {Status: http.StatusBadRequest, Message: "Content Exists Risk"},
		"rate_limited":     {Status: http.StatusTooManyRequests, Message: "Rate limit reached. Please pace your requests.", Type: "rate_limit_error"},
		"concurrency":      {Status: http.StatusTooManyRequests, Message: "Too many concurrent requests on this account.", Type: "rate_limit_error"},
		"server_error":     {Status: http.StatusInternalServerError, Message: "Internal server error", Type: "server_error", Reason: "internal_error"},
		"unavailable":      {Status: http.StatusServiceUnavailable, Message: "Service is too busy. Please try again later.", Type: "service_unavailable_error"},
		"model_overloaded": {Status: http.StatusServiceUnavailable, Message: "The model is overloaded. Please try again later.", Type: "service_unavailable_error"},
		"retired_model":    {Status: http.StatusBadRequest, Message: "The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-chat."},
		"unknown_model":    {Status: http.StatusBadRequest, Message: "Model Not Exist"},
	}
}
