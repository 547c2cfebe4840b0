package upstream

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// InvalidResponse returns the error of a response with status 200 that cannot be used. Operators read the reason as it
// stands, so it must not quote the response or the request.
func InvalidResponse(reason string) *fault.Error {
	return &fault.Error{Class: fault.Retryable, Code: job.CodeInvalidAnswer, Err: errors.New(reason)}
}

// UnusableResponse is InvalidResponse for a response that would be the same if the request were repeated.
func UnusableResponse(reason string) *fault.Error {
	return &fault.Error{Class: fault.Permanent, Code: job.CodeUnusable, Err: errors.New(reason)}
}

// Unset returns the error of a call to an upstream that is not configured. The setting is the variable to set.
func Unset(name, setting string) *fault.Error {
	return &fault.Error{
		Upstream: name, Class: fault.Misconfigured, Code: job.CodeMisconfigured, Err: errors.New(setting + " is not set"),
	}
}
