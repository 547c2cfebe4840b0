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

// BackupConfig is the settings of the commands backup and restore.
type BackupConfig struct {
	Broker    broker.Config
	JWTSecret env.Secret `env:"JWT_SECRET" doc:"Key for tokens and cookies; only its fingerprint gets into a backup."`
}

// Validate reports all faults at once.
func (c *BackupConfig) Validate() error { return c.Broker.Validate() }

// fingerprint returns the fingerprint of JWT_SECRET or of the secret in DATA_DIR, or "" when there is none yet.
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

// backupCloseTimeout bounds the closing of the store after a backup or a restore; the embedded NATS flushes its data.
const backupCloseTimeout = time.Minute

// open opens the store without declaring anything in it.
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

// Backup writes a backup of the NATS of NATS_URL, which may be in use.
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

// Restore writes a verified backup into the empty store of DATA_DIR or NATS_URL. discard first removes what an interrupted
// restore has left there. sameSecret reports whether the store will be opened with the JWT_SECRET that the backup was made
// with, as far as both are known. It fails as backup.Restore does, and with broker.ErrInUse while an API runs on DATA_DIR.
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
