package account

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// googleLink links a Google account to an account. It is valid only if the record of the account names the same Google account:
// the link of a deleted or unlinked account may be left over; it is ignored and replaced.
type googleLink struct {
	V      int    `json:"v"`
	UserID string `json:"userId"`
	Key    string `json:"key"` // key of the account
}

// googleSubject returns the subject of the link of a Google account.
func googleSubject(googleID string) string {
	return broker.GoogleSubject(hexHash("google " + googleID))
}

// readGoogleLink returns the link of a Google account, or nil when there is none, and its revision.
func (a *Accounts) readGoogleLink(ctx context.Context, googleID string) (*googleLink, uint64, error) {
	e, err := a.links.Get(ctx, googleSubject(googleID))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil, e.Revision, nil
	case err != nil:
		return nil, 0, err
	}
	return &e.Value, e.Revision, nil
}

// byGoogle returns the account that a Google account is linked to, or nil when there is none, and the revision of the link,
// which may be left over.
func (a *Accounts) byGoogle(ctx context.Context, googleID string) (*User, uint64, error) {
	l, revision, err := a.readGoogleLink(ctx, googleID)
	if err != nil || l == nil {
		return nil, revision, err
	}
	u, _, err := a.read(ctx, l.Key)
	switch {
	case errors.Is(err, ErrUnknown):
		return nil, revision, nil
	case err != nil:
		return nil, 0, err
	case u.ID != l.UserID || u.googleID() != googleID:
		return nil, revision, nil
	}
	return u, revision, nil
}

// storeGoogleLink stores a link and returns its revision. It returns kv.ErrConflict when the link has changed since revision.
func (a *Accounts) storeGoogleLink(ctx context.Context, googleID string, u *User, revision uint64) (uint64, error) {
	return a.links.Update(ctx, googleSubject(googleID), googleLink{V: job.Version, UserID: u.ID, Key: keyOf(u.Email)}, revision)
}

// removeGoogleLink removes the link to an account, if it has one.
func (a *Accounts) removeGoogleLink(ctx context.Context, u *User) error {
	googleID := u.googleID()
	if googleID == "" {
		return nil
	}
	l, revision, err := a.readGoogleLink(ctx, googleID)
	if err != nil || l == nil || l.UserID != u.ID {
		return err
	}
	// Remove only the revision that was read: another account may have been linked meanwhile.
	return a.links.PurgeRevision(ctx, googleSubject(googleID), revision)
}

// LinkGoogle links a Google account to an account. The caller must have checked that the user owns the account; the addresses
// of the two may differ. It returns ErrUnverified, ErrLinked or ErrOtherGoogle. It is idempotent.
func (a *Accounts) LinkGoogle(ctx context.Context, u *User, g GoogleIdentity) (linked *User, err error) {
	if !g.usable() {
		return nil, ErrUnverified
	}
	err = kv.Retry(ctx, func() error {
		linked, err = a.linkGoogle(ctx, u, g)
		return err
	})
	return linked, err
}

func (a *Accounts) linkGoogle(ctx context.Context, u *User, g GoogleIdentity) (*User, error) {
	holder, revision, err := a.byGoogle(ctx, g.Subject)
	if err != nil {
		return nil, err
	}
	if holder != nil && holder.ID != u.ID {
		return nil, ErrLinked
	}
	checkOther := func(u *User) error {
		if id := u.googleID(); id != "" && id != g.Subject {
			return ErrOtherGoogle
		}
		return nil
	}
	stored, _, err := a.read(ctx, keyOf(u.Email))
	if err != nil {
		return nil, err
	}
	if stored.ID != u.ID {
		return nil, ErrUnknown
	}
	if err := checkOther(stored); err != nil {
		return nil, err
	}
	if holder == nil {
		// Store the link before the record, so that a crash in between leaves no record without a link.
		if revision, err = a.storeGoogleLink(ctx, g.Subject, u, revision); err != nil {
			return nil, err
		}
	}
	linked, err := a.update(ctx, u, func(stored *User) error {
		if err := checkOther(stored); err != nil {
			return err
		}
		if !stored.HasGoogle() {
			// The account was not created with this Google account, even if an older record says so: a password reset removes
			// the link.
			stored.AuthProvider = ""
		}
		stored.GoogleInfo = g.info()
		if NormalizeEmail(g.Email) == NormalizeEmail(stored.Email) {
			stored.EmailUnverified = false // Google has verified this address.
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Until the record was stored, the link was invalid and a concurrent request may have replaced it or may be about to. Store
	// it again to detect the former and to make the latter conflict.
	_, err = a.storeGoogleLink(ctx, g.Subject, u, revision)
	if errors.Is(err, kv.ErrConflict) {
		_, undone := a.update(ctx, u, func(stored *User) error {
			if stored.googleID() == g.Subject {
				stored.GoogleInfo = nil
			}
			return nil
		})
		return nil, errors.Join(err, undone)
	}
	if err != nil {
		return nil, err
	}
	return linked, nil
}

// UnlinkGoogle removes the link to a Google account. It returns ErrNoPassword when there is no other way to sign in. It
// revokes no tokens.
func (a *Accounts) UnlinkGoogle(ctx context.Context, u *User) (*User, error) {
	var before User
	unlinked, err := a.update(ctx, u, func(stored *User) error {
		if !stored.HasPassword() {
			return ErrNoPassword
		}
		before = *stored
		stored.GoogleInfo, stored.AuthProvider = nil, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	_ = a.removeGoogleLink(ctx, &before) // A link that is left over is invalid.
	return unlinked, nil
}
