package server

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// refusalsPerKind and refusalsTotal bound the lines about refused submissions of one route and code, and of all
	// together, within refusalEvery: about 20 MB a day at most, even if the API is flooded.
	refusalsPerKind = 10
	refusalsTotal   = 60
)

// refusalLog decides which refused submissions are logged at info: the first few of each kind per minute. The next line
// has the number that was left out.
type refusalLog struct {
	mu    sync.Mutex
	began time.Time
	// total counts the lines of the minute.
	total  int
	counts map[refusalKind]*refusalCount
}

// refusalKind is a kind of refusal. There are few values of each field.
type refusalKind struct{ route, code string }

// refusalCount counts the refusals of one kind.
type refusalCount struct{ lines, leftOut int }

func newRefusalLog() *refusalLog { return &refusalLog{counts: make(map[refusalKind]*refusalCount)} }

// level returns the level at which to log a refusal, and how many of its kind were not logged since the last line.
func (l *refusalLog) level(route, code string, now time.Time) (level slog.Level, leftOut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.began) >= refusalEvery {
		l.began, l.total = now, 0
		for _, r := range l.counts {
			r.lines = 0
		}
	}
	kind := refusalKind{route, code}
	r := l.counts[kind]
	if r == nil {
		r = &refusalCount{}
		l.counts[kind] = r
	}
	if r.lines >= refusalsPerKind || l.total >= refusalsTotal {
		r.leftOut++
		return slog.LevelDebug, 0
	}
	r.lines++
	l.total++
	leftOut, r.leftOut = r.leftOut, 0
	return slog.LevelInfo, leftOut
}

// refusedSubmission reports whether a failed request was a submission that created no job.
func refusedSubmission(c *gin.Context) bool {
	if c.Request.Method != http.MethodPost || c.Writer.Header().Get("Location") != "" {
		return false
	}
	switch c.FullPath() {
	case "/api/jobs", "/api/jobs/:id/retry", "/api/generate", "/api/pollinations/image", "/api/prompts/optimize", "/api/optimize", "/api/translate",
		"/v1/images/generations", "/v1/audio/speech":
		return true
	}
	return false
}
