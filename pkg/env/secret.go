package env

import (
	"fmt"
	"io"
	"log/slog"
)

// mask is printed instead of a secret.
const mask = "***"

// Secret is a setting that must not be shown. It prints as "***" with every verb of
// fmt, in slog and as JSON, and as "" if it is empty, so that a log record still
// distinguishes a set secret from a missing one.
//
// Only exported fields are protected: fmt does not call the methods of a value
// that it reaches through an unexported field.
type Secret string

// Reveal returns the value, for code that sends or compares it.
func (s Secret) Reveal() string { return string(s) }

// String returns the mask, or "" if the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// Format writes the mask for every verb. A Stringer is not enough: fmt prints the
// plain value for a verb that does not suit a string.
func (s Secret) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, s.String())
}

// LogValue returns the mask for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the mask for encoding/json and other encoders. It never fails.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
