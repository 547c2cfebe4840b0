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
	// dailyWait and hourlyWait are used for limits without an end.
	dailyWait  = time.Hour
	hourlyWait = 10 * time.Minute
)

var waitPattern = regexp.MustCompile(`(?i)retry after (\d{1,9}(?:\.\d{1,9})?) ?s`)

// retryAfter returns the wait that the upstream asked for, from the header, else a number in the body, else the message.
//
// A daily or hourly limit has no end in the response. It is a throttle and not a misconfiguration, since it passes, but a
// retry after a minute is useless and counts against the account. Jobs wait until their deadlines, and one probe an hour
// finds out when the limit has passed.
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

// parseRetryAfter parses the Retry-After header, in seconds or as a date. A date is compared with the response's Date
// header if there is one, so that the local clock does not matter.
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

// seconds converts a number of seconds to a duration between 0 and maxRetryAfter; NaN becomes 0.
func seconds(n float64) time.Duration {
	switch {
	case n >= maxRetryAfter.Seconds():
		return maxRetryAfter
	case n > 0:
		return time.Duration(n * float64(time.Second))
	}
	return 0
}
