package google

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Kind classifies failures by their meaning for the user.
type Kind string

// The kinds of failures.
const (
	// KindUnavailable means that Google cannot be reached, fails or throttles.
	KindUnavailable Kind = "unavailable"
	// KindCode means that Google rejects the code: it was used, has expired or belongs to another attempt.
	KindCode Kind = "code"
	// KindMisconfigured means that Google rejects the client; the operator has to fix the configuration.
	KindMisconfigured Kind = "misconfigured"
	// KindToken means that the ID token is invalid or not for this client and attempt.
	KindToken Kind = "token"
)

// Error is a failure of sign-in with Google.
type Error struct {
	Kind Kind
	// Status is the HTTP status of Google's response, 0 when there was none.
	Status int
	// Code and Description are from Google's response, shortened and without control characters.
	Code, Description string
	// Setting is the environment variable that is probably wrong.
	Setting string
	// Reason is for the log. It does not quote the token.
	Reason string
}

// Error does not quote Google's response.
func (e *Error) Error() string { return "google: " + string(e.Kind) + ": " + e.Reason }

// setting returns the environment variable that Google's error points at.
func setting(code, description string) string {
	switch {
	case code == "redirect_uri_mismatch":
		return "GOOGLE_REDIRECT_URI"
	case code == "invalid_client" && !strings.Contains(description, "not found"):
		return "GOOGLE_CLIENT_SECRET"
	}
	return "GOOGLE_CLIENT_ID"
}

func unavailable(status int, reason string) *Error {
	return &Error{Kind: KindUnavailable, Status: status, Reason: reason}
}

func badToken(reason string) *Error { return &Error{Kind: KindToken, Reason: reason} }

// asError returns err if it is an *Error, and else one of KindUnavailable with a reason.
func asError(err error, reason string) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return unavailable(0, reason)
}

const (
	maxCode        = 64
	maxDescription = 200
)

// clean removes control characters from a text and shortens it to limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	for len(text) > limit {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
