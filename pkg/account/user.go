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

// The limits of user input.
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
	// EmailUnverified reports that the owner has yet to confirm the address. Older records do not have it.
	EmailUnverified bool `json:"emailUnverified,omitempty"`
	// TokenVersion is part of every session token; raising it revokes them all.
	TokenVersion int `json:"tokenVersion,omitempty"`
	// SignedOut lists tokens that were revoked one by one and have not expired.
	SignedOut []SignedOut `json:"signedOut,omitempty"`
	// Budget limits what the jobs of the account may cost.
	Budget job.Budget `json:"budget,omitzero"`
}

// SignedOut is a token that was revoked before it expired.
type SignedOut struct {
	// Token is the hash of the token.
	Token string   `json:"token"`
	Until job.Time `json:"until"`
}

// maxSignedOut bounds the list of revoked tokens; beyond it all tokens are revoked together.
const maxSignedOut = 50

// HasPassword reports whether the account has a password.
func (u *User) HasPassword() bool { return u.set() }

// Owner returns the owner name of the account, which identifies its jobs and other data: its ID, or a hash of an imported ID
// that is not a valid token or resembles the owner of a guest.
func (u *User) Owner() string {
	if job.ValidToken(u.ID) && u.ID != job.OwnerAnonymous && !strings.HasPrefix(u.ID, guestPrefix) && !strings.HasPrefix(u.ID, hashedPrefix) {
		return u.ID
	}
	return hashedPrefix + hexHash(u.ID)[:32]
}

// Key returns the key under which the account is stored: a hash of its email address.
func (u *User) Key() string { return keyOf(u.Email) }

// hexHash returns the SHA-256 of a string in hexadecimal digits.
func hexHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

const (
	guestPrefix  = "g-" // of the owners of guests' jobs
	hashedPrefix = "u-"
)

// signOut revokes one token and removes expired ones from the list.
func (u *User) signOut(token SignedOut, now time.Time) {
	u.SignedOut = slices.DeleteFunc(u.SignedOut, func(s SignedOut) bool { return !now.Before(s.Until.Time) || s.Token == token.Token })
	if len(u.SignedOut) == maxSignedOut {
		u.revokeTokens()
		return
	}
	u.SignedOut = append(u.SignedOut, token)
}

// revokeTokens revokes all tokens.
func (u *User) revokeTokens() {
	u.TokenVersion++
	u.SignedOut = nil
}

// keyOf returns the key of the account with an address. It ignores case.
func keyOf(email string) string { return hexHash(NormalizeEmail(email)) }

// NormalizeEmail returns the form in which an address is stored and looked up: trimmed and in lower case.
func NormalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

var emailForm = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)

// validEmail reports whether an email address is valid.
func validEmail(email string) bool {
	email = strings.TrimSpace(email)
	if len(email) > MaxEmail || !emailForm.MatchString(email) || hasControl(email) || strings.ContainsFunc(email, foldsToASCII) {
		return false
	}
	parsed, err := mail.ParseAddress(email)
	return err == nil && parsed.Address == email && parsed.Name == ""
}

// foldsToASCII reports whether a letter outside ASCII has a lower case in ASCII, as the kelvin sign has: NormalizeEmail would
// map its address to another person's.
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

// CheckEmail returns the errors of an email address, or nil.
func CheckEmail(pointer, email string) []job.FieldError {
	switch {
	case strings.TrimSpace(email) == "":
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	case !validEmail(email):
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
