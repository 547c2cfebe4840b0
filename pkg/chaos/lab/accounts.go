//go:build unix

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// accountInterval is the average time between two registrations. Each costs some tenths of a second of a core.
const accountInterval = time.Second

const firstPassword, secondPassword = "correct horse", "battery staple"

// accounts registers accounts, changes the passwords of some and deletes others, and keeps what was confirmed.
type accounts struct {
	client *client
	// confirmed are the accounts by email. One with a change that was not confirmed is left out.
	confirmed map[string]account
}

type account struct {
	password, token string
	deleted         bool
}

// run registers accounts until ctx ends.
func (a *accounts) run(ctx context.Context, rng *rand.Rand) {
	for n := 0; lifecycle.Sleep(ctx, between(rng, 0, 2*accountInterval)); n++ {
		email := fmt.Sprintf("user%d@example.org", n)
		if made, ok := a.create(ctx, rng, email, n); ok {
			a.confirmed[email] = made
		}
	}
}

// create registers one account, every third with another password afterwards, and every third is deleted. It returns false unless
// everything was confirmed.
func (a *accounts) create(ctx context.Context, rng *rand.Rand, email string, n int) (made account, ok bool) {
	data, ok := a.post(ctx, rng, "register", "", http.StatusCreated, map[string]string{"username": "Ann", "email": email, "password": firstPassword})
	if !ok {
		return account{}, false
	}
	var session struct{ Token string }
	if err := json.Unmarshal(data, &session); err != nil {
		a.client.model.Violation("parse session of %s: %v", email, err)
		return account{}, false
	}
	made = account{password: firstPassword, token: session.Token}
	switch n % 3 {
	case 1:
		made.password = secondPassword
		_, ok = a.post(ctx, rng, "change-password", made.token, http.StatusOK,
			map[string]string{"currentPassword": firstPassword, "newPassword": secondPassword})
	case 2:
		made.deleted = true
		_, ok = a.post(ctx, rng, "delete-account", made.token, http.StatusOK, map[string]string{"password": firstPassword})
	}
	return made, ok
}

// post sends a request about an account. It returns false unless the response has the wanted status, and records one that no fault
// explains.
func (a *accounts) post(ctx context.Context, rng *rand.Rand, what, token string, want int, body map[string]string) ([]byte, bool) {
	encoded, _ := json.Marshal(body) // Maps of strings never fail.
	var header []string
	if token != "" {
		header = []string{"Authorization", "Bearer " + token}
	}
	status, data, err := a.client.call(ctx, rng, 0, http.MethodPost, "/api/auth/"+what, encoded, header...)
	if err == nil && status != want && status < 500 && status != http.StatusTooManyRequests {
		a.client.model.Violation("%s of %s returned %d: %.300s", what, body["email"], status, data)
	}
	return data, err == nil && status == want
}

// verify checks that accounts can be signed in to, and that the sessions of those that were deleted are invalid.
func (a *accounts) verify(ctx context.Context, rng *rand.Rand) {
	for _, email := range slices.Sorted(maps.Keys(a.confirmed)) {
		made := a.confirmed[email]
		if !made.deleted {
			if _, ok := a.post(ctx, rng, "login", "", http.StatusOK, map[string]string{"email": email, "password": made.password}); !ok {
				a.client.model.Violation("account lost: %s", email)
			}
			continue
		}
		status, _, err := a.client.call(ctx, rng, 0, http.MethodGet, "/api/auth/validate", nil, "Authorization", "Bearer "+made.token)
		if err != nil || status != http.StatusUnauthorized {
			a.client.model.Violation("deleted account exists: %s, %d, %v", email, status, err)
		}
	}
}

// summary returns how many accounts there are.
func (a *accounts) summary() string {
	deleted := 0
	for _, made := range a.confirmed {
		if made.deleted {
			deleted++
		}
	}
	return fmt.Sprintf("%d confirmed; %d of them deleted", len(a.confirmed), deleted)
}
