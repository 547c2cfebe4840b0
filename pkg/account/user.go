package account

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The limits of what users enter.
const (
	MinPassword = 8   // characters, of new passwords
	MaxPassword = 256 // characters
	MaxUsername = 64  // characters
	MaxEmail    = 254 // bytes
)

// User is an account as it is stored.
type User struct {
	V        int    `json:"v"`
	ID       string `json:"id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Password
	CreatedAt         job.Time        `json:"createdAt"`
	LastLoginAt       *job.Time       `json:"lastLoginAt"`
	PasswordUpdatedAt *job.Time       `json:"passwordUpdatedAt,omitempty"`
	IsActive          bool            `json:"isActive"`
	AuthProvider      string          `json:"authProvider,omitempty"`
	GoogleInfo        json.RawMessage `json:"googleInfo,omitempty"`
	// EmailUnverified says that the owner has yet to confirm the address. Older records do not have it.
	EmailUnverified bool `json:"emailUnverified,omitempty"`
	// TokenVersion is part of every session token; raising it revokes them all.
	TokenVersion int `json:"tokenVersion,omitempty"`
	// SignedOut lists tokens that were revoked one by one and have not expired.
	SignedOut []SignedOut `json:"signedOut,omitempty"`
}

// SignedOut is a token that was revoked before it expired.
type SignedOut struct {
	// Token is the hash of the token.
	Token string   `json:"token"`
	Until job.Time `json:"until"`
}

// maxSignedOut bounds the list of revoked tokens; beyond it all tokens are revoked together.
const maxSignedOut = 50

// HasPassword reports whether somebody can sign in to the account with a password.
func (u *User) HasPassword() bool { return u.set() }

// Owner returns the owner of the jobs of the account: its ID. An imported ID that could pass for another owner, or cannot be
// part of a subject, is replaced by its hash.
func (u *User) Owner() string {
	if job.ValidToken(u.ID) && u.ID != job.OwnerAnonymous && !strings.HasPrefix(u.ID, guestPrefix) && !strings.HasPrefix(u.ID, hashedPrefix) {
		return u.ID
	}
	sum := sha256.Sum256([]byte(u.ID))
	return hashedPrefix + hex.EncodeToString(sum[:16])
}

const (
	// guestPrefix begins the owners of guests' jobs.
	guestPrefix  = "g-"
	hashedPrefix = "u-"
)

// signOut revokes one token, and forgets those that have expired by now.
func (u *User) signOut(token SignedOut, now time.Time) {
	u.SignedOut = slices.DeleteFunc(u.SignedOut, func(s SignedOut) bool { return !now.Before(s.Until.Time) || s.Token == token.Token })
	if len(u.SignedOut) == maxSignedOut {
		u.revokeTokens()
		return
	}
	u.SignedOut = append(u.SignedOut, token)
}

// revokeTokens revokes every token that was issued so far.
func (u *User) revokeTokens() {
	u.TokenVersion++
	u.SignedOut = nil
}

// keyOf returns the key under which the account with an address is stored. Case does not matter.
func keyOf(email string) string {
	sum := sha256.Sum256([]byte(NormalizeEmail(email)))
	return hex.EncodeToString(sum[:])
}

// NormalizeEmail returns the form under which an address is stored and looked up: trimmed and in lower case.
func NormalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

var emailForm = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)

// ValidEmail reports whether e-mail can be sent to an address.
func ValidEmail(email string) bool {
	email = strings.TrimSpace(email)
	if len(email) > MaxEmail || !emailForm.MatchString(email) || hasControl(email) || strings.ContainsFunc(email, foldsToASCII) {
		return false
	}
	parsed, err := mail.ParseAddress(email)
	return err == nil && parsed.Address == email && parsed.Name == ""
}

// foldsToASCII reports whether the lower case of a letter outside ASCII is in ASCII, as that of the kelvin sign is: an address
// with it is another one than that without, and would pass for it.
func foldsToASCII(r rune) bool { return r > unicode.MaxASCII && unicode.ToLower(r) <= unicode.MaxASCII }

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// CheckUsername returns the errors of a username, or nil.
func CheckUsername(pointer, name string) []job.FieldError {
	switch name = strings.TrimSpace(name); {
	case name == "":
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	case utf8.RuneCountInString(name) > MaxUsername:
		return []job.FieldError{{Pointer: pointer, Code: "too_long", Args: map[string]string{"max": fmt.Sprint(MaxUsername)}}}
	case hasControl(name):
		return []job.FieldError{{Pointer: pointer, Code: "control_character"}}
	}
	return nil
}

// CheckEmail returns the errors of an e-mail address, or nil.
func CheckEmail(pointer, email string) []job.FieldError {
	switch {
	case strings.TrimSpace(email) == "":
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	case !ValidEmail(email):
		return []job.FieldError{{Pointer: pointer, Code: "invalid_email"}}
	}
	return nil
}

// CheckPassword returns the errors of a new password, or nil. Existing passwords may be shorter and stay valid.
func CheckPassword(pointer, password string) []job.FieldError {
	switch n := utf8.RuneCountInString(password); {
	case n == 0:
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	case n < MinPassword:
		return []job.FieldError{{Pointer: pointer, Code: "too_short", Args: map[string]string{"min": fmt.Sprint(MinPassword)}}}
	case n > MaxPassword:
		return []job.FieldError{{Pointer: pointer, Code: "too_long", Args: map[string]string{"max": fmt.Sprint(MaxPassword)}}}
	case isCommon(password):
		return []job.FieldError{{Pointer: pointer, Code: "password_too_common"}}
	}
	return nil
}
