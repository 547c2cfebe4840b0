package telemetry

import (
	"context"
	"log/slog"
)

// Audit returns a logger that writes to the same place as log, whatever LOG_LEVEL is: what an operator did must be found
// later, also where only errors are logged.
func Audit(log *slog.Logger) *slog.Logger { return slog.New(auditHandler{log.Handler()}) }

// auditHandler lets every level pass.
type auditHandler struct{ slog.Handler }

func (auditHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h auditHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return auditHandler{h.Handler.WithAttrs(attrs)}
}

func (h auditHandler) WithGroup(name string) slog.Handler {
	return auditHandler{h.Handler.WithGroup(name)}
}
