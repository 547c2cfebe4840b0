package job

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// timeLayout is RFC 3339 in UTC with exactly three decimals, so that times sort as text.
const timeLayout = "2006-01-02T15:04:05.000Z"

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
	utc := t.UTC()
	b := append(make([]byte, 0, len(`""`)+len(timeLayout)), '"')
	// Package time formats and parses its own layout much faster than any other.
	b = utc.AppendFormat(b, time.RFC3339)
	// Four digits in place of the Z, the first of which becomes the point.
	point := len(b) - 1
	b = strconv.AppendInt(b[:point], int64(1000+utc.Nanosecond()/int(time.Millisecond)), 10)
	b[point] = '.'
	return append(b, 'Z', '"'), nil
}

// UnmarshalJSON decodes any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	// As MarshalJSON encodes it, and without the cost of a decoder.
	if n := len(b); n == len(`""`)+len(timeLayout) && b[0] == '"' && b[n-2] == 'Z' && b[n-1] == '"' {
		if parsed, err := time.Parse(time.RFC3339, string(b[1:n-1])); err == nil {
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
