package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxWait = 60 // seconds

// preferences are those of RFC 7240 that are honoured.
type preferences struct {
	// wait is how long the caller would wait for the job to end; 0 when it did not say.
	wait time.Duration
	// async says that the caller wants to be answered before the job has ended.
	async bool
}

// applied is the value of Preference-Applied for the wait.
func (p preferences) applied() string { return "wait=" + strconv.Itoa(int(p.wait.Seconds())) }

// prefer reads the Prefer headers. What is malformed or unknown is passed over, as the standard says, and of a
// preference that is repeated the first counts. A wait without a number, or with a larger one, is for the longest time.
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
