package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxWait = 60 // seconds

// preferences are the supported preferences of RFC 7240.
type preferences struct {
	// wait is how long to wait for the job to end; 0 if not set.
	wait time.Duration
	// async requests a response before the job has ended.
	async bool
}

// applied returns the value of Preference-Applied for the wait.
func (p preferences) applied() string { return "wait=" + strconv.Itoa(int(p.wait.Seconds())) }

// prefer returns the preferences in the Prefer headers. As the standard requires, invalid and unknown preferences are ignored
// and the first of a repeated one counts. A wait without a number, or with one above maxWait, means maxWait.
func prefer(r *http.Request) preferences {
	var p preferences
	waitSeen := false
	for preference := range strings.SplitSeq(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			p.async = true
		case "wait":
			if !waitSeen {
				p.wait, waitSeen = waitOf(value), true
			}
		}
	}
	return p
}

func waitOf(value string) time.Duration {
	if value == "" {
		return maxWait * time.Second
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, maxWait)) * time.Second
}
