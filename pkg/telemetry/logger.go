package telemetry

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// NewLogger returns a logger that writes one JSON object per line to w. A record
// logged with a context carries its request_id, job_id, trace_id and span_id, at the
// top level even inside a group. Line breaks in messages and attributes are escaped,
// so that no input can forge a record.
//
// It fails, naming LOG_LEVEL, unless level is error, warn, info or debug.
func NewLogger(w io.Writer, level string) (*slog.Logger, error) {
	l, err := NewLevel(level)
	if err != nil {
		return nil, err
	}
	return NewLoggerAt(w, l), nil
}

// NewLoggerAt is like NewLogger with a level that may change.
func NewLoggerAt(w io.Writer, level slog.Leveler) *slog.Logger {
	json := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	return slog.New(&contextHandler{inner: json})
}

// parseLevel parses a level, ignoring case.
func parseLevel(level string) (slog.Level, error) {
	switch strings.ToLower(level) {
	case "error":
		return slog.LevelError, nil
	case "warn":
		return slog.LevelWarn, nil
	case "info":
		return slog.LevelInfo, nil
	case "debug":
		return slog.LevelDebug, nil
	}
	return 0, &env.Fault{Name: "LOG_LEVEL", Expected: "error, warn, info or debug"}
}

// contextHandler adds the ids in the context to each record.
type contextHandler struct {
	inner slog.Handler
	// grouped applies to a handler all WithGroup and WithAttrs calls since the first
	// WithGroup. While it is nil the ids can be added to the record itself.
	grouped func(slog.Handler) slog.Handler
}

func (h *contextHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

func (h *contextHandler) Handle(ctx context.Context, record slog.Record) error {
	attrs := contextAttrs(ctx)
	if h.grouped != nil {
		return h.grouped(h.inner.WithAttrs(attrs)).Handle(ctx, record)
	}
	if len(attrs) > 0 {
		record = record.Clone()
		record.AddAttrs(attrs...)
	}
	return h.inner.Handle(ctx, record)
}

func (h *contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if h.grouped == nil {
		return &contextHandler{inner: h.inner.WithAttrs(attrs)}
	}
	return &contextHandler{inner: h.inner, grouped: func(base slog.Handler) slog.Handler {
		return h.grouped(base).WithAttrs(attrs)
	}}
}

func (h *contextHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &contextHandler{inner: h.inner, grouped: func(base slog.Handler) slog.Handler {
		if h.grouped != nil {
			base = h.grouped(base)
		}
		return base.WithGroup(name)
	}}
}
