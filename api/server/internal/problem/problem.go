package problem

import (
	"fmt"
	"math"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// Problem is an error as the client sees it.
type Problem struct {
	// Code is stable and identifies the error to programs.
	Code string
	// Reason selects a more specific sentence of the code.
	Reason string
	// Args fill the placeholders of the sentence.
	Args map[string]string
	// Fields are the errors of single fields.
	Fields []job.FieldError
	// Status replaces the status of the code, unless it is 0.
	Status int
	// RetryAfter replaces the Retry-After of the code, in seconds, unless it is 0.
	RetryAfter int
	// Failed is the error of a failed job, whose sentence is then used.
	Failed *job.Error
	// Extra is added to the body as it is.
	Extra map[string]any
	// Job is added to the body when its state is the reason.
	Job *job.Snapshot
	// usage is sent in the RateLimit header fields.
	usage []quota.Usage
	// Cause is for the log only.
	Cause error
}

// New returns the problem of a code.
func New(code string) *Problem { return &Problem{Code: code} }

// Because returns the problem of a code with a more specific reason.
func Because(code, reason string) *Problem { return &Problem{Code: code, Reason: reason} }

// Unavailable returns the problem of a service that cannot do its work for now.
func Unavailable(cause error) *Problem { return &Problem{Code: CodeUnavailable, Cause: cause} }

// Invalid returns the problem of invalid fields.
func Invalid(fields ...job.FieldError) *Problem { return &Problem{Code: CodeInvalid, Fields: fields} }

// TooManyAttempts returns the problem of a caller who has to wait before the next attempt.
func TooManyAttempts(wait time.Duration) *Problem {
	return (&Problem{Code: CodeTooManyAttempts}).RetryIn(Seconds(wait))
}

// RetryIn sets Retry-After and repeats it in the body, for clients that read no headers.
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

// HTTPStatus returns the status with which the problem is sent.
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
