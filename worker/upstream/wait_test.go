package upstream_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

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
		{"-3", "", 0},
		{"86400", "", time.Hour},
		{"99999999999999999999", "", time.Hour},
		{"1e300", "", time.Hour},
		{"NaN", "", 0},
		{"Inf", "", time.Hour},
		{"soon", "", 0},
		{"Sun, 22 Nov 2026 10:00:30 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 30 * time.Second},
		{"Sun, 22 Nov 2026 09:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 0},
		{"Sun, 22 Nov 2099 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", time.Hour},
		{"Sun, 22 Nov 1999 10:00:00 GMT", "", 0},
		{"Fri, 22 Nov 2999 10:00:00 GMT", "no date", time.Hour},
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
		if got < 0 || got > time.Hour {
			t.Errorf("%v is out of bounds", got)
		}
	})
}
