package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// observe counts and logs a request. The line holds nothing of the query, the body or the caller.
func (m *middleware) observe(c *gin.Context) {
	began := time.Now()
	defer func() {
		took, status := time.Since(began), c.Writer.Status()
		route := routeOf(c)
		m.metrics.ObserveHTTP(route, c.Request.Method, status, longRequest(c), took)
		code := problem.CodeOf(c)
		var level slog.Level
		var leftOut int
		refused := code != "" && refusedSubmission(c)
		if refused && (status < http.StatusInternalServerError || code == problem.CodeSubmissionsStopped) {
			level, leftOut = m.refusals.level(route, code, began)
		} else {
			level, leftOut = m.requests.level(route, status, began)
		}
		attrs := []slog.Attr{
			slog.String("method", methodOf(c)), slog.String("route", route),
			slog.Int("status", status), slog.Int64("duration_ms", took.Milliseconds()),
		}
		if code != "" {
			attrs = append(attrs, slog.String("code", code))
		}
		if len(c.Errors) > 0 {
			attrs = append(attrs, slog.String("error", c.Errors.Last().Err.Error()))
		}
		if leftOut > 0 {
			attrs = append(attrs, slog.Int("left_out", leftOut))
		}
		if refused {
			m.log.LogAttrs(c.Request.Context(), level, "submission refused", attrs...)
			return
		}
		m.log.LogAttrs(c.Request.Context(), level, "request", attrs...)
	}()
	c.Next()
}

// longKey is where a request's context holds why the request waits on purpose.
const longKey = "long_request"

// waitsLong marks a request that waits on purpose from now on, so that its duration does not count as latency of the
// API.
func waitsLong(c *gin.Context, why telemetry.LongRequest) { c.Set(longKey, why) }

// longRequest returns why a request waits on purpose, or "" for an ordinary one.
func longRequest(c *gin.Context) telemetry.LongRequest {
	why, _ := c.Value(longKey).(telemetry.LongRequest)
	return why
}

// refusalEvery is how often a refusal of one kind is logged: while NATS is unavailable every request causes one.
const refusalEvery = time.Minute

// requestLog decides the level at which a request is logged.
type requestLog struct {
	mu      sync.Mutex
	refused map[refusalKey]*refusals
}

// refusalKey is a kind of refusal. There are few values of each field.
type refusalKey struct {
	route  string
	status int
}

// refusals counts those of one kind since the last line.
type refusals struct {
	said    time.Time
	leftOut int
}

// level returns the level of a request's line, and how many of its kind were not logged since the last. Internal errors
// always are; that something is unavailable or full is logged now and then. The health report is logged where it is
// computed.
func (l *requestLog) level(route string, status int, now time.Time) (level slog.Level, leftOut int) {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError, 0
	case status < http.StatusInternalServerError, route == healthRoute:
		return slog.LevelDebug, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := refusalKey{route, status}
	r := l.refused[key]
	if r == nil {
		r = &refusals{}
		l.refused[key] = r
	}
	if now.Sub(r.said) < refusalEvery {
		r.leftOut++
		return slog.LevelDebug, 0
	}
	leftOut, r.leftOut, r.said = r.leftOut, 0, now
	return slog.LevelWarn, leftOut
}

// routeOf returns the pattern that matched, never the path.
func routeOf(c *gin.Context) string {
	if path := c.FullPath(); path != "" {
		return path
	}
	return "unmatched"
}

func methodOf(c *gin.Context) string {
	if slices.Contains(methods, c.Request.Method) {
		return c.Request.Method
	}
	return "other"
}

// recoverPanic turns a panic into an internal error, or cuts the response off if it is already under way.
func (m *middleware) recoverPanic(c *gin.Context) {
	defer func() {
		caught := recover()
		if caught == nil {
			return
		}
		if err, ok := caught.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(caught)
		}
		m.metrics.Panics.WithLabelValues("http").Inc()
		m.log.ErrorContext(c.Request.Context(), "panic in a handler",
			slog.String("panic", fmt.Sprint(caught)), slog.String("stack", string(debug.Stack())))
		m.problems.Write(c, problem.New(problem.CodeInternal))
	}()
	c.Next()
}
