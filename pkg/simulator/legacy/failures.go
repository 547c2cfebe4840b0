package legacy

import (
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/pollinations"
)

// clientAddress is the client address in scripted failures.
const clientAddress = "192.0.2.1"

// imageFailures returns the scripted failures that differ at the image host.
func imageFailures() map[string]kit.Failure {
	payment := kit.Failure{Status: http.StatusPaymentRequired, Body: pollinations.PaymentDemand(queueFull(clientAddress).Message)}
	return map[string]kit.Failure{
		"bad_request":           {Status: http.StatusBadRequest, Message: "Invalid request parameters."},
		"unauthorized":          {Status: http.StatusUnauthorized, Message: "Invalid token."},
		"forbidden":             {Status: http.StatusForbidden, Message: "This address is blocked."},
		"no_balance":            payment,
		"x402":                  payment,
		"not_found":             {Status: http.StatusNotFound, Message: "The requested endpoint was not found"},
		"moderated":             {Status: http.StatusBadRequest, Message: "Content is prohibited"},
		"rate_limited":          queueFull(clientAddress),
		"concurrency":           queueFull(clientAddress),
		"rate_limited_interval": tooSoon(45*time.Second, 45*time.Second),
	}
}

// textFailures returns the scripted failures that differ at the text host.
func textFailures() map[string]kit.Failure {
	const tier = "Model not found or tier not high enough. Your tier: anonymous, required tier: seed. See https://enter.invalid"
	gone := kit.Failure{Status: http.StatusNotFound, Message: "Model not found: openai-audio. See the list of models."}
	return map[string]kit.Failure{
		"bad_request":           {Status: http.StatusBadRequest, Message: "Invalid messages array"},
		"unauthorized":          {Status: http.StatusUnauthorized, Message: "Unauthorized"},
		"forbidden":             {Status: http.StatusForbidden, Message: "Forbidden", Details: map[string]string{"blockedIp": clientAddress, "timestamp": kit.Timestamp(time.UnixMilli(pollinations.AddedDate()))}},
		"no_balance":            {Status: http.StatusPaymentRequired, Message: tier},
		"moderated":             {Status: http.StatusBadRequest, Message: "Content is prohibited"},
		"unknown_model":         {Status: http.StatusNotFound, Message: "Model not found: x. See the list of models."},
		"retired_model":         gone,
		"openai_audio_gone":     gone,
		"rate_limited":          queueFull(clientAddress),
		"concurrency":           queueFull(clientAddress),
		"rate_limited_interval": tooSoon(45*time.Second, 45*time.Second),
	}
}
