package telemetry

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// NewLogger returns a logger that writes one JSON object a line to w. Every line
// that is logged with a context carries the request_id, job_id, trace_id and span_id of
// the context, at the top level even below a group. Line breaks in a message or an attribute
// are escaped, so a stranger's text cannot forge a line.
//
// It fails with a fault of LOG_LEVEL when level is none of error, warn, info and
// debug.
func NewLogger(w io.Writer, level string) (*slog.Logger, error) {
	least, err := NewLevel(level)
	if err != nil {
		return nil, err
	}
	return NewLoggerAt(w, least), nil
}

// NewLoggerAt is NewLogger with a level that can be changed later.
func NewLoggerAt(w io.Writer, level slog.Leveler) *slog.Logger {
	json := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	return slog.New(&contextHandler{inner: json})
}

// parseLevel reads a level as operators write it.
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

// contextHandler adds the ids of the context to each record.
type contextHandler struct {
	inner slog.Handler
	// grouped repeats on a handler what was done since the first group was opened.
	// While it is nil the ids can simply join the record.
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
