package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var (
	// ErrUnverified is returned for a Google account whose address Google has not verified, or that has none.
	ErrUnverified = errors.New("google has not verified the address")
	// ErrLinkRequired is returned when the address of a Google account has an account here that Google does not open:
	// its owner has to sign in to that and link the two.
	ErrLinkRequired = errors.New("the address has an account that is not linked to google")
	// ErrOtherGoogle is returned when the account in question is linked to another Google account.
	ErrOtherGoogle = errors.New("the account is linked to another google account")
	// ErrLinked is returned when a Google account opens another account already.
	ErrLinked = errors.New("the google account opens another account")
	// ErrNoPassword is returned when an account would be left without a way to enter it.
	ErrNoPassword = errors.New("the account has no password")
)

// ProviderGoogle is the AuthProvider of accounts that were made by signing in with Google.
const ProviderGoogle = "google"

// GoogleIdentity is who signed in at Google.
type GoogleIdentity struct {
	// Subject is Google's name for the account, which never changes and is never given to another.
	Subject string
	Email   string
	// Verified says that Google has seen that the address is the account's.
	Verified              bool
	Name, Picture, Locale string
}

// googleInfo is what is stored of a Google account, as the system before did.
type googleInfo struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Picture string `json:"picture,omitempty"`
	Locale  string `json:"locale,omitempty"`
}

// maxGoogleText bounds, in bytes, what is stored of a Google account besides its name.
const maxGoogleText = 2048

// info returns what is stored of who signed in.
func (g GoogleIdentity) info() json.RawMessage {
	picture := g.Picture
	if !isPicture(picture) {
		picture = ""
	}
	locale := g.Locale
	if len(locale) > MaxUsername || hasControl(locale) {
		locale = ""
	}
	data, err := json.Marshal(googleInfo{ID: g.Subject, Name: cut(g.Name), Picture: picture, Locale: locale})
	if err != nil {
		return nil // Texts alone can always be written.
	}
	return data
}

// isPicture reports whether a text is an address that a page may load a picture from: https, or one of this machine.
func isPicture(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || len(address) > maxGoogleText {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || (u.Scheme == "http" && err == nil && addr.IsLoopback())
}

// username returns a name that CheckUsername takes.
func (g GoogleIdentity) username() string {
	if name := cut(g.Name); name != "" {
		return name
	}
	local, _, _ := strings.Cut(g.Email, "@")
	return cut(local)
}

// cut makes a name of any text.
func cut(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name))
	if runes := []rune(name); len(runes) > MaxUsername {
		name = strings.TrimSpace(string(runes[:MaxUsername]))
	}
	return name
}

// google returns what is stored of the Google account that a record speaks of; its ID is empty when there is none.
func (u *User) google() googleInfo {
	var info googleInfo
	if len(u.GoogleInfo) == 0 || json.Unmarshal(u.GoogleInfo, &info) != nil {
		return googleInfo{}
	}
	return info
}

// HasGoogle reports whether a Google account is linked.
func (u *User) HasGoogle() bool { return u.google().ID != "" }

// Avatar returns the address of the picture of the linked Google account, "" when there is none.
func (u *User) Avatar() string {
	info := u.google()
	if info.ID == "" || !isPicture(info.Picture) {
		return ""
	}
	return info.Picture
}

// SignInGoogle returns the account that a Google account opens, and takes note of the time. The account is known by
// Google's name for it, not by an address, which may change hands. Where Google's name is new here, an account of the
// address is opened only if its record says that this Google account was linked to it, or if it was made with Google and
// has nothing else to be known by; where the address is new as well, admit is asked and a new account made.
//
// It fails with ErrUnverified, ErrLinkRequired, ErrOtherGoogle, ErrDisabled, and with what admit fails with. It costs four
// requests, for a new account six.
func (a *Accounts) SignInGoogle(ctx context.Context, g GoogleIdentity, admit func() error) (*User, error) {
	if !g.Verified || !ValidEmail(g.Email) || g.Subject == "" {
		return nil, ErrUnverified
	}
	for range maxTries {
		u, err := a.openGoogle(ctx, g, admit)
		if err == nil {
			u, err = a.enterGoogle(ctx, u, g)
		}
		// Somebody came in between, or deleted the account: what holds now is found out from the start.
		if !errors.Is(err, errConflict) && !errors.Is(err, ErrUnknown) {
			return u, err
		}
	}
	return nil, fmt.Errorf("sign in with google: %w", errConflict)
}

