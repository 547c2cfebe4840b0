package siliconflow

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// envelope is the error body. Some errors have no code, and one is a bare string.
type envelope struct {
	Code    int       `json:"code,omitempty"`
	Message string    `json:"message"`
	Data    *struct{} `json:"data"`
}

// The codes that were observed.
const (
	codeLowBalance   = 30001
	codeNoModel      = 20012
	codeBadParameter = 20015
	codeOverloaded   = 50505
	codeBusy         = 50508
)

const maxTokens = 65536

// badParameter returns the failure of a parameter.
func badParameter(message string) kit.Failure {
	return kit.Failure{Status: http.StatusBadRequest, Number: codeBadParameter, Message: message}
}

func noSuchModel() kit.Failure {
	return kit.Failure{Status: http.StatusBadRequest, Number: codeNoModel, Message: "Model does not exist. Please check it carefully."}
}

// limited returns the failure for a rate limit, which has neither a code nor a
// Retry-After.
func limited(limit string) kit.Failure {
	return kit.Failure{Status: http.StatusTooManyRequests, Message: "Request was rejected due to rate limiting. Details: " + limit + " limit reached."}
}

// writeFailure writes a failure in the error body of SiliconFlow.
func writeFailure(x *kit.Exchange, f kit.Failure) {
	x.SendJSON(f.Status, envelope{Code: f.Number, Message: f.Message})
}

// authorize rejects a missing or unknown key.
func authorize(x *kit.Exchange) bool {
	key, _ := x.BearerKey()
	if x.Accepts(key) {
		return true
	}
	message := "Api key is invalid"
	if key == "" {
		message = "Invalid token"
	}
	x.Fail(kit.Failure{Status: http.StatusUnauthorized, Body: message})
	return false
}

// failures returns the scripted failures that differ at SiliconFlow.
func failures() map[string]kit.Failure {
	table := map[string]kit.Failure{
		"bad_request":      badParameter("Value error, messages: field required"),
		"unprocessable":    badParameter("Value error, a parameter is out of range"),
		"unauthorized":     {Status: http.StatusUnauthorized, Body: "Api key is invalid"},
		"no_balance":       {Status: http.StatusForbidden, Number: codeLowBalance, Message: "Sorry, your account balance is insufficient"},
		"forbidden":        {Status: http.StatusForbidden, Message: "This model needs an account with a verified real name."},
		"moderated":        {Status: http.StatusBadRequest, Message: "Content Exists Risk"},
		"server_error":     {Status: http.StatusInternalServerError, Message: "Internal server error"},
		"rate_limited":     limited("TPM"),
		"concurrency":      limited("RPM"),
		"unavailable":      {Status: http.StatusServiceUnavailable, Number: codeBusy, Message: "System is too busy now. Please try again later."},
		"model_overloaded": {Status: http.StatusServiceUnavailable, Number: codeOverloaded, Message: "Model service overloaded. Please try again later."},
		"unknown_model":    noSuchModel(),
		"retired_model":    noSuchModel(),
		"prompt_too_long":  tooManyTokens(68957),
	}
	for _, limit := range []string{"RPM", "RPH", "RPD", "TPD", "IPM", "IPD"} {
		table["limit_"+strings.ToLower(limit)] = limited(limit)
	}
	return table
}

func tooManyTokens(tokens int) kit.Failure {
	return badParameter(fmt.Sprintf("length of prompt_tokens (%d) must be less than max_seq_len (%d).", tokens, maxTokens))
}
