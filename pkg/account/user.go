package account

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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

// The bounds of what people say about themselves.
const (
	MinPassword = 8   // characters, of new passwords
	MaxPassword = 256 // characters
	MaxUsername = 64  // characters
	MaxEmail    = 254 // bytes
)

// User is an account as it is stored. The names are those of the system that this one replaces.
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
	// EmailUnverified says that the owner has yet to confirm the address. Records of before do not have it.
	EmailUnverified bool `json:"emailUnverified,omitempty"`
	// TokenVersion counts what ends every token of before.
	TokenVersion int `json:"tokenVersion,omitempty"`
	// SignedOut are tokens that were ended one by one and would still hold.
	SignedOut []SignedOut `json:"signedOut,omitempty"`
}

// SignedOut is a token that was ended before its time.
type SignedOut struct {
	// Token is the hash of the token.
	Token string   `json:"token"`
	Until job.Time `json:"until"`
}

// maxSignedOut bounds the list of ended tokens; beyond it all are ended together.
const maxSignedOut = 50

// HasPassword reports whether the account can be entered with a password.
func (u *User) HasPassword() bool { return u.set() }

// Owner is whom the jobs of the account belong to. An imported id that could pass for somebody else's name, or cannot be
// part of a subject, is replaced by its hash.
func (u *User) Owner() string {
	if job.ValidToken(u.ID) && u.ID != job.OwnerAnonymous && !strings.HasPrefix(u.ID, guestPrefix) && !strings.HasPrefix(u.ID, hashedPrefix) {
		return u.ID
	}
	sum := sha256.Sum256([]byte(u.ID))
	return hashedPrefix + hex.EncodeToString(sum[:16])
}

const (
	// guestPrefix begins the names of guests.
	guestPrefix  = "g-"
	hashedPrefix = "u-"
)

// encode returns the stored form.
func (u *User) encode() ([]byte, error) {
	u.V = job.Version
	b, err := json.Marshal(u)
	if err != nil {
		return nil, fmt.Errorf("encode account: %w", err)
	}
	return b, nil
}

// decodeUser reads a stored account. It fails with job.ErrNewer when a newer program wrote it.
func decodeUser(b []byte) (*User, error) {
	var u User
	if err := json.Unmarshal(b, &u); err != nil {
		return nil, errors.New("decode account: not an account")
	}
	switch {
	case u.V > job.Version:
		return nil, fmt.Errorf("decode account: %w", job.ErrNewer)
	case u.V < 1 || u.ID == "" || u.Email == "":
		return nil, errors.New("decode account: incomplete")
	}
	return &u, nil
}

// signOut adds a token to those that have ended, and forgets the ones that would have ended by now anyway.
func (u *User) signOut(token SignedOut, now time.Time) {
	u.SignedOut = slices.DeleteFunc(u.SignedOut, func(s SignedOut) bool { return !now.Before(s.Until.Time) || s.Token == token.Token })
	if len(u.SignedOut) == maxSignedOut {
		u.endTokens()
		return
	}
	u.SignedOut = append(u.SignedOut, token)
}

// endTokens ends every token that was issued so far.
func (u *User) endTokens() {
	u.TokenVersion++
	u.SignedOut = nil
}

// key is under which an address is stored. Capital letters make no other address.
func key(email string) string {
	sum := sha256.Sum256([]byte(NormalizeEmail(email)))
	return hex.EncodeToString(sum[:])
}

// NormalizeEmail returns the form under which an address is stored and looked up: trimmed and in lower case.
func NormalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

var emailForm = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)

// ValidEmail reports whether a text is an address to which mail can be sent.
func ValidEmail(email string) bool {
	email = strings.TrimSpace(email)
	if len(email) > MaxEmail || !emailForm.MatchString(email) || hasControl(email) || strings.ContainsFunc(email, posesAsASCII) {
		return false
	}
	parsed, err := mail.ParseAddress(email)
	return err == nil && parsed.Address == email && parsed.Name == ""
}

// posesAsASCII reports whether a letter becomes one of ASCII when it is made small, as the sign for kelvin does: addresses
// with it are somebody else's, and would pass for those without.
func posesAsASCII(r rune) bool { return r > unicode.MaxASCII && unicode.ToLower(r) <= unicode.MaxASCII }

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// CheckUsername returns what is wrong with a name.
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

// CheckEmail returns what is wrong with an address.
func CheckEmail(pointer, email string) []job.FieldError {
	switch {
	case strings.TrimSpace(email) == "":
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	case !ValidEmail(email):
		return []job.FieldError{{Pointer: pointer, Code: "invalid_email"}}
	}
	return nil
}

// CheckPassword returns what is wrong with a new password. It says nothing of passwords that exist: imported and older ones
// may be shorter, and still sign their owners in.
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