// openGoogle returns the account that a Google account opens. It fails with errConflict when it has to be asked again.
func (a *Accounts) openGoogle(ctx context.Context, g GoogleIdentity, admit func() error) (*User, error) {
	u, revision, err := a.byGoogle(ctx, g.Subject)
	if err != nil || u != nil {
		return u, err
	}
	u, _, err = a.read(ctx, key(g.Email))
	if errors.Is(err, ErrUnknown) {
		return a.newGoogle(ctx, g, revision, admit)
	}
	if err != nil {
		return nil, err
	}
	switch linked := u.google().ID; {
	case linked == g.Subject:
	case linked != "":
		return nil, ErrOtherGoogle
	case u.HasPassword() || u.AuthProvider != ProviderGoogle:
		return nil, ErrLinkRequired
	}
	if !u.IsActive {
		return nil, ErrDisabled
	}
	// A crash before the link is stored leaves a record that says to whom it belongs.
	u, err = a.same(ctx, u, func(now *User) error {
		if now.google().ID != g.Subject && (now.HasGoogle() || now.HasPassword()) {
			return errConflict
		}
		now.GoogleInfo = g.info()
		return nil
	})
	if err != nil {
		return nil, err
	}
	_, err = a.bindGoogle(ctx, g.Subject, u, revision)
	return u, err
}

// enterGoogle takes note that somebody came in, and of what Google says about them by now.
func (a *Accounts) enterGoogle(ctx context.Context, u *User, g GoogleIdentity) (*User, error) {
	return a.same(ctx, u, func(now *User) error {
		switch {
		case !now.IsActive:
			return ErrDisabled
		case now.google().ID != g.Subject:
			return errConflict // It was unlinked in between.
		}
		now.GoogleInfo, now.LastLoginAt = g.info(), job.AtPtr(a.now())
		return nil
	})
}

// newGoogle makes an account. The account is stored before the link: a crash between the two leaves an account that the
// next attempt finds by its address.
func (a *Accounts) newGoogle(ctx context.Context, g GoogleIdentity, revision uint64, admit func() error) (*User, error) {
	if err := admit(); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("name an account: %w", err)
	}
	u := &User{
		ID: id.String(), Username: g.username(), Email: NormalizeEmail(g.Email), CreatedAt: job.At(a.now()), IsActive: true,
		AuthProvider: ProviderGoogle, GoogleInfo: g.info(),
	}
	err = a.create(ctx, u)
	if errors.Is(err, ErrTaken) {
		return nil, errConflict
	}
	if err != nil {
		return nil, err
	}
	_, err = a.bindGoogle(ctx, g.Subject, u, revision)
	if errors.Is(err, errConflict) {
		// The same person came in under another address at the same moment, and that account is the one.
		if first, _, found := a.byGoogle(ctx, g.Subject); found == nil && first != nil && first.ID != u.ID {
			return nil, errors.Join(err, a.undo(ctx, u))
		}
	}
	return u, err
}

// undo deletes an account that was made in vain, though somebody who found it by its address writes to it meanwhile.
func (a *Accounts) undo(ctx context.Context, u *User) error {
	for range maxTries {
		if err := a.Delete(ctx, u); !errors.Is(err, errConflict) {
			return err
		}
	}
	return fmt.Errorf("undo account: %w", errConflict)
}
