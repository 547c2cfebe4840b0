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

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// guestCookie tells one browser without an account from another. Only the page sets it, so that a program which calls
// the API alone is not made to look like a thousand guests.
const guestCookie = "t2i_guest"

const (
	// hostGuestCookie is the same cookie over TLS: browsers take one of this name from this very host alone, so that no site
	// on a neighboring host can plant another guest.
	hostGuestCookie = "__Host-" + guestCookie

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
	guest, _, _ := strings.Cut(value, ".")
	encoded, found := strings.CutPrefix(guest, guestPrefix)
	if !found || !job.ValidToken(guest) {
		return "", false
	}
	if random, err := base64.RawURLEncoding.Strict().DecodeString(encoded); err != nil || len(random) != guestBytes {
		return "", false
	}
	// Compared in a time that does not tell how much of it was right.
	if !hmac.Equal([]byte(value), []byte(sealGuest(key, guest))) {
		return "", false
	}
	return guest, true
}

// welcome gives a browser without a valid cookie a new one. Over TLS a guest whose cookie has the name of before gets one
// of the new name too. The old one stays, for processes of the version before; it no longer counts.
func (s *Server) welcome(c *gin.Context) error {
	name := guestCookie
	if s.secure(c) {
		name = hostGuestCookie
	}
	guest, found := s.findGuest(c.Request)
	if found == name || found == hostGuestCookie {
		return nil
	}
	if found == "" {
		var err error
		if guest, err = newGuest(); err != nil {
			return err
		}
	}
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Without TLS, as on one's own machine, a Secure cookie would not come back.
		Name: name, Value: sealGuest(s.keys.guestCookie, guest), Path: "/", MaxAge: int(guestAge.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(c),
	})
	return nil
}
