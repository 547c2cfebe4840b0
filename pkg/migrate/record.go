package migrate

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// record is an account in any of the formats of the old system over the years. A field that is missing, null or of another type
// is ignored, as long as the record contains an identity and a password hash.
type record struct {
	ID                text            `json:"id"`
	Username          text            `json:"username"`
	Email             text            `json:"email"`
	Hash              text            `json:"passwordHash"`
	Salt              text            `json:"salt"`
	Algorithm         text            `json:"passwordAlgorithm"`
	Iterations        integer         `json:"passwordIterations"`
	KeyLength         integer         `json:"passwordKeyLength"`
	Digest            text            `json:"passwordDigest"`
	CreatedAt         timestamp       `json:"createdAt"`
	LastLoginAt       timestamp       `json:"lastLoginAt"`
	PasswordUpdatedAt timestamp       `json:"passwordUpdatedAt"`
	IsActive          *boolean        `json:"isActive"`
	AuthProvider      text            `json:"authProvider"`
	GoogleInfo        json.RawMessage `json:"googleInfo"`
}

// readRecord returns the account of a record. now is its creation time if it has none.
func readRecord(data []byte, now time.Time) (*account.User, error) {
	var r *record
	if err := json.Unmarshal(data, &r); err != nil || r == nil {
		return nil, errors.New("not an account")
	}
	u := &account.User{
		ID: string(r.ID), Username: string(r.Username), Email: string(r.Email), Password: r.password(),
		CreatedAt: job.At(now), LastLoginAt: r.LastLoginAt.at, PasswordUpdatedAt: r.PasswordUpdatedAt.at,
		// Only an explicit value disables an account.
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

// password returns the password of a record with normalized names of algorithm and digest.
func (r *record) password() account.Password {
	name := func(t text) string { return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(string(t))), "-", "") }
	p := account.Password{
		Hash: string(r.Hash), Salt: string(r.Salt), Algorithm: name(r.Algorithm),
		Iterations: int(r.Iterations), KeyLength: int(r.KeyLength), Digest: name(r.Digest),
	}
	if p.Algorithm == "sha256" && p.Iterations == 0 {
		// The oldest format, with an explicit name.
		p.Algorithm, p.KeyLength, p.Digest = "", 0, ""
	}
	if !p.Legacy() && p.KeyLength == 0 {
		p.KeyLength = len(p.Hash) / 2 // The hash is hexadecimal.
	}
	return p
}

// text is a string, or a number as it is written. Anything else decodes as "".
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

// integer is a whole number, which may be encoded as a string. Anything else decodes as 0, and an out-of-range number as -1 or
// math.MaxInt32, which are out of range for every field.
type integer int

// UnmarshalJSON never fails.
func (i *integer) UnmarshalJSON(b []byte) error {
	var t text
	_ = t.UnmarshalJSON(b)
	f, err := strconv.ParseFloat(strings.TrimSpace(string(t)), 64)
	if err == nil && f == math.Trunc(f) {
		*i = integer(max(-1, min(f, math.MaxInt32)))
	}
	return nil
}

// timestamp is a time, or milliseconds since 1970. Anything else decodes as nil.
type timestamp struct{ at *job.Time }

// UnmarshalJSON never fails.
func (t *timestamp) UnmarshalJSON(b []byte) error {
	var at job.Time
	var ms int64
	switch {
	case at.UnmarshalJSON(b) == nil:
	case json.Unmarshal(b, &ms) == nil && ms > 0:
		at = job.At(time.UnixMilli(ms))
	}
	// The end of 9999 in another time zone would be encoded with a five-digit year, which cannot be decoded.
	if at.Year() > 1 && at.Year() < 9999 {
		t.at = &at
	}
	return nil
}

// boolean is false for all falsy values that JavaScript programs wrote.
type boolean bool

// UnmarshalJSON never fails.
func (f *boolean) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false", "0", `""`, `"false"`, `"0"`:
		*f = false
	default:
		*f = true
	}
	return nil
}
