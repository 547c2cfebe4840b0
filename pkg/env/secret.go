package env

import (
	"fmt"
	"io"
	"log/slog"
)

// mask stands for a secret wherever one would be printed.
const mask = "***"

// Secret is a setting that must not be shown. It prints as "***" through every
// verb of fmt, through slog and as JSON, and as nothing when it is empty, so a
// log line still distinguishes a set secret from a missing one.
//
// Only exported fields are protected: fmt does not call the methods of a value
// that it reaches through an unexported field.
type Secret string

// Reveal returns the value itself, for the one place that has to send or
// compare it.
func (s Secret) Reveal() string { return string(s) }

// String returns the mask, or nothing when the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// Format writes the mask for every verb. A Stringer alone would not do: fmt
// prints the bare value behind a verb that does not fit a string.
func (s Secret) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, s.String())
}

// LogValue gives slog the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText gives encoding/json, and every other encoder of text, the mask.
// It never fails.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
