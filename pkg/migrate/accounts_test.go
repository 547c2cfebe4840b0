package migrate_test

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/migrate"
)

// recordOf returns the record of an account in one of the two formats of the old system.
func recordOf(t testing.TB, n int) fields {
	t.Helper()
	f := fields{
		"id": fmt.Sprintf("%032x", n), "username": fmt.Sprintf("用户 %d", n), "email": fmt.Sprintf("user%d@example.org", n),
		"createdAt": "2024-05-06T07:08:09.123Z", "lastLoginAt": nil, "isActive": true,
	}
	if n%2 == 0 {
		salt := fmt.Sprintf("%032x", n*7)
		sum := sha256.Sum256([]byte(password + salt))
		f["passwordHash"], f["salt"] = hex.EncodeToString(sum[:]), salt
		return f
	}
	return withPassword(t, f, password)
}

// withPassword sets the password of a record, hashed with PBKDF2.
func withPassword(t testing.TB, f fields, password string) fields {
	t.Helper()
	const salt, iterations, length = "00112233445566778899aabbccddeeff", 1000, 64
	hash, err := pbkdf2.Key(sha256.New, password, []byte(salt), iterations, length)
	must(t, err)
	f["passwordHash"], f["salt"] = hex.EncodeToString(hash), salt
	f["passwordAlgorithm"], f["passwordIterations"], f["passwordKeyLength"], f["passwordDigest"] = "pbkdf2", iterations, length, "sha256"
	return f
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	a, now, b := openAccounts(t, func(cfg *account.Config) { cfg.Iterations = 2000 })
	const people = 50
	entries := []fields{
		exported(t, "name", "RATE_LIMIT:guest:1.2.3.4", 3, false), exported(t, "name", "USAGE:user:x:2025-01-01", fields{"n": 1}, true),
		exported(t, "name", "__health__:users:1732345678901", "ok", true),
	}
	for n := range people {
		r := recordOf(t, n)
		entries = append(entries, exported(t, []string{"name", "key"}[n%2], r["email"].(string), r, n%3 == 0))
	}
	done, err := migrate.Accounts(t.Context(), a, export(t, entries...), now.Now())
	must(t, err)
	if done.Imported != people || done.Kept != 0 || done.Foreign != 3 || len(done.Skipped) != 0 {
		t.Fatalf("the first import: %+v", done)
	}
	for n := range people {
		address := fmt.Sprintf("user%d@example.org", n)
		u, err := a.Login(t.Context(), address, password)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if u.ID != fmt.Sprintf("%032x", n) || u.Iterations != 2000 || u.CreatedAt.String() != "2024-05-06T07:08:09.123Z" {
			t.Errorf("%s is %+v", address, u)
		}
		old, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"userId": u.ID, "email": u.Email, "exp": now.Now().Unix() + 60}).SignedString([]byte(secret))
		must(t, err)
		if _, _, err := a.Identify(t.Context(), old); err != nil {
			t.Errorf("%s: a token of the old system: %v", address, err)
		}
	}
	before, err := stored(t, b, "user7@example.org")
	must(t, err)
	done, err = migrate.Accounts(t.Context(), a, export(t, entries...), now.Now())
	must(t, err)
	if done.Imported != 0 || done.Kept != people || len(done.Skipped) != 0 {
		t.Errorf("the second import: %+v", done)
	}
	after, err := stored(t, b, "user7@example.org")
	must(t, err)
	if before.Password != after.Password || before.LastLoginAt.String() != after.LastLoginAt.String() {
		t.Errorf("the second import changed %+v to %+v", before, after)
	}
}

func TestAccountsSkips(t *testing.T) {
	t.Parallel()
	good := func(changes fields) fields {
		r := recordOf(t, 2)
		for name, value := range changes {
			r[name] = value
		}
		return r
	}
	const key = "user2@example.org"
	for name, c := range map[string]struct {
		entries  []fields
		imported int
		reasons  string
	}{
		"empty":       {[]fields{}, 0, ""},
		"no account":  {[]fields{exported(t, "name", key, "text", false)}, 0, "1: its value is not the JSON of an account"},
		"null":        {[]fields{{"name": key, "value": nil}}, 0, "1: its value is not the JSON of an account"},
		"no value":    {[]fields{{"name": key}}, 0, "1: its value is not the JSON of an account"},
		"no id":       {[]fields{exported(t, "name", key, good(fields{"id": ""}), false)}, 0, "1: it has no id"},
		"no address":  {[]fields{exported(t, "name", "x", good(fields{"email": ""}), false)}, 0, "1: it has no email address"},
		"key only":    {[]fields{exported(t, "name", key, good(fields{"email": ""}), false)}, 1, ""},
		"another key": {[]fields{exported(t, "name", "eve@example.org", good(nil), false)}, 0, "1: its key differs from its email address"},
		"no password": {[]fields{exported(t, "name", key, good(fields{"passwordHash": ""}), false)}, 0, "1: it has no password and no other way to sign in"},
		"google":      {[]fields{exported(t, "name", key, good(fields{"passwordHash": "", "authProvider": "google", "googleInfo": fields{"id": "7"}}), false)}, 1, ""},
		"twice":       {[]fields{exported(t, "name", key, good(nil), false), exported(t, "name", key, good(nil), false)}, 1, ""},
		"capital letters": {[]fields{
			exported(t, "name", "USER2@example.org", good(fields{"id": "old"}), false), exported(t, "name", key, good(nil), false),
		}, 1, "1: another account has its email address"},
		"same id": {[]fields{
			exported(t, "name", key, good(nil), false), exported(t, "name", "eve@example.org", good(fields{"email": "eve@example.org"}), false),
		}, 1, "2: another account has its id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, now, b := openAccounts(t)
			done, err := migrate.Accounts(t.Context(), a, export(t, c.entries...), now.Now())
			must(t, err)
			var reasons []string
			for _, s := range done.Skipped {
				reasons = append(reasons, fmt.Sprintf("%d: %s", s.Entry, s.Reason))
			}
			if got := strings.Join(reasons, "; "); got != c.reasons || done.Imported != c.imported {
				t.Errorf("%d imported, skipped %s", done.Imported, got)
			}
			if u, err := stored(t, b, key); c.imported == 1 && (err != nil || u.ID == "old") {
				t.Errorf("imported %+v, %v", u, err)
			}
		})
	}
}

