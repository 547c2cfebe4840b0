package upstream

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// InvalidResponse returns the error of a response with status 200 that cannot be used. The reason is shown to operators
// without redaction, so it must not quote the response or the request.
func InvalidResponse(reason string) *fault.Error {
	return &fault.Error{Class: fault.Retryable, Code: job.CodeInvalidAnswer, Err: errors.New(reason)}
}

// UnusableResponse is like InvalidResponse, for a request that would get the same response again.
func UnusableResponse(reason string) *fault.Error {
	return &fault.Error{Class: fault.Permanent, Code: job.CodeUnusable, Err: errors.New(reason)}
}

// Rejected returns the error of a request that cannot succeed, with a reason for operators.
func Rejected(name, reason string) *fault.Error {
	return &fault.Error{Upstream: name, Class: fault.Permanent, Code: job.CodeRejected, Err: errors.New(reason)}
}

// Unset returns the error of a call to an upstream without a URL. The setting is the variable to set.
func Unset(name, setting string) *fault.Error {
	return &fault.Error{
		Upstream: name, Class: fault.Misconfigured, Code: job.CodeMisconfigured, Err: errors.New(setting + " is not set"),
	}
}
