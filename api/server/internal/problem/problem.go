package problem

import (
	"fmt"
	"math"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// Problem is the error of a response.
type Problem struct {
	// Code is stable and identifies the error to programs.
	Code string
	// Reason selects a more specific sentence of the code.
	Reason string
	// Args fill the placeholders of the sentence.
	Args map[string]string
	// Terms are values of the placeholders of the sentence that depend on the language.
	Terms map[string]Words
	// Fields are the errors of fields.
	Fields []job.FieldError
	// Status overrides the status of the code if it is not 0.
	Status int
	// RetryAfter overrides the Retry-After of the code, in seconds, if it is not 0.
	RetryAfter int
	// ShouldRetry says in the format of the OpenAI API whether to repeat the request, if that does not follow from the code.
	ShouldRetry *bool
	// Failed is the error of a failed job, whose sentence replaces that of the code.
	Failed *job.Error
	// Extra is added to the body.
	Extra map[string]any
	// Job is added to the body if the state of the job is the reason.
	Job *job.Snapshot
	// usage is sent in the RateLimit header fields.
	usage []quota.Usage
	// Cause is for the log only.
	Cause error
}

// New returns a problem with a code.
func New(code string) *Problem { return &Problem{Code: code} }

// Because returns a problem with a code and a reason.
func Because(code, reason string) *Problem { return &Problem{Code: code, Reason: reason} }

// Unavailable returns the problem of a temporary failure.
func Unavailable(cause error) *Problem { return &Problem{Code: CodeUnavailable, Cause: cause} }

// Invalid returns the problem for invalid fields.
func Invalid(fields ...job.FieldError) *Problem { return &Problem{Code: CodeInvalid, Fields: fields} }

// TooManyAttempts returns the problem for a caller who has to wait before the next attempt.
func TooManyAttempts(wait time.Duration) *Problem {
	return (&Problem{Code: CodeTooManyAttempts}).RetryIn(Seconds(wait))
}

// RetryIn sets Retry-After, in the body too, for clients that do not read headers. It returns p.
func (p *Problem) RetryIn(seconds int) *Problem {
	p.RetryAfter = seconds
	if p.Extra == nil {
		p.Extra = map[string]any{}
	}
	p.Extra["retry_after"] = seconds
	return p
}

// Seconds rounds a wait up to whole seconds.
func Seconds(wait time.Duration) int { return int(math.Ceil(wait.Seconds())) }

// HTTPStatus returns the status of the response.
func (p *Problem) HTTPStatus() int { return definitionOf(p).status }

// Error returns the code and, for the log, the cause.
func (p *Problem) Error() string {
	if p.Cause != nil {
		return fmt.Sprintf("%s: %v", p.Code, p.Cause)
	}
	return p.Code
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }
