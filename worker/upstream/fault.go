package upstream

import (
	"fmt"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The names of the upstreams, as the whole system spells them.
const (
	PollinationsImage  = job.UpstreamImage
	PollinationsSpeech = job.UpstreamSpeech
	LanguageModel      = job.UpstreamLanguage
)

// Class says what to do about a fault.
type Class string

// The classes of a Fault.
const (
	// Retryable means that the same request may succeed a little later.
	Retryable Class = "retryable"
	// Throttled means that the upstream asks for fewer requests; it is nobody's failure.
	Throttled Class = "throttled"
	// Permanent means that this request will never succeed.
	Permanent Class = "permanent"
	// Moderated means that the upstream refuses the words of this request.
	Moderated Class = "moderated"
	// Misconfigured means that no request will succeed until an operator acts: our key, our balance, our settings.
	Misconfigured Class = "misconfigured"
	// Canceled means that our own side gave the call up.
	Canceled Class = "canceled"
)

// The codes of a Fault. They are stable: clients of the system branch on them.
const (
	CodeUnavailable   = "upstream_unavailable"
	CodeTimeout       = "upstream_timeout"
	CodeThrottled     = "upstream_throttled"
	CodeRejected      = "upstream_rejected"
	CodeReference     = "reference_image_refused"
	CodeInvalidAnswer = "upstream_invalid_answer"
	CodeUnusable      = "upstream_unusable_answer"
	CodeTooLarge      = "upstream_too_large"
	CodeModerated     = "content_moderated"
	CodeMisconfigured = "upstream_misconfigured"
	CodeCanceled      = "canceled"
)

// Fault is what went wrong in a call to an upstream, classified once, where it was born.
type Fault struct {
	Upstream string
	Class    Class
	// Code is one of the codes above.
	Code string
	// Status is the HTTP status; 0 when no answer came. Of an error sent as a picture it is the status the picture claims.
	Status int
	// RetryAfter is how long the upstream asked to wait; 0 when it did not say. It is never above a day.
	RetryAfter time.Duration
	// RequestID is the upstream's own name for the exchange, for a question to its operators.
	RequestID string
	// Detail is for operators: at most 2 KB of what the upstream said, without keys, addresses and the user's text.
	Detail string
	// Err is the cause, for errors.Is.
	Err error
}

// Error names the upstream, the code, the status and the cause. It leaves out Detail, which is the upstream's wording.
func (f *Fault) Error() string {
	var text strings.Builder
	text.WriteString(f.Upstream)
	if f.Upstream != "" {
		text.WriteString(": ")
	}
	text.WriteString(f.Code)
	if f.Status != 0 {
		fmt.Fprintf(&text, " (status %d)", f.Status)
	}
	if f.Err != nil {
		text.WriteString(": " + f.Err.Error())
	}
	return text.String()
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// InvalidAnswer returns the fault of an answer that looked like a success and is none. The reason is told to operators
// as it stands, so it must not quote the answer or the request.
func InvalidAnswer(reason string) *Fault {
	return &Fault{Class: Retryable, Code: CodeInvalidAnswer, Err: answerError(reason)}
}

// UnusableAnswer is InvalidAnswer for an answer that would come again whenever the request is repeated.
func UnusableAnswer(reason string) *Fault {
	return &Fault{Class: Permanent, Code: CodeUnusable, Err: answerError(reason)}
}

// Unset returns the fault of a call to an upstream that nobody configured. The setting is the variable to set.
func Unset(name, setting string) *Fault {
	return &Fault{Upstream: name, Class: Misconfigured, Code: CodeMisconfigured, Err: settingError(setting)}
}

// answerError is a reason for which an answer was refused.
type answerError string

func (e answerError) Error() string { return string(e) }

// settingError names a setting that has no value.
type settingError string

func (e settingError) Error() string { return string(e) + " is not set" }
