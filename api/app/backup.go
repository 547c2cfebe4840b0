package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/backup"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// BackupConfig has the settings of the commands backup and restore.
type BackupConfig struct {
	Broker    broker.Config
	JWTSecret env.Secret `env:"JWT_SECRET" doc:"Key for tokens and cookies; only its fingerprint gets into a backup."`
}

// Validate returns all invalid settings as one error.
func (c *BackupConfig) Validate() error { return c.Broker.Validate() }

// fingerprint returns the fingerprint of JWT_SECRET or of the secret in DATA_DIR, or "" if there is none yet.
func (c *BackupConfig) fingerprint() (string, error) {
	if c.JWTSecret != "" {
		return backup.Fingerprint([]byte(c.JWTSecret.Reveal())), nil
	}
	if !c.Broker.Embedded() {
		return "", nil
	}
	kept, err := os.ReadFile(filepath.Join(c.Broker.DataDir, secretFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return backup.Fingerprint([]byte(strings.TrimSpace(string(kept)))), nil
}

// backupCloseTimeout bounds the closing of the store after a backup or a restore. The embedded NATS flushes its data then.
const backupCloseTimeout = time.Minute

// open opens the store without declaring streams and buckets.
func (c *BackupConfig) open(ctx context.Context, log *slog.Logger) (b *broker.Broker, closeStore func() error, err error) {
	b, err = broker.OpenUndeclared(ctx, c.Broker, log)
	if err != nil {
		return nil, nil, err
	}
	return b, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backupCloseTimeout)
		defer cancel()
		return b.Close(ctx)
	}, nil
}

// Backup writes a backup of the NATS at NATS_URL, which may be in use.
func Backup(ctx context.Context, cfg BackupConfig, log *slog.Logger, w io.Writer) (m *backup.Manifest, err error) {
	secret, err := cfg.fingerprint()
	if err != nil {
		return nil, err
	}
	b, closeStore, err := cfg.open(ctx, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	return backup.Create(ctx, b, secret, w)
}

// Restore writes a verified backup into the empty store in DATA_DIR or at NATS_URL. If discard is set, it first removes the
// data of an interrupted restore. sameSecret is false if the backup was made with a known JWT_SECRET that differs from the
// current one. Restore fails like backup.Restore, and with broker.ErrInUse while an API runs on DATA_DIR.
func Restore(ctx context.Context, cfg BackupConfig, log *slog.Logger, m *backup.Manifest, file io.Reader, discard bool) (sameSecret bool, err error) {
	secret, err := cfg.fingerprint()
	if err != nil {
		return false, err
	}
	b, closeStore, err := cfg.open(ctx, log)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	if discard {
		if err := backup.Discard(ctx, b); err != nil {
			return false, err
		}
	}
	return m.Secret == "" || m.Secret == secret, backup.Restore(ctx, b, m, file)
}
