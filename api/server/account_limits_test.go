package server_test

import (
	"fmt"
	"net/http"
	"testing"
)

// TestPasswordGuessingDoesNotLockOutOwner guesses passwords from one address, and then from many networks.
func TestPasswordGuessingDoesNotLockOutOwner(t *testing.T) {
	t.Parallel()
	b := setup(t, behindProxy)
	const home, away = "198.51.100.7", "192.0.2.7"
	signIn := func(address, password string) *reply {
		t.Helper()
		return b.auth(t, "login", fields{"email": annEmail, "password": password}, fromIP(address))
	}
	b.auth(t, "register", fields{"username": "Ann", "email": annEmail, "password": annPassword}, fromIP(home)).expect(t, http.StatusCreated)
	for n := range 150 {
		if resp := signIn("203.0.113.9", "wrong"); (resp.StatusCode == http.StatusUnauthorized) != (n < 10) {
			t.Fatalf("guess %d: status %d", n+1, resp.StatusCode)
		}
	}
	// Rejected attempts count neither against the owner nor against other accounts tried from the same address.
	signIn(away, annPassword).expect(t, http.StatusOK)
	b.auth(t, "login", fields{"email": "bob@example.org", "password": "wrong"}, fromIP("203.0.113.9")).accountError(t, http.StatusUnauthorized, "wrong_credentials")
	for network := range 10 {
		for range 10 {
			signIn(fmt.Sprintf("10.0.%d.1", network), "wrong")
		}
	}
	signIn("10.1.0.1", annPassword).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	for _, known := range []string{home, "198.51.100.200", away} {
		signIn(known, annPassword).expect(t, http.StatusOK)
	}
	for range 10 {
		signIn(home, "wrong").accountError(t, http.StatusUnauthorized, "wrong_credentials")
	}
	signIn(home, annPassword).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
}
