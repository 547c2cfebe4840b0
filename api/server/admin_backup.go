package server

import (
	"log/slog"
	"mime"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/broker/backup"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	backupType = "application/zstd"
	// retryBackup is when another backup may be done, in seconds.
	retryBackup = 60
)

// downloadBackup is GET /api/admin/backup: everything that is stored, as one file. One backup is made at a time. When it
// fails half-way the response is cut off: the file is then incomplete, which its checksum shows.
func (s *Server) downloadBackup(c *gin.Context) error {
	release, _, ok := s.backups.Reserve(1)
	if !ok {
		return &problem.Problem{Code: problem.CodeUnavailable, Reason: "backup", RetryAfter: retryBackup}
	}
	defer release()
	waitsLong(c, telemetry.LongBackup)
	// A stop does not wait for a backup.
	ctx, cancel := lifetime.UntilStop(c.Request.Context())
	defer cancel()
	name := "text2image-audio-" + s.deps.Now().UTC().Format("20060102T150405Z") + ".backup"
	c.Header("Content-Type", backupType)
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	m, err := backup.Create(ctx, s.deps.Broker, backup.Fingerprint(s.deps.Secret), c.Writer)
	if err == nil {
		s.audit(ctx, c, "back up", nil, slog.Int64("duration_ms", m.FinishedAt.Sub(m.StartedAt).Milliseconds()))
		return nil
	}
	s.audit(ctx, c, "back up", err)
	s.deps.Log.ErrorContext(ctx, "the backup failed", slog.Any("error", err))
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	c.Writer.Header().Del("Content-Disposition")
	return problem.Unavailable(err)
}
