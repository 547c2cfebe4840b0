package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

// observe counts a request and logs one line about it: nothing of the query, the body or the caller.
func (s *Server) observe(c *gin.Context) {
	began := time.Now()
	defer func() {
		took, status := time.Since(began), c.Writer.Status()
		route := routeOf(c)
		s.deps.Metrics.ObserveHTTP(route, c.Request.Method, status, took)
		level := slog.LevelDebug
		switch {
		case status == http.StatusInternalServerError:
			level = slog.LevelError
		case status > http.StatusInternalServerError:
			level = slog.LevelWarn
		}
		attrs := []slog.Attr{
			slog.String("method", methodOf(c)), slog.String("route", route),
			slog.Int("status", status), slog.Int64("duration_ms", took.Milliseconds()),
		}
		if len(c.Errors) > 0 {
			attrs = append(attrs, slog.String("error", c.Errors.Last().Err.Error()))
		}
		s.deps.Log.LogAttrs(c.Request.Context(), level, "request", attrs...)
	}()
	c.Next()
}

// routeOf returns the pattern that matched, never the path.
func routeOf(c *gin.Context) string {
	if path := c.FullPath(); path != "" {
		return path
	}
	return "unmatched"
}

func methodOf(c *gin.Context) string {
	if knownMethod(c.Request.Method) {
		return c.Request.Method
	}
	return "other"
}

// recoverPanic turns a panic into an internal error, or into a cut answer when half of it is out.
func (s *Server) recoverPanic(c *gin.Context) {
	defer func() {
		caught := recover()
		if caught == nil {
			return
		}
		if err, ok := caught.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(caught)
		}
		s.deps.Metrics.Panics.WithLabelValues("http").Inc()
		s.deps.Log.ErrorContext(c.Request.Context(), "panic in a handler",
			slog.String("panic", fmt.Sprint(caught)), slog.String("stack", string(debug.Stack())))
		s.fail(c, &problem{code: codeInternal})
	}()
	c.Next()
}
