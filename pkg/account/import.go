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

// Import stores an account of another system with its ID and password hash, and links it to the Google account that its
// record names. It returns false and changes nothing when the account is already present. It returns ErrTaken when another
// account has its address, and ErrFull. It costs one acknowledged publish, and three more requests for an account with a
// Google account.
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
	// Also for an account that is already present: an earlier import may have died before it stored the link.
	return created, a.importGoogleLink(ctx, stored, created)
}

// importGoogleLink links an imported account to the Google account that its record names. If two records name the same one,
// which the Cloudflare system allowed, the account with the later login is linked.
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
	return nil // A concurrent sign-in has stored the link.
}

// ImportPassword replaces the password hash of a stored account by that of another copy of its record if that was set later.
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

// Emails returns the addresses of all accounts by ID. It skips accounts that a newer version of the program has stored. It
// costs one request per 500 accounts.
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
