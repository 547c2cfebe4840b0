package session

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// GuestCookie holds the name of a guest and its signature. Only the page sets it, so that a program that calls nothing
	// but the API is not counted as a thousand guests.
	GuestCookie = "t2i_guest"
	// hostGuestCookie is the same cookie over TLS: browsers accept a cookie of this name from this very host only, so that
	// no site on a neighboring host can set one.
	hostGuestCookie = "__Host-" + GuestCookie

	guestPrefix = "g-"
	guestBytes  = 16
	guestAge    = 365 * 24 * time.Hour
)

// NewGuest returns the name of a new guest.
func NewGuest() (string, error) {
	random := make([]byte, guestBytes)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("name a guest: %w", err)
	}
	return guestPrefix + base64.RawURLEncoding.EncodeToString(random), nil
}

// SealGuest returns the value of a guest's cookie: the name and its signature.
func SealGuest(key []byte, guest string) string {
	return guest + "." + base64.RawURLEncoding.EncodeToString(keys.Sum(key, guest))
}

// openGuest returns the name of the guest that a cookie holds. It rejects anything that SealGuest cannot have written, since
// the name becomes part of a NATS subject.
func openGuest(key []byte, value string) (string, bool) {
	guest, _, _ := strings.Cut(value, ".")
	encoded, found := strings.CutPrefix(guest, guestPrefix)
	if !found || !job.ValidToken(guest) {
		return "", false
	}
	if random, err := base64.RawURLEncoding.Strict().DecodeString(encoded); err != nil || len(random) != guestBytes {
		return "", false
	}
	if !hmac.Equal([]byte(value), []byte(SealGuest(key, guest))) {
		return "", false
	}
	return guest, true
}

// findGuest returns the guest of a request and the name of the cookie that holds it, "" when there is none. The name that
// no other site can set comes first.
func (s *Sessions) findGuest(r *http.Request) (guest, cookieName string) {
	for _, name := range []string{hostGuestCookie, GuestCookie} {
		for _, cookie := range r.CookiesNamed(name) {
			if guest, ok := openGuest(s.guestKey, cookie.Value); ok {
				return guest, name
			}
		}
	}
	return "", ""
}

// EnsureGuest gives a browser without a valid cookie a new one. Over TLS a guest whose cookie has the old name gets one with
// the new name too; the old one stays for processes of the version before, and no longer counts.
func (s *Sessions) EnsureGuest(c *gin.Context) error {
	name := GuestCookie
	if s.proxies.Secure(c) {
		name = hostGuestCookie
	}
	guest, found := s.findGuest(c.Request)
	if found == name || found == hostGuestCookie {
		return nil
	}
	if found == "" {
		var err error
		if guest, err = NewGuest(); err != nil {
			return err
		}
	}
	s.SetCookie(c, name, SealGuest(s.guestKey, guest), "/", int(guestAge.Seconds()))
	return nil
}

// SetCookie sets a cookie that no script can read and that other sites' requests do not carry; a negative maxAge, in
// seconds, deletes it.
func (s *Sessions) SetCookie(c *gin.Context, name, value, path string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Without TLS, as in development, a Secure cookie would not come back.
		Name: name, Value: value, Path: path, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.proxies.Secure(c),
	})
}
