package job

import (
	"encoding/json"
	"fmt"
	"time"
)

// timeLayout is RFC 3339 in UTC with exactly three decimals, so that times sort as text.
const timeLayout = "2006-01-02T15:04:05.000Z"

// quotedLayout is timeLayout as a JSON string.
const quotedLayout = `"` + timeLayout + `"`

// Time is a time in UTC with millisecond precision, the precision of all stored and returned times.
type Time struct{ time.Time }

// At returns t as a Time, truncated to the millisecond.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// AtPtr is At for an optional field.
func AtPtr(t time.Time) *Time { return new(At(t)) }

// String returns the RFC 3339 form with milliseconds.
func (t Time) String() string { return t.UTC().Format(timeLayout) }

// MarshalJSON returns the RFC 3339 form with milliseconds.
func (t Time) MarshalJSON() ([]byte, error) {
	// AppendFormat first appends all nine decimals.
	const nanoseconds = len("000000")
	return t.UTC().AppendFormat(make([]byte, 0, len(quotedLayout)+nanoseconds), quotedLayout), nil
}

// UnmarshalJSON decodes any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	// As MarshalJSON encodes it, and without the cost of a decoder.
	if len(b) == len(quotedLayout) && b[0] == '"' {
		if parsed, err := time.Parse(timeLayout, string(b[1:len(b)-1])); err == nil {
			t.Time = parsed
			return nil
		}
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("decode time: %w", err)
	}
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return fmt.Errorf("decode time: %w", err)
	}
	*t = At(parsed)
	return nil
}
