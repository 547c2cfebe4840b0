package upstream_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// day is the longest accepted Retry-After.
const day = 24 * time.Hour

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	rows := []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"1", "", time.Second},
		{" 45 ", "", 45 * time.Second},
		{"12.5", "", 12500 * time.Millisecond},
		{"0.5", "", 500 * time.Millisecond},
		{".25", "", 250 * time.Millisecond},
		{"1,5", "", 0},
		{"1, 5", "", 0},
		{"-3", "", 0},
		{"-0.5", "", 0},
		{"-1e300", "", 0},
		{"7200", "", 2 * time.Hour},
		{"86400", "", day},
		{"86401", "", day},
		{"315360000", "", day},
		{"99999999999999999999", "", day},
		{"1e300", "", day},
		{"NaN", "", 0},
		{"Inf", "", day},
		{"soon", "", 0},
		{"Sun, 22 Nov 2026 10:00:30 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 30 * time.Second},
		{"Sun, 22 Nov 2026 09:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 0},
		{"Sun, 22 Nov 2026 13:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 3 * time.Hour},
		{"Sunday, 22-Nov-26 10:00:30 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 30 * time.Second},
		{"Sun Nov 22 10:00:30 2026", "Sun, 22 Nov 2026 10:00:00 GMT", 30 * time.Second},
		{"2026-11-22T10:00:30Z", "Sun, 22 Nov 2026 10:00:00 GMT", 0},
		{"Wed, 22 Nov 2036 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", day},
		{"Sun, 22 Nov 2099 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", day},
		{"Sun, 22 Nov 1999 10:00:00 GMT", "", 0},
		{"Fri, 22 Nov 2999 10:00:00 GMT", "no date", day},
	}
	for _, r := range rows {
		header := http.Header{"Retry-After": {r.value}, "Date": {r.date}}
		if got := upstream.ParseRetryAfter(header); got != r.want {
			t.Errorf("Retry-After %q at %q: %v, want %v", r.value, r.date, got, r.want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	f.Add("12", "Sun, 22 Nov 2026 10:00:00 GMT")
	f.Add("Sun, 22 Nov 2026 10:00:30 GMT", "")
	f.Fuzz(func(t *testing.T, value, date string) {
		got := upstream.ParseRetryAfter(http.Header{"Retry-After": {value}, "Date": {date}})
		if got < 0 || got > day {
			t.Errorf("%v is out of bounds", got)
		}
	})
}
