package simulator

import (
	"fmt"
	"net/http"
)

// siliconFlowEnvelope is SiliconFlow's error body. Some of its errors have no
// code, and one is a bare string.
type siliconFlowEnvelope struct {
	Code    int       `json:"code,omitempty"`
	Message string    `json:"message"`
	Data    *struct{} `json:"data"`
}

// SiliconFlow's codes, as far as they were seen.
const (
	codeLowBalance   = 30001
	codeNoModel      = 20012
	codeBadParameter = 20015
	codeOverloaded   = 50505
	codeBusy         = 50508
)

const maxSiliconFlowTokens = 65536

// badParameter is SiliconFlow's refusal of a parameter.
func badParameter(message string) failure {
	return failure{status: http.StatusBadRequest, number: codeBadParameter, message: message}
}

func noSuchModel() failure {
	return failure{status: http.StatusBadRequest, number: codeNoModel, message: "Model does not exist. Please check it carefully."}
}

// limited is SiliconFlow's throttling, which has no code and no Retry-After.
func limited(limit string) failure {
	return failure{status: http.StatusTooManyRequests, message: "Request was rejected due to rate limiting. Details: " + limit + " limit reached."}
}

// siliconFlowFailures is what SiliconFlow says differently.
func siliconFlowFailures() map[string]failure {
	return map[string]failure{
		"bad_request":      badParameter("Value error, messages: field required"),
		"unprocessable":    badParameter("Value error, a parameter is out of range"),
		"unauthorized":     {status: http.StatusUnauthorized, shape: "Api key is invalid"},
		"no_balance":       {status: http.StatusForbidden, number: codeLowBalance, message: "Sorry, your account balance is insufficient"},
		"forbidden":        {status: http.StatusForbidden, message: "This model needs an account with a verified real name."},
		"rate_limited":     limited("TPM"),
		"concurrency":      limited("RPM"),
		"limit_rpm":        limited("RPM"),
		"limit_rph":        limited("RPH"),
		"limit_rpd":        limited("RPD"),
		"limit_tpd":        limited("TPD"),
		"limit_ipm":        limited("IPM"),
		"limit_ipd":        limited("IPD"),
		"unavailable":      {status: http.StatusServiceUnavailable, number: codeBusy, message: "System is too busy now. Please try again later."},
		"model_overloaded": {status: http.StatusServiceUnavailable, number: codeOverloaded, message: "Model service overloaded. Please try again later."},
		"unknown_model":    noSuchModel(),
		"retired_model":    noSuchModel(),
		"prompt_too_long":  tooManyTokens(68957),
	}
}

func tooManyTokens(tokens int) failure {
	return badParameter(fmt.Sprintf("length of prompt_tokens (%d) must be less than max_seq_len (%d).", tokens, maxSiliconFlowTokens))
}
