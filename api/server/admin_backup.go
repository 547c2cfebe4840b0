package server

import (
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/backup"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	backupType = "application/zstd"
	// retryBackup is when another backup may have finished, in seconds.
	retryBackup = 60
)

// backupHandler serves backups.
type backupHandler struct {
	*operator
	broker *broker.Broker
	secret []byte
	now    func() time.Time
	log    *slog.Logger
	// running counts the backups in progress.
	running ratelimit.Concurrency
}

// downloadBackup is GET /api/admin/backup. It sends all stored data as one file. One backup runs at a time. If it fails after
// it has started, the response is aborted; the missing checksum shows that the file is incomplete.
func (h *backupHandler) downloadBackup(c *gin.Context) error {
	release, _, ok := h.running.Reserve(1)
	if !ok {
		return &problem.Problem{Code: problem.CodeUnavailable, Reason: "backup", RetryAfter: retryBackup}
	}
	defer release()
	markLongRequest(c, telemetry.LongBackup)
	// A stop does not wait for a backup.
	ctx, cancel := lifetime.UntilStop(c.Request.Context())
	defer cancel()
	name := "text2image-audio-" + h.now().UTC().Format("20060102T150405Z") + ".backup"
	c.Header("Content-Type", backupType)
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	m, err := backup.Create(ctx, h.broker, backup.Fingerprint(h.secret), c.Writer)
	if err == nil {
		h.audit(ctx, c, "back up", nil, slog.Int64("duration_ms", m.FinishedAt.Sub(m.StartedAt).Milliseconds()))
		return nil
	}
	h.audit(ctx, c, "back up", err)
	h.log.ErrorContext(ctx, "the backup failed", slog.Any("error", err))
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	c.Writer.Header().Del("Content-Disposition")
	return problem.Unavailable(err)
}
