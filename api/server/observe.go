package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// observe counts and logs a request. The line contains nothing from the query, the body or the caller.
func (m *middleware) observe(c *gin.Context) {
	began := time.Now()
	defer func() {
		if c.GetBool(outlivesKey) {
			return
		}
		duration, status := time.Since(began), c.Writer.Status()
		route := routeOf(c)
		m.metrics.ObserveHTTP(route, c.Request.Method, status, longRequestOf(c), duration)
		code := problem.CodeOf(c)
		var level slog.Level
		var leftOut int
		refused := code != "" && refusedSubmission(c)
		if refused && (status < http.StatusInternalServerError || code == problem.CodeSubmissionsStopped) {
			level, leftOut = m.refusals.level(route, code, began)
		} else {
			level, leftOut = m.requests.level(route, status, began)
		}
		if !m.log.Enabled(c.Request.Context(), level) {
			return
		}
		attrs := []slog.Attr{
			slog.String("method", methodOf(c, "other")), slog.String("route", route),
			slog.Int("status", status), slog.Int64("duration_ms", duration.Milliseconds()),
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

// outlivesKey is the context key of the mark of a request that outlives its handler.
const outlivesKey = "outlives"

// outlive marks a stream, which outlives its handler. The caller calls end at its end, which counts and logs it.
func (m *middleware) outlive(c *gin.Context) (end func()) {
	c.Set(outlivesKey, true)
	ctx, method, route, began := c.Request.Context(), c.Request.Method, routeOf(c), time.Now()
	return func() {
		took := time.Since(began)
		m.metrics.ObserveHTTP(route, method, http.StatusOK, telemetry.LongStream, took)
		m.log.LogAttrs(ctx, slog.LevelDebug, "request", slog.String("method", method), slog.String("route", route),
			slog.Int("status", http.StatusOK), slog.Int64("duration_ms", took.Milliseconds()))
	}
}

// longKey is the context key of the reason why a request waits on purpose.
const longKey = "long_request"

// markLongRequest marks a request that waits on purpose, so that its duration does not count as latency of the API.
func markLongRequest(c *gin.Context, reason telemetry.LongRequest) { c.Set(longKey, reason) }

// longRequestOf returns why a request waits on purpose, or "" for an ordinary one.
func longRequestOf(c *gin.Context) telemetry.LongRequest {
	reason, _ := c.Value(longKey).(telemetry.LongRequest)
	return reason
}

// refusalEvery is how often refusals of one kind are logged: while NATS is unavailable every request is refused.
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

// refusals counts the refusals of one kind since the last line.
type refusals struct {
	loggedAt time.Time
	leftOut  int
}

// level returns the level at which to log a request, and how many of its kind were not logged since the last line.
// Internal errors are always logged, other 5xx responses once per refusalEvery. The health report is logged where it is
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
	if now.Sub(r.loggedAt) < refusalEvery {
		r.leftOut++
		return slog.LevelDebug, 0
	}
	leftOut, r.leftOut, r.loggedAt = r.leftOut, 0, now
	return slog.LevelWarn, leftOut
}

// routeOf returns the route pattern of a request, never its path.
func routeOf(c *gin.Context) string {
	if path := c.FullPath(); path != "" {
		return path
	}
	return "unmatched"
}

// recoverPanic turns a panic into an internal error, or aborts a response that has already started.
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
