package account

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// record is an account as programs of several years have written it. What is left out, null or of another type costs
// nobody the account, as long as it says who it is and how its password is hashed.
type record struct {
	ID                text            `json:"id"`
	Username          text            `json:"username"`
	Email             text            `json:"email"`
	Hash              text            `json:"passwordHash"`
	Salt              text            `json:"salt"`
	Algorithm         text            `json:"passwordAlgorithm"`
	Iterations        whole           `json:"passwordIterations"`
	KeyLength         whole           `json:"passwordKeyLength"`
	Digest            text            `json:"passwordDigest"`
	CreatedAt         moment          `json:"createdAt"`
	LastLoginAt       moment          `json:"lastLoginAt"`
	PasswordUpdatedAt moment          `json:"passwordUpdatedAt"`
	IsActive          *flag           `json:"isActive"`
	AuthProvider      text            `json:"authProvider"`
	GoogleInfo        json.RawMessage `json:"googleInfo"`
}

// readRecord returns the account that a record describes, as one of ours. now is when it was made if it does not say so.
func readRecord(data []byte, now time.Time) (*User, error) {
	var r *record
	if err := json.Unmarshal(data, &r); err != nil || r == nil {
		return nil, errors.New("not an account")
	}
	u := &User{
		ID: string(r.ID), Username: string(r.Username), Email: string(r.Email), Password: r.password(),
		CreatedAt: job.At(now), LastLoginAt: r.LastLoginAt.at, PasswordUpdatedAt: r.PasswordUpdatedAt.at,
		// Only a word to that effect disables an account.
		IsActive: r.IsActive == nil || bool(*r.IsActive), AuthProvider: string(r.AuthProvider),
	}
	if r.CreatedAt.at != nil {
		u.CreatedAt = *r.CreatedAt.at
	}
	if len(r.GoogleInfo) > 0 && string(r.GoogleInfo) != "null" {
		u.GoogleInfo = r.GoogleInfo
	}
	return u, nil
}

// password returns the password of a record, with its names written as ours are.
func (r *record) password() Password {
	plain := func(t text) string { return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(string(t))), "-", "") }
	p := Password{
		Hash: string(r.Hash), Salt: string(r.Salt), Algorithm: plain(r.Algorithm),
		Iterations: int(r.Iterations), KeyLength: int(r.KeyLength), Digest: plain(r.Digest),
	}
	if p.Algorithm == "sha256" && p.Iterations == 0 {
		// The oldest form, by its name.
		p.Algorithm, p.KeyLength, p.Digest = "", 0, ""
	}
	if !p.legacy() && p.KeyLength == 0 {
		// What is not said the hash itself tells.
		p.KeyLength = len(p.Hash) / 2
	}
	return p
}

// text is a text, or a number written as it stands; anything else is none.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	var n json.Number
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case json.Unmarshal(b, &n) == nil:
		*t = text(n)
	}
	return nil
}

// whole is a whole number, which may be written as a text; anything else is 0, and what is too large stays too large.
type whole int

// UnmarshalJSON never fails.
func (w *whole) UnmarshalJSON(b []byte) error {
	var t text
	_ = t.UnmarshalJSON(b)
	f, err := strconv.ParseFloat(strings.TrimSpace(string(t)), 64)
	if err == nil && f == math.Trunc(f) {
		*w = whole(max(-1, min(f, math.MaxInt32)))
	}
	return nil
}

// moment is a time, or milliseconds since 1970; anything else is none.
type moment struct{ at *job.Time }

// UnmarshalJSON never fails.
func (m *moment) UnmarshalJSON(b []byte) error {
	var at job.Time
	var ms int64
	switch {
	case at.UnmarshalJSON(b) == nil:
	case json.Unmarshal(b, &ms) == nil && ms > 0:
		at = job.At(time.UnixMilli(ms))
	}
	// The turn of another time zone's year 9999 would be written in a way that cannot be read again.
	if at.Year() > 1 && at.Year() < 9999 {
		m.at = &at
	}
	return nil
}

// flag is what JavaScript takes for true or false.
type flag bool

// UnmarshalJSON never fails.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false", "0", `""`, `"false"`, `"0"`:
		*f = false
	default:
		*f = true
	}
	return nil
}
