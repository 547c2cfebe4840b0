package apikey

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Scope is what a key permits.
type Scope string

// The scopes. ScopeAdmin is that of all keys of the operator, and of no other.
const (
	ScopeSubmit Scope = "submit"
	ScopeRead   Scope = "read"
	ScopeAdmin  Scope = "admin"
)

// MemberScopes returns the scopes that keys of members can have.
func MemberScopes() []Scope { return []Scope{ScopeSubmit, ScopeRead} }

// The limits of what a key is created with.
const (
	MaxName     = 64                  // characters
	MaxLifetime = 5 * 365 * 24 * 3600 // seconds
	MaxLimit    = 1_000_000           // of each of Limits
	MaxKeys     = 50                  // of one owner, including expired ones
	kindMember  = "member"
	kindAdmin   = "operator"
	// adminOwner is in place of the owner of the operator's keys.
	adminOwner = "admin"
)

// Limits are the limits of a key, below those of its owner; 0 means none.
type Limits struct {
	// PerMinute and PerDay bound images and audio files, and three times as many texts.
	PerMinute int `json:"per_minute,omitempty"`
	PerDay    int `json:"per_day,omitempty"`
	// MaxActive bounds the jobs that are queued or running.
	MaxActive int `json:"max_active,omitempty"`
	// Budget bounds what the jobs of the key may cost.
	Budget job.Budget `json:"budget,omitzero"`
}

// Key is a key as it is stored.
type Key struct {
	V  int    `json:"v"`
	ID string `json:"id"`
	// Hash is the SHA-256 of the key in hexadecimal digits, and Shown its beginning.
	Hash   string  `json:"hash"`
	Shown  string  `json:"shown"`
	Name   string  `json:"name"`
	Scopes []Scope `json:"scopes"`
	Limits
	// Owner is the owner of a member's jobs, Account the key of its account and User the ID; all are empty for the operator's.
	Owner      string    `json:"owner,omitempty"`
	Account    string    `json:"account,omitempty"`
	User       string    `json:"user,omitempty"`
	CreatedAt  job.Time  `json:"created_at"`
	ExpiresAt  *job.Time `json:"expires_at,omitempty"`
	LastUsedAt *job.Time `json:"last_used_at,omitempty"`
}

// Has reports whether a key has a scope.
func (k *Key) Has(s Scope) bool { return slices.Contains(k.Scopes, s) }

// IsAdmin reports whether a key is one of the operator.
func (k *Key) IsAdmin() bool { return k.Owner == "" }

// Expired reports whether a key has expired.
func (k *Key) Expired(now time.Time) bool { return k.ExpiresAt != nil && !now.Before(k.ExpiresAt.Time) }

// check rejects an incomplete record, and with kv.ErrNewer one of a newer version of the program.
func (k *Key) check() error {
	if err := kv.CheckVersion(k.V); err != nil {
		return err
	}
	if k.V < 1 || k.ID == "" || len(k.Hash) != hex.EncodedLen(len(hash{})) || (k.Owner == "") != (k.Account == "") {
		return errors.New("incomplete")
	}
	return nil
}

// Request is what a key is created with.
type Request struct {
	Name   string
	Scopes []string
	// ExpiresIn is in seconds, and nil for a key that does not expire. Nil limits are none.
	ExpiresIn                    *int
	PerMinute, PerDay, MaxActive *int
	// BudgetPerDay and BudgetPerMonth are decimal numbers.
	BudgetPerDay, BudgetPerMonth *string
}

// Check returns the errors of a request, with pointers to members of its JSON. allowed are the scopes that the key may have.
func (r *Request) Check(allowed []Scope) []job.FieldError {
	faults := checkName(r.Name)
	if len(r.Scopes) == 0 {
		faults = append(faults, job.FieldError{Pointer: "/scopes", Code: "required"})
	}
	for i, s := range r.Scopes {
		if slices.Contains(allowed, Scope(s)) {
			continue
		}
		names := make([]string, len(allowed))
		for i, a := range allowed {
			names[i] = string(a)
		}
		faults = append(faults, job.FieldError{
			Pointer: "/scopes/" + strconv.Itoa(i), Code: "unknown_value", Args: map[string]string{"known": strings.Join(names, ", ")},
		})
	}
	for _, limit := range []struct {
		pointer string
		value   *int
		most    int
	}{
		{"/expires_in", r.ExpiresIn, MaxLifetime},
		{"/per_minute", r.PerMinute, MaxLimit},
		{"/per_day", r.PerDay, MaxLimit},
		{"/max_active", r.MaxActive, MaxLimit},
	} {
		if limit.value != nil && (*limit.value < 1 || *limit.value > limit.most) {
			faults = append(faults, job.FieldError{
				Pointer: limit.pointer, Code: "out_of_range", Args: map[string]string{"min": "1", "max": strconv.Itoa(limit.most)},
			})
		}
	}
	_, wrong := job.ParseBudget("/budget_per_day", r.BudgetPerDay, "/budget_per_month", r.BudgetPerMonth)
	return append(faults, wrong...)
}

func checkName(name string) []job.FieldError {
	const pointer = "/name"
	switch name = strings.TrimSpace(name); {
	case name == "":
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	case utf8.RuneCountInString(name) > MaxName:
		return []job.FieldError{{Pointer: pointer, Code: "too_long", Args: map[string]string{"max": strconv.Itoa(MaxName)}}}
	case strings.ContainsFunc(name, unicode.IsControl):
		return []job.FieldError{{Pointer: pointer, Code: "control_character"}}
	}
	return nil
}

// key returns the key of a valid request, without its owner, hash and ID.
func (r *Request) key(now time.Time) Key {
	k := Key{
		V: job.Version, Name: strings.TrimSpace(r.Name), CreatedAt: job.At(now),
		Limits: Limits{PerMinute: value(r.PerMinute), PerDay: value(r.PerDay), MaxActive: value(r.MaxActive)},
	}
	k.Budget, _ = job.ParseBudget("", r.BudgetPerDay, "", r.BudgetPerMonth) // It has passed Check.
	for _, s := range r.Scopes {
		if !k.Has(Scope(s)) {
			k.Scopes = append(k.Scopes, Scope(s))
		}
	}
	if r.ExpiresIn != nil {
		at := job.At(now.Add(time.Duration(*r.ExpiresIn) * time.Second))
		k.ExpiresAt = &at
	}
	return k
}

func value(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
