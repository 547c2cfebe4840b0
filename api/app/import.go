package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/migrate"
)

// Importer imports exports of the Cloudflare system into the store: the one in DATA_DIR, which no API may use meanwhile, or
// the one at NATS_URL.
type Importer struct {
	cfg      Config
	broker   *broker.Broker
	accounts *account.Accounts
}

// NewImporter opens the store. The caller must close the Importer.
func NewImporter(ctx context.Context, cfg Config, log *slog.Logger) (*Importer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b, err := broker.Open(ctx, cfg.Broker, log)
	if err != nil {
		return nil, err
	}
	i := &Importer{cfg: cfg, broker: b}
	secret, err := cfg.secret()
	if err == nil {
		i.accounts, err = account.New(ctx, b, cfg.Account, secret)
	}
	if err != nil {
		return nil, errors.Join(err, i.Close(ctx))
	}
	return i, nil
}

// Close closes the store.
func (i *Importer) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.cfg.StopTimeout)
	defer cancel()
	return i.broker.Close(ctx)
}

// Users imports an export of accounts. The result is nil if the export could not be read.
func (i *Importer) Users(ctx context.Context, export io.Reader) (*migrate.Result, error) {
	return migrate.Accounts(ctx, i.accounts, export, time.Now())
}

// Images imports an export of saved images. Images of unknown accounts are skipped.
func (i *Importer) Images(ctx context.Context, export io.Reader) (*migrate.Result, error) {
	owners, err := migrate.Owners(ctx, i.accounts)
	if err != nil {
		return nil, err
	}
	images, err := gallery.New(ctx, i.broker)
	if err != nil {
		return nil, err
	}
	return migrate.Images(ctx, images, export, owners, time.Now)
}

// Feedback imports an export of feedback. Feedback of unknown accounts is skipped.
func (i *Importer) Feedback(ctx context.Context, export io.Reader) (*migrate.Result, error) {
	owners, err := migrate.Owners(ctx, i.accounts)
	if err != nil {
		return nil, err
	}
	box, err := feedback.New(ctx, i.broker)
	if err != nil {
		return nil, err
	}
	return migrate.Feedback(ctx, box, export, owners)
}
