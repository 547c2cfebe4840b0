package telemetry

import (
	"context"
	"log/slog"
)

// Audit returns a logger that writes where log writes but ignores LOG_LEVEL: an operator's actions are logged even where
// only errors are.
func Audit(log *slog.Logger) *slog.Logger { return slog.New(auditHandler{log.Handler()}) }

// auditHandler enables every level.
type auditHandler struct{ slog.Handler }

func (auditHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h auditHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return auditHandler{h.Handler.WithAttrs(attrs)}
}

func (h auditHandler) WithGroup(name string) slog.Handler {
	return auditHandler{h.Handler.WithGroup(name)}
}