// TestAccountsOfTwoCopies imports an account that the old system stored under the address as it was typed and in lower case: only
// one of the copies has the later password.
func TestAccountsOfTwoCopies(t *testing.T) {
	t.Parallel()
	const later, neither = "2025-06-01T00:00:00.000Z", "later, and longer"
	set := func(at, pass string) fields {
		f := withPassword(t, recordOf(t, 1), pass)
		f["passwordUpdatedAt"] = at
		return f
	}
	first := set("2024-05-06T07:08:09.123Z", password)
	for name, c := range map[string]struct {
		typed, lower fields
		good         string
	}{
		"typed is newer": {set(later, neither), first, neither},
		"lower is newer": {first, set(later, neither), neither},
		"the same":       {first, first, password},
		"no times":       {set("", neither), set("", password), password},
		"time in typed":  {set(later, neither), recordOf(t, 1), neither},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, now, b := openAccounts(t)
			entries := []fields{exported(t, "name", "User1@Example.org", c.typed, false), exported(t, "name", "user1@example.org", c.lower, false)}
			done, err := migrate.Accounts(t.Context(), a, export(t, entries...), now.Now())
			must(t, err)
			if done.Imported != 1 || done.Kept != 1 {
				t.Errorf("imported %+v", done)
			}
			u, err := a.Login(t.Context(), "USER1@example.org", c.good)
			if err != nil {
				t.Fatal(err)
			}
			// A second import keeps the rehashed password.
			if _, err := migrate.Accounts(t.Context(), a, export(t, entries...), now.Now()); err != nil {
				t.Fatal(err)
			}
			if after, err := stored(t, b, "user1@example.org"); err != nil || after.Password != u.Password {
				t.Errorf("the second import changed %+v to %+v, %v", u, after, err)
			}
		})
	}
}

func TestAccountsOfMalformedExports(t *testing.T) {
	t.Parallel()
	a, now, _ := openAccounts(t)
	const email = "ann@example.org"
	_, err := a.Register(t.Context(), "Ann", email, password)
	must(t, err)
	for _, text := range []string{"", "{}", "null", "[", "[1]", `["x"]`, `[{"name":1}]`, `[{"name":"a@b.c","value":"{}"}`} {
		if _, err := migrate.Accounts(t.Context(), a, strings.NewReader(text), now.Now()); err == nil || strings.Contains(err.Error(), "a@b.c") {
			t.Errorf("%q: %v", text, err)
		}
	}
	// Existing accounts are not replaced.
	r := recordOf(t, 2)
	r["email"] = email
	done, err := migrate.Accounts(t.Context(), a, export(t, exported(t, "name", email, r, false)), now.Now())
	must(t, err)
	if done.Imported != 0 || len(done.Skipped) != 1 {
		t.Errorf("replaced an account: %+v", done)
	}
	if _, err := a.Login(t.Context(), email, password); err != nil {
		t.Error(err)
	}
}

func FuzzAccounts(f *testing.F) {
	a, now, _ := openAccounts(f)
	f.Add(`[{"name":"a@b.c","value":"{\"id\":\"1\",\"passwordHash\":\"ab\"}"}]`)
	f.Add(`[{"key":"a@b.c","value":{"id":"1","email":"a@b.c","authProvider":"google","v":9,"tokenVersion":-1}}]`)
	f.Add(`[{}]`)
	f.Add(`[{"key":"a@b.d","value":{"id":"2","passwordHash":"ab","createdAt":"9999-12-31T23:59:59-01:00","lastLoginAt":"0000-01-01T00:00:00+01:00"}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := migrate.Accounts(t.Context(), a, strings.NewReader(text), now.Now()); err != nil && errors.Is(err, account.ErrTaken) {
			t.Error(err)
		}
		// All imported accounts can be decoded.
		_, err := migrate.Accounts(t.Context(), a, strings.NewReader("[]"), now.Now())
		must(t, err)
	})
}
