package upstream

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// maxRetryAfter bounds RetryAfter, so that a mistaken or malicious response cannot block an upstream for years.
	maxRetryAfter = 24 * time.Hour
	// dailyWait and hourlyWait are used for limits that do not say when they end.
	dailyWait  = time.Hour
	hourlyWait = 10 * time.Minute
)

var waitPattern = regexp.MustCompile(`(?i)retry after (\d{1,9}(?:\.\d{1,9})?) ?s`)

// retryAfter returns how long the upstream asked to wait: by header, else by a number in the body, else by the message.
//
// A daily or hourly limit names no end. It ends by itself, so it is a throttle and not a misconfiguration; but asking
// again in a minute is useless and counts against the account, so a longer wait stands in. Jobs wait as long as their
// deadlines allow, and one probe an hour notices the new day.
func (e *envelope) retryAfter(header http.Header) time.Duration {
	if d := parseRetryAfter(header); d > 0 {
		return d
	}
	if e.after > 0 {
		return seconds(e.after)
	}
	if found := waitPattern.FindStringSubmatch(e.message); found != nil {
		n, err := strconv.ParseFloat(found[1], 64)
		if err == nil {
			return seconds(n)
		}
	}
	switch {
	case e.contains("rpd limit", "tpd limit", "ipd limit"):
		return dailyWait
	case e.contains("rph limit", "tph limit", "iph limit"):
		return hourlyWait
	}
	return 0
}

// parseRetryAfter parses the Retry-After header, in seconds or as a date. A date is relative to the response's Date
// header if there is one, so that our clock does not matter.
func parseRetryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if n, err := strconv.ParseFloat(value, 64); err == nil {
		return seconds(n)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// seconds converts a number of seconds to a wait between 0 and maxRetryAfter; NaN becomes 0.
func seconds(n float64) time.Duration {
	switch {
	case n >= maxRetryAfter.Seconds():
		return maxRetryAfter
	case n > 0:
		return time.Duration(n * float64(time.Second))
	}
	return 0
}
