package simulator

import (
	"net/http"
	"time"
)

// somebody is the address that scripted failures of the legacy hosts name.
const somebody = "192.0.2.1"

// legacyImageFailures is what the legacy host for pictures says differently.
func legacyImageFailures() map[string]failure {
	payment := failure{status: http.StatusPaymentRequired, shape: demand(crowded(somebody).message)}
	return map[string]failure{
		"bad_request":           {status: http.StatusBadRequest, message: "Invalid request parameters."},
		"unauthorized":          {status: http.StatusUnauthorized, message: "Invalid token."},
		"forbidden":             {status: http.StatusForbidden, message: "This address is blocked."},
		"no_balance":            payment,
		"x402":                  payment,
		"not_found":             {status: http.StatusNotFound, message: "The requested endpoint was not found"},
		"moderated":             {status: http.StatusBadRequest, message: "Content is prohibited"},
		"rate_limited":          crowded(somebody),
		"concurrency":           crowded(somebody),
		"rate_limited_interval": tooSoon(45*time.Second, 45*time.Second),
	}
}

// blockedAddress is what the legacy host for text tells an address that it
// does not serve.
type blockedAddress struct {
	IP        string `json:"blockedIp"`
	Timestamp string `json:"timestamp"`
}

// legacyTextFailures is what the legacy host for text says differently.
func legacyTextFailures() map[string]failure {
	const tier = "Model not found or tier not high enough. Your tier: anonymous, required tier: seed. See https://enter.invalid"
	gone := failure{status: http.StatusNotFound, message: "Model not found: openai-audio. See the list of models."}
	return map[string]failure{
		"bad_request":           {status: http.StatusBadRequest, message: "Invalid messages array"},
		"unauthorized":          {status: http.StatusUnauthorized, message: "Unauthorized"},
		"forbidden":             {status: http.StatusForbidden, message: "Forbidden", details: blockedAddress{IP: somebody, Timestamp: timestamp(time.UnixMilli(added()))}},
		"no_balance":            {status: http.StatusPaymentRequired, message: tier},
		"moderated":             {status: http.StatusBadRequest, message: "Content is prohibited"},
		"unknown_model":         {status: http.StatusNotFound, message: "Model not found: x. See the list of models."},
		"retired_model":         gone,
		"openai_audio_gone":     gone,
		"rate_limited":          crowded(somebody),
		"concurrency":           crowded(somebody),
		"rate_limited_interval": tooSoon(45*time.Second, 45*time.Second),
	}
}
