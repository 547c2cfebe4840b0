package job_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestTimeForm(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 8*3600)
	for name, c := range map[string]struct {
		at   time.Time
		want string
	}{
		"truncated":    {time.Date(2026, 1, 2, 3, 4, 5, 6_999_999, time.UTC), "2026-01-02T03:04:05.006Z"},
		"three digits": {time.Date(2026, 1, 2, 3, 4, 5, 120_000_000, time.UTC), "2026-01-02T03:04:05.120Z"},
		"no fraction":  {time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05.000Z"},
		"another zone": {time.Date(2026, 1, 2, 3, 4, 5, 0, east), "2026-01-01T19:04:05.000Z"},
		"zero":         {time.Time{}, "0001-01-01T00:00:00.000Z"},
	} {
		at := job.At(c.at)
		if at.String() != c.want {
			t.Errorf("%s: %s, want %s", name, at, c.want)
		}
		b, err := json.Marshal(at)
		if err != nil || string(b) != `"`+c.want+`"` {
			t.Errorf("%s: marshaled to %s, %v", name, b, err)
		}
		var back job.Time
		if err := json.Unmarshal(b, &back); err != nil || !back.Equal(at.Time) {
			t.Errorf("%s: decoded as %s, %v", name, back, err)
		}
		if *job.AtPtr(c.at) != at {
			t.Errorf("%s: AtPtr differs from At", name)
		}
	}
}

func TestTimeDecoding(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"2026-01-02T03:04:05Z"`:               "2026-01-02T03:04:05.000Z",
		`"2026-01-02T03:04:05.123Z"`:           "2026-01-02T03:04:05.123Z",
		`"2026-01-02T03:04:05.123456789Z"`:     "2026-01-02T03:04:05.123Z",
		`"2026-01-02T03:04:05.5+08:00"`:        "2026-01-01T19:04:05.500Z",
		`"2026-01-02T03:04:05.0000001-01:30"`:  "2026-01-02T04:34:05.000Z",
		`"2026-01-02 03:04:05"`:                "",
		`"2026-13-02T03:04:05Z"`:               "",
		`"2026-13-02T03:04:05.000Z"`:           "",
		`""`:                                   "",
		`1767323045`:                           "",
		`{}`:                                   "",
		`"2026-01-02T03:04:05.000Z and later"`: "",
	} {
		var got job.Time
		err := json.Unmarshal([]byte(in), &got)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s was decoded as %s", in, got)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("%s was decoded as %s, %v; want %s", in, got, err, want)
		}
	}
}
