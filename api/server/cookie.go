package server

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// guestCookie tells one browser without an account from another. Only the page sets it, so that a program which calls
// the API alone is not made to look like a thousand guests.
const guestCookie = "t2i_guest"

const (
	guestPrefix = "g-"
	guestBytes  = 16
	guestAge    = 365 * 24 * time.Hour
)

// newGuest returns a new guest's name.
func newGuest() (string, error) {
	random := make([]byte, guestBytes)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("name a guest: %w", err)
	}
	return guestPrefix + base64.RawURLEncoding.EncodeToString(random), nil
}

// sealGuest returns the value of a guest's cookie: the name and its signature.
func sealGuest(key []byte, guest string) string {
	return guest + "." + base64.RawURLEncoding.EncodeToString(sum(key, guest))
}

// openGuest returns the guest's name that a cookie holds. Anything that sealGuest would not have written is refused:
// the name becomes part of a subject.
func openGuest(key []byte, value string) (string, bool) {
	guest, signature, found := strings.Cut(value, ".")
	if !found || !strings.HasPrefix(guest, guestPrefix) {
		return "", false
	}
	encoding := base64.RawURLEncoding.Strict()
	if random, err := encoding.DecodeString(guest[len(guestPrefix):]); err != nil || len(random) != guestBytes {
		return "", false
	}
	mac, err := encoding.DecodeString(signature)
	if err != nil || !hmac.Equal(mac, sum(key, guest)) {
		return "", false
	}
	// The decoder passes over line ends; what it passed over must not get into a subject.
	if value != sealGuest(key, guest) || strings.ContainsAny(guest, "\r\n") {
		return "", false
	}
	return guest, true
}

// welcome gives a browser without a valid cookie a new one.
func (s *Server) welcome(c *gin.Context) error {
	if _, ok := s.guestOf(c.Request); ok {
		return nil
	}
	guest, err := newGuest()
	if err != nil {
		return err
	}
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Without TLS, as on one's own machine, a Secure cookie would not come back.
		Name: guestCookie, Value: sealGuest(s.keys.guestCookie, guest), Path: "/", MaxAge: int(guestAge.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(c),
	})
	return nil
}
