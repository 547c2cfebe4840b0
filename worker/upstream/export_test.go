package upstream

import (
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// Classify lets tests hold the table against documented answers.
func Classify(status int, header http.Header, body []byte) *fault.Error {
	return classify(status, header, body)
}

// ParseRetryAfter lets tests hold the header's reader against every form.
func ParseRetryAfter(header http.Header) time.Duration { return parseRetryAfter(header) }

// Clean lets tests see what is taken out of an upstream's words.
func Clean(s, key string, private ...string) string {
	return (&redactor{key: key, private: private}).clean(s)
}

// ErrSilent is the cause of a response that made no progress.
var ErrSilent = errIdle
