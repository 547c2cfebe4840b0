package google

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Kind is what a failure means to whoever wants to sign in.
type Kind string

// The kinds of failures.
const (
	// KindUnavailable is for a Google that cannot be reached, is out of order or asks to wait.
	KindUnavailable Kind = "unavailable"
	// KindCode is for a code that Google does not take: used, expired, or of somebody else.
	KindCode Kind = "code"
	// KindMisconfigured is for a client that Google does not know as it is set up here; its operator has to act.
	KindMisconfigured Kind = "misconfigured"
	// KindToken is for an id_token that is not good, or not for this client and this attempt.
	KindToken Kind = "token"
)

// Error is a failure of signing in with Google.
type Error struct {
	Kind Kind
	// Status is Google's, 0 when it gave none.
	Status int
	// Code and Description are Google's words, cut and cleaned.
	Code, Description string
	// Setting is the variable that a misconfiguration points at.
	Setting string
	// Reason says for the log what was wrong. It holds nothing of the token.
	Reason string
}

// Error says what was wrong without a word of Google's.
func (e *Error) Error() string { return "google: " + string(e.Kind) + ": " + e.Reason }

// setting is the variable that a refusal of Google's points at.
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

// cleaned cuts a word of Google's to what can be shown.
func cleaned(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	for len(text) > most {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
