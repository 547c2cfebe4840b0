package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

var (
	// ErrUnverified is returned for a Google account whose address Google has not verified, or that has none.
	ErrUnverified = errors.New("google has not verified the address")
	// ErrLinkRequired is returned when the address of a Google account has an account here that the Google account does not
	// open: its owner has to sign in with the password and link the two.
	ErrLinkRequired = errors.New("the address has an account that is not linked to google")
	// ErrOtherGoogle is returned when the account in question is linked to another Google account.
	ErrOtherGoogle = errors.New("the account is linked to another google account")
	// ErrLinked is returned when a Google account opens another account already.
	ErrLinked = errors.New("the google account opens another account")
	// ErrNoPassword is returned when an account would be left without a way to sign in.
	ErrNoPassword = errors.New("the account has no password")
)

// ProviderGoogle is the AuthProvider of accounts that were created with Google.
const ProviderGoogle = "google"

// GoogleIdentity is the Google account that somebody has signed in to.
type GoogleIdentity struct {
	// Subject is Google's ID of the account, which never changes and is never reused.
	Subject string
	Email   string
	// Verified says that Google has verified the address.
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

// maxPictureURL bounds the URL of a picture, in bytes.
const maxPictureURL = 2048

// usable reports whether somebody can sign in with a Google account.
func (g GoogleIdentity) usable() bool { return g.Verified && ValidEmail(g.Email) && g.Subject != "" }

// info returns what is stored of a Google account.
func (g GoogleIdentity) info() json.RawMessage {
	picture := g.Picture
	if !isPictureURL(picture) {
		picture = ""
	}
	locale := g.Locale
	if len(locale) > MaxUsername || hasControl(locale) {
		locale = ""
	}
	data, err := json.Marshal(googleInfo{ID: g.Subject, Name: toUsername(g.Name), Picture: picture, Locale: locale})
	if err != nil {
		return nil // Strings alone can always be encoded.
	}
	return data
}

// isPictureURL reports whether a page may load a picture from a URL: https, or http on this machine.
func isPictureURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || len(raw) > maxPictureURL {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || (u.Scheme == "http" && err == nil && addr.IsLoopback())
}

// username returns a name that CheckUsername accepts.
func (g GoogleIdentity) username() string {
	if name := toUsername(g.Name); name != "" {
		return name
	}
	local, _, _ := strings.Cut(g.Email, "@")
	return toUsername(local)
}

// toUsername shortens and cleans any text so that CheckUsername accepts it.
func toUsername(name string) string {
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

// google returns what is stored of the Google account in a record; its ID is empty when there is none.
func (u *User) google() googleInfo {
	var info googleInfo
	if len(u.GoogleInfo) == 0 || json.Unmarshal(u.GoogleInfo, &info) != nil {
		return googleInfo{}
	}
	return info
}

func (u *User) googleID() string { return u.google().ID }

// HasGoogle reports whether a Google account is linked.
func (u *User) HasGoogle() bool { return u.googleID() != "" }

// Avatar returns the URL of the picture of the linked Google account, "" when there is none.
func (u *User) Avatar() string {
	info := u.google()
	if info.ID == "" || !isPictureURL(info.Picture) {
		return ""
	}
	return info.Picture
}

// SignInGoogle returns the account that a Google account opens, and records the time. An account is found by the ID of the
// Google account and not by its address, which may change hands. If the ID is new here, an account with the address is opened
// only if its record names this Google account, or if it was created with Google and names none and has no password. If the
// address is new as well, a new account is created, unless admit fails.
//
// It fails with ErrUnverified, ErrLinkRequired, ErrOtherGoogle, ErrDisabled, and with what admit fails with. It costs four
// requests, for a new account six.
func (a *Accounts) SignInGoogle(ctx context.Context, g GoogleIdentity, admit func() error) (u *User, err error) {
	if !g.usable() {
		return nil, ErrUnverified
	}
	err = kv.Retry(ctx, func() error {
		u, err = a.findOrCreateByGoogle(ctx, g, admit)
		if err == nil {
			u, err = a.recordGoogleLogin(ctx, u, g)
		}
		if errors.Is(err, ErrUnknown) {
			return kv.ErrConflict // The account was deleted in between.
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// findOrCreateByGoogle returns the account that a Google account opens. It fails with kv.ErrConflict when it has to be
// repeated.
func (a *Accounts) findOrCreateByGoogle(ctx context.Context, g GoogleIdentity, admit func() error) (*User, error) {
	u, revision, err := a.byGoogle(ctx, g.Subject)
	if err != nil || u != nil {
		return u, err
	}
	u, _, err = a.read(ctx, keyOf(g.Email))
	if errors.Is(err, ErrUnknown) {
		return a.createByGoogle(ctx, g, revision, admit)
	}
	if err != nil {
		return nil, err
	}
	switch linked := u.googleID(); {
	case linked == g.Subject:
	case linked != "":
		return nil, ErrOtherGoogle
	case u.HasPassword() || u.AuthProvider != ProviderGoogle:
		return nil, ErrLinkRequired
	}
	if !u.IsActive {
		return nil, ErrDisabled
	}
	// The record before the link: a crash in between leaves a record that names the Google account.
	u, err = a.update(ctx, u, func(stored *User) error {
		if stored.googleID() != g.Subject && (stored.HasGoogle() || stored.HasPassword()) {
			return kv.ErrConflict
		}
		stored.GoogleInfo = g.info()
		return nil
	})
	if err != nil {
		return nil, err
	}
	_, err = a.storeGoogleLink(ctx, g.Subject, u, revision)
	return u, err
}

// recordGoogleLogin records that somebody signed in, and what Google says about them by now.
func (a *Accounts) recordGoogleLogin(ctx context.Context, u *User, g GoogleIdentity) (*User, error) {
	return a.update(ctx, u, func(stored *User) error {
		switch {
		case !stored.IsActive:
			return ErrDisabled
		case stored.googleID() != g.Subject:
			return kv.ErrConflict // It was unlinked in between.
		}
		stored.GoogleInfo, stored.LastLoginAt = g.info(), job.AtPtr(a.now())
		return nil
	})
}

// createByGoogle creates an account. The account is stored before the link: a crash between the two leaves an account that
// the next attempt finds by its address.
func (a *Accounts) createByGoogle(ctx context.Context, g GoogleIdentity, revision uint64, admit func() error) (*User, error) {
	if err := admit(); err != nil {
		return nil, err
	}
	u, err := a.newUser(g.username(), g.Email)
	if err != nil {
		return nil, err
	}
	u.AuthProvider, u.GoogleInfo = ProviderGoogle, g.info()
	if err := a.create(ctx, u); err != nil {
		if errors.Is(err, ErrTaken) {
			return nil, kv.ErrConflict
		}
		return nil, err
	}
	_, err = a.storeGoogleLink(ctx, g.Subject, u, revision)
	if errors.Is(err, kv.ErrConflict) {
		// The same person may have signed in with another address at the same moment, and that account is the one to keep.
		if first, _, found := a.byGoogle(ctx, g.Subject); found == nil && first != nil && first.ID != u.ID {
			// Somebody who has found the new account by its address may write to it meanwhile.
			return nil, errors.Join(err, kv.Retry(ctx, func() error { return a.Delete(ctx, u) }))
		}
	}
	return u, err
}
