package account

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Import stores an account of another system, with the ID and the password hash that it has there, and lets the Google
// account that its record names open it. It reports false and changes nothing when the account is already present. It fails
// with ErrTaken when another account has its address, and with ErrFull. It costs one acknowledged publish, and three
// requests more for an account that is linked to a Google account.
func (a *Accounts) Import(ctx context.Context, u *User) (created bool, err error) {
	stored := u
	err = a.create(ctx, u)
	created = err == nil
	if errors.Is(err, ErrTaken) {
		if stored, _, err = a.read(ctx, keyOf(u.Email)); err == nil && stored.ID != u.ID {
			err = ErrTaken
		}
	}
	if err != nil {
		return false, err
	}
	// For an account that is already present as well: an import may have died before the link was stored.
	return created, a.importGoogleLink(ctx, stored, created)
}

// importGoogleLink links an imported account to the Google account that its record names. Where two records name the same
// one, which the system before allowed, it opens the account that was used last.
func (a *Accounts) importGoogleLink(ctx context.Context, u *User, created bool) error {
	subject := u.googleID()
	if subject == "" {
		return nil
	}
	holder, revision, err := a.byGoogle(ctx, subject)
	if err != nil {
		return err
	}
	if holder != nil && (!created || holder.LastLoginAt != nil && (u.LastLoginAt == nil || !u.LastLoginAt.After(holder.LastLoginAt.Time))) {
		return nil
	}
	if _, err := a.storeGoogleLink(ctx, subject, u, revision); !errors.Is(err, kv.ErrConflict) {
		return err
	}
	return nil // The owner has just signed in.
}

// ImportPassword gives a stored account the password hash of another copy of its record if that was set later.
func (a *Accounts) ImportPassword(ctx context.Context, from *User) error {
	setLater := func(u *User) bool {
		return from.Verifiable() && from.PasswordUpdatedAt != nil &&
			(u.PasswordUpdatedAt == nil || from.PasswordUpdatedAt.After(u.PasswordUpdatedAt.Time))
	}
	_, err := a.change(ctx, keyOf(from.Email), func(u *User) error {
		if !setLater(u) {
			return kv.ErrUnchanged
		}
		u.Password, u.PasswordUpdatedAt = from.Password, from.PasswordUpdatedAt
		return nil
	})
	return err
}

// Emails returns the addresses of all accounts by ID. Accounts that a newer program wrote are left out. It costs a request
// for each five hundred accounts.
func (a *Accounts) Emails(ctx context.Context) (map[string]string, error) {
	emails := make(map[string]string)
	err := broker.Range(ctx, a.js, broker.UsersStream, broker.UsersSubject(), 1, math.MaxUint64, func(m *jetstream.RawStreamMsg) (bool, error) {
		if len(m.Data) == 0 {
			return true, nil
		}
		u, err := decodeUser(m.Data)
		if errors.Is(err, job.ErrNewer) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		emails[u.ID] = u.Email
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return emails, nil
}
