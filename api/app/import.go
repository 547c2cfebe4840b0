package app

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
)

// Importer reads exports of the system before this one into the store: the embedded one, while no API runs on it, or that
// of NATS_URL.
type Importer struct {
	cfg      Config
	broker   *broker.Broker
	accounts *account.Accounts
}

// NewImporter opens the store. It has to be closed.
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

// Users reads an export of accounts.
func (i *Importer) Users(ctx context.Context, export io.Reader) (*account.Import, error) {
	return i.accounts.Import(ctx, export)
}

// Images reads an export of saved pictures. It takes those of accounts which are here.
func (i *Importer) Images(ctx context.Context, export io.Reader) (*gallery.Import, error) {
	owners, err := i.accounts.Owners(ctx)
	if err != nil {
		return nil, err
	}
	pictures, err := gallery.New(ctx, i.broker)
	if err != nil {
		return nil, err
	}
	return pictures.Import(ctx, export, owners)
}

// Feedback reads an export of feedback. It takes that of accounts which are here.
func (i *Importer) Feedback(ctx context.Context, export io.Reader) (*feedback.Import, error) {
	owners, err := i.accounts.Owners(ctx)
	if err != nil {
		return nil, err
	}
	box, err := feedback.New(ctx, i.broker)
	if err != nil {
		return nil, err
	}
	return box.Import(ctx, export, owners)
}
