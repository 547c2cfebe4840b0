package google

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Kind is what a failure means to the person who signs in.
type Kind string

// The kinds of failures.
const (
	// KindUnavailable is for a Google that cannot be reached, fails or asks to wait.
	KindUnavailable Kind = "unavailable"
	// KindCode is for a code that Google rejects: used, expired, or somebody else's.
	KindCode Kind = "code"
	// KindMisconfigured is for a client that Google does not know as it is configured here; the operator has to act.
	KindMisconfigured Kind = "misconfigured"
	// KindToken is for an ID token that is invalid, or not for this client and this attempt.
	KindToken Kind = "token"
)

// Error is a failure of sign-in with Google.
type Error struct {
	Kind Kind
	// Status is that of Google's response, 0 when there was none.
	Status int
	// Code and Description are from Google's response, shortened and without control characters.
	Code, Description string
	// Setting is the variable that a misconfiguration points at.
	Setting string
	// Reason is for the log. It contains nothing of the token.
	Reason string
}

// Error contains nothing of Google's response.
func (e *Error) Error() string { return "google: " + string(e.Kind) + ": " + e.Reason }

// setting returns the variable that a refusal by Google points at.
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

// asError returns err as an *Error, or one of KindUnavailable.
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

// clean shortens a text and removes control characters.
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
