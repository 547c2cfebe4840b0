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
	// ErrUnverified is returned for a Google account without an address that Google has verified.
	ErrUnverified = errors.New("google has not verified the address")
	// ErrLinkRequired is returned when the address of a Google account belongs to an account that is not linked to it: its
	// owner has to sign in with the password and link the two.
	ErrLinkRequired = errors.New("the account with this address is not linked to google")
	// ErrOtherGoogle is returned when the account is linked to another Google account.
	ErrOtherGoogle = errors.New("the account is linked to another google account")
	// ErrLinked is returned when a Google account is linked to another account.
	ErrLinked = errors.New("the google account is linked to another account")
	// ErrNoPassword is returned when unlinking would leave an account without a way to sign in.
	ErrNoPassword = errors.New("the account has no password")
)

// ProviderGoogle is the AuthProvider of accounts that were created with Google.
const ProviderGoogle = "google"

// GoogleIdentity describes the Google account that a user has signed in to.
type GoogleIdentity struct {
	// Subject is Google's ID of the account, which never changes and is never reused.
	Subject string
	Email   string
	// Verified reports whether Google has verified the address.
	Verified              bool
	Name, Picture, Locale string
}

// googleInfo is the stored form of a GoogleIdentity, in the format of the Cloudflare system.
type googleInfo struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Picture string `json:"picture,omitempty"`
	Locale  string `json:"locale,omitempty"`
}

// maxPictureURL bounds the URL of an avatar, in bytes.
const maxPictureURL = 2048

// usable reports whether a Google account can be used to sign in.
func (g GoogleIdentity) usable() bool { return g.Verified && validEmail(g.Email) && g.Subject != "" }

// info returns the stored form of g.
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
		return nil // Cannot happen: all fields are strings.
	}
	return data
}

// isPictureURL reports whether a page may load an avatar from a URL: https, or http on loopback.
func isPictureURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || len(raw) > maxPictureURL {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || (u.Scheme == "http" && err == nil && addr.IsLoopback())
}

// username returns a name for the account that passes CheckUsername.
func (g GoogleIdentity) username() string {
	if name := toUsername(g.Name); name != "" {
		return name
	}
	local, _, _ := strings.Cut(g.Email, "@")
	return toUsername(local)
}

// toUsername removes control characters from a text and shortens it to MaxUsername.
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

// google returns the stored Google account; its ID is empty when there is none.
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

// Avatar returns the URL of the image of the linked Google account, or "" when there is none.
func (u *User) Avatar() string {
	info := u.google()
	if info.ID == "" || !isPictureURL(info.Picture) {
		return ""
	}
	return info.Picture
}

// SignInGoogle returns the account of a Google account and records the time of the sign-in. It finds the account by the ID of
// the Google account and not by its address, which may be reassigned. If the ID is unknown, it returns the account with the
// address only if that names this Google account, or if it was created with Google, names none and has no password. If the
// address is unknown as well, it creates an account, unless admit returns an error.
//
// It returns ErrUnverified, ErrLinkRequired, ErrOtherGoogle, ErrDisabled, or the error of admit. It costs four requests, or
// six for a new account.
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

// findOrCreateByGoogle returns the account of a Google account. It returns kv.ErrConflict when the caller must retry.
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
	// Store the record before the link: a crash in between leaves a record that names the Google account.
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

// recordGoogleLogin stores the time of a sign-in and the current profile of the Google account.
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

// createByGoogle creates an account. It stores the account before the link: a crash in between leaves an account that the next
// attempt finds by its address.
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
		// The user may have signed in concurrently with another address; keep that account.
		if first, _, found := a.byGoogle(ctx, g.Subject); found == nil && first != nil && first.ID != u.ID {
			// A request that has found the new account by its address may change it meanwhile.
			return nil, errors.Join(err, kv.Retry(ctx, func() error { return a.Delete(ctx, u) }))
		}
	}
	return u, err
}
