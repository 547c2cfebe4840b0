package session

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// GuestCookie holds the name of a guest and its signature. Only the page sets it, so that a program that ignores cookies
	// does not become a new guest with every request.
	GuestCookie = "t2i_guest"
	// hostGuestCookie replaces it over TLS: browsers accept a cookie of this name only from this host, so that no sibling
	// domain can set it.
	hostGuestCookie = "__Host-" + GuestCookie

	guestPrefix = "g-"
	guestBytes  = 16
	guestAge    = 365 * 24 * time.Hour
)

// NewGuest returns the name of a new guest.
func NewGuest() string {
	random := make([]byte, guestBytes)
	_, _ = rand.Read(random) // It never fails.
	return guestPrefix + base64.RawURLEncoding.EncodeToString(random)
}

// SealGuest returns the value of a guest's cookie: the name with its signature.
func SealGuest(key []byte, guest string) string {
	return guest + "." + base64.RawURLEncoding.EncodeToString(keys.Sum(key, guest))
}

// openGuest returns the name of the guest in a cookie. It rejects any value that SealGuest cannot have returned, since the name
// becomes part of a NATS subject.
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

// findGuest returns the guest of a request and the name of its cookie, or "". hostGuestCookie takes precedence.
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

// EnsureGuest sets a guest cookie for a browser without a valid one. Over TLS a guest with only GuestCookie also gets
// hostGuestCookie; the old cookie stays for processes of an older version.
func (s *Sessions) EnsureGuest(c *gin.Context) {
	name := GuestCookie
	if s.proxies.Secure(c) {
		name = hostGuestCookie
	}
	guest, found := s.findGuest(c.Request)
	if found == name || found == hostGuestCookie {
		return
	}
	if found == "" {
		guest = NewGuest()
	}
	s.SetCookie(c, name, SealGuest(s.guestKey, guest), "/", int(guestAge.Seconds()))
}

// replaceGuest makes the browser a new guest.
func (s *Sessions) replaceGuest(c *gin.Context) {
	name := GuestCookie
	if s.proxies.Secure(c) {
		name = hostGuestCookie
	}
	value := SealGuest(s.guestKey, NewGuest())
	s.SetCookie(c, name, value, "/", int(guestAge.Seconds()))
	if _, err := c.Request.Cookie(GuestCookie); err == nil && name != GuestCookie {
		s.SetCookie(c, GuestCookie, value, "/", int(guestAge.Seconds()))
	}
}

// SetCookie sets a cookie with HttpOnly and SameSite=Lax. A negative maxAge, in seconds, deletes it.
func (s *Sessions) SetCookie(c *gin.Context, name, value, path string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Without TLS, as in development, a Secure cookie would not come back.
		Name: name, Value: value, Path: path, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.proxies.Secure(c),
	})
}
