package server

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// refusalsPerSort and refusalsInAll bound the lines about refused submissions of one route and code, and of all of them,
	// within refusalEvery: some 20 MB a day at the most, whoever floods the API.
	refusalsPerSort = 10
	refusalsInAll   = 60
)

// refusalLog says which refused submissions are worth a line at info: the first few of each sort and minute. The next one
// that is logged says how many were left out.
type refusalLog struct {
	mu    sync.Mutex
	began time.Time
	// inAll counts the lines of the minute.
	inAll int
	sorts map[refusalSort]*refusalCount
}

// refusalSort is a sort of refusal. Both halves are of a known few.
type refusalSort struct{ route, code string }

// refusalCount is what became of the refusals of one sort.
type refusalCount struct{ lines, leftOut int }

func newRefusalLog() *refusalLog { return &refusalLog{sorts: make(map[refusalSort]*refusalCount)} }

// level returns the level of a refusal's line, and how many of its sort had none since the last.
func (l *refusalLog) level(route, code string, now time.Time) (level slog.Level, leftOut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.began) >= refusalEvery {
		l.began, l.inAll = now, 0
		for _, r := range l.sorts {
			r.lines = 0
		}
	}
	sort := refusalSort{route, code}
	r := l.sorts[sort]
	if r == nil {
		r = &refusalCount{}
		l.sorts[sort] = r
	}
	if r.lines >= refusalsPerSort || l.inAll >= refusalsInAll {
		r.leftOut++
		return slog.LevelDebug, 0
	}
	r.lines++
	l.inAll++
	leftOut, r.leftOut = r.leftOut, 0
	return slog.LevelInfo, leftOut
}

// refusedSubmission reports whether a request that was answered with an error was to make a job and made none.
func refusedSubmission(c *gin.Context) bool {
	if c.Request.Method != http.MethodPost || c.Writer.Header().Get("Location") != "" {
		return false
	}
	switch c.FullPath() {
	case "/api/jobs", "/api/jobs/:id/retry", "/api/generate", "/api/pollinations/image", "/api/prompts/optimize", "/api/optimize", "/api/translate":
		return true
	}
	return false
}
