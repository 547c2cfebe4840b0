package migrate_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/migrate"
)

// TestFiftyAccounts imports the fifty records in testdata/accounts.json, whose hashes were computed by Python's hashlib: both formats
// alternately, with the parameters of several installations and with fields that are missing, null or of another type.
func TestFiftyAccounts(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/accounts.json")
	must(t, err)
	a, now, b := openAccounts(t, func(cfg *account.Config) { cfg.Iterations = 2000 })
	done, err := migrate.Accounts(t.Context(), a, bytes.NewReader(data), now.Now())
	must(t, err)
	if done.Imported != 50 || len(done.Skipped) != 0 || done.Unverifiable != 0 {
		t.Fatalf("imported %+v", done)
	}
	const given = "geheim-密码-%02d"
	byEmail := map[string]*account.User{}
	for n := range 50 {
		email := fmt.Sprintf("person%02d@example.org", n)
		before, err := stored(t, b, email)
		must(t, err)
		if _, err := a.Login(t.Context(), email, fmt.Sprintf(given, n+1)); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("login of %s with a wrong password: %v", email, err)
		}
		if _, err := a.Login(t.Context(), email, fmt.Sprintf(given, n)); err != nil {
			t.Errorf("%s: %v", email, err)
			continue
		}
		u, err := stored(t, b, email)
		must(t, err)
		byEmail[email] = u
		// One record has no iterations, which means 120,000; for the other digests that many count as weaker.
		isWeak := before.Algorithm == "" || (before.Iterations > 0 && before.Iterations < 2000) || before.Digest == "sha512" || before.Digest == "sha384"
		if isWeak && (u.Password == before.Password || u.Algorithm != "pbkdf2" || u.Iterations != 2000) {
			t.Errorf("%s was not rehashed: %+v", email, u.Password)
		}
		if u.Username == "" || u.ID == "" || u.TokenVersion != 0 || u.CreatedAt.Year() < 2024 || u.CreatedAt.After(now.Now()) {
			t.Errorf("%s is %+v", email, u)
		}
	}
	if created := byEmail["person21@example.org"].CreatedAt.String(); created != "2024-05-06T07:08:09.123Z" {
		t.Errorf("the time in milliseconds was imported as %s", created)
	}
	done, err = migrate.Accounts(t.Context(), a, bytes.NewReader(data), now.Now())
	must(t, err)
	if done.Imported != 0 || done.Kept != 50 || len(done.Skipped) != 0 {
		t.Errorf("the second import: %+v", done)
	}
	for email, want := range byEmail {
		got, err := stored(t, b, email)
		must(t, err)
		if got.Password != want.Password || got.LastLoginAt.String() != want.LastLoginAt.String() || got.CreatedAt != want.CreatedAt {
			t.Errorf("the second import changed %s", email)
		}
	}
}

// TestUnverifiableHashes imports passwords with hashes of unknown formats.
func TestUnverifiableHashes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes fields
		want    int
	}{
		"valid":             {nil, 0},
		"unknown digest":    {fields{"passwordDigest": "whirlpool"}, 1},
		"unknown algorithm": {fields{"passwordAlgorithm": "scrypt"}, 1},
		"not hex":           {fields{"passwordHash": "zz"}, 1},
		"truncated":         {fields{"passwordHash": "abcd"}, 1},
		"no rounds":         {fields{"passwordIterations": -1}, 1},
		"too many rounds":   {fields{"passwordIterations": 1e30}, 1},
		"half a round":      {fields{"passwordIterations": 1.5}, 0}, // Counts as missing.
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, now, _ := openAccounts(t)
			r := recordOf(t, 3)
			for name, value := range c.changes {
				r[name] = value
			}
			done, err := migrate.Accounts(t.Context(), a, export(t, exported(t, "name", "user3@example.org", r, true)), now.Now())
			must(t, err)
			if done.Imported != 1 || done.Unverifiable != c.want {
				t.Errorf("imported %+v", done)
			}
			_, err = a.Login(t.Context(), "user3@example.org", password)
			if c.want == 1 && !errors.Is(err, account.ErrCredentials) {
				t.Errorf("login: %v", err)
			}
			// The owner can reset the password.
			_, token, err := a.BeginReset(t.Context(), "user3@example.org")
			must(t, err)
			_, err = a.Reset(t.Context(), token, "another one")
			must(t, err)
			if _, err := a.Login(t.Context(), "user3@example.org", "another one"); err != nil {
				t.Errorf("after a reset: %v", err)
			}
		})
	}
}

// TestDisabledAccounts imports all values that disable an account.
func TestDisabledAccounts(t *testing.T) {
	t.Parallel()
	a, now, _ := openAccounts(t)
	for n, value := range []any{false, 0, "false", "", "0"} {
		r := recordOf(t, 2*n)
		r["isActive"] = value
		address, _ := r["email"].(string)
		_, err := migrate.Accounts(t.Context(), a, export(t, exported(t, "name", address, r, false)), now.Now())
		must(t, err)
		if _, err := a.Login(t.Context(), address, password); !errors.Is(err, account.ErrDisabled) {
			t.Errorf("%v: %v", value, err)
		}
	}
}
