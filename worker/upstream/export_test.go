package upstream

import (
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// Classify returns the error of a response.
func Classify(status int, header http.Header, body []byte) *fault.Error {
	return classify(status, header, body)
}

// ParseRetryAfter parses the Retry-After header.
func ParseRetryAfter(header http.Header) time.Duration { return parseRetryAfter(header) }

// Clean redacts an upstream's message.
func Clean(s, key string, private ...string) string {
	return (&redactor{key: key, private: private}).clean(s)
}

// ErrIdle is the cause of a response that made no progress.
var ErrIdle = errIdle
