package account_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// exported writes what Cloudflare KV exports: a text as the value, or with bare the JSON itself.
func exported(t testing.TB, name, key string, record any, bare bool) fields {
	t.Helper()
	if bare {
		return fields{name: key, "value": record}
	}
	text, err := json.Marshal(record)
	must(t, err)
	return fields{name: key, "value": string(text)}
}

func export(t testing.TB, entries ...fields) *strings.Reader {
	t.Helper()
	b, err := json.Marshal(entries)
	must(t, err)
	return strings.NewReader(string(b))
}

// imported makes the record of a person in one of the two formats of the system before.
func imported(t testing.TB, n int) fields {
	t.Helper()
	f := fields{
		"id": fmt.Sprintf("%032x", n), "username": fmt.Sprintf("用户 %d", n), "email": fmt.Sprintf("user%d@example.org", n),
		"createdAt": "2024-05-06T07:08:09.123Z", "lastLoginAt": nil, "isActive": true,
	}
	var p account.Password
	if n%2 == 0 {
		p = legacy(fmt.Sprintf("%032x", n*7))
	} else {
		var err error
		p, err = account.HashPassword(password, account.Password{Algorithm: "pbkdf2", Iterations: 1000, KeyLength: 64, Digest: "sha256"})
		must(t, err)
		f["passwordAlgorithm"], f["passwordIterations"], f["passwordKeyLength"], f["passwordDigest"] = "pbkdf2", 1000, 64, "sha256"
	}
	f["passwordHash"], f["salt"] = p.Hash, p.Salt
	return f
}

func TestImport(t *testing.T) {
	t.Parallel()
	a, now := open(t, func(cfg *account.Config) { cfg.Iterations = 2000 })
	const people = 50
	entries := []fields{
		exported(t, "name", "RATE_LIMIT:guest:1.2.3.4", 3, false), exported(t, "name", "USAGE:user:x:2025-01-01", fields{"n": 1}, true),
		exported(t, "name", "__health__:users:1732345678901", "ok", true),
	}
	for n := range people {
		record := imported(t, n)
		entries = append(entries, exported(t, []string{"name", "key"}[n%2], record["email"].(string), record, n%3 == 0))
	}
	done, err := a.Import(t.Context(), export(t, entries...))
	must(t, err)
	if done.Imported != people || done.Kept != 0 || done.Foreign != 3 || len(done.Skipped) != 0 {
		t.Fatalf("the first time %+v", done)
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
		old := forge(t, secret, fields{"alg": "HS256", "typ": "JWT"}, fields{"userId": u.ID, "email": u.Email, "exp": now.Now().Unix() + 60})
		if _, _, err := a.Identify(t.Context(), old); err != nil {
			t.Errorf("%s: the token from before the move: %v", address, err)
		}
	}
	before, err := a.Read(t.Context(), "user7@example.org")
	must(t, err)
	done, err = a.Import(t.Context(), export(t, entries...))
	must(t, err)
	if done.Imported != 0 || done.Kept != people || len(done.Skipped) != 0 {
		t.Errorf("the second time %+v", done)
	}
	after, err := a.Read(t.Context(), "user7@example.org")
	must(t, err)
	if before.Password != after.Password || before.LastLoginAt.String() != after.LastLoginAt.String() {
		t.Errorf("the second import changed %+v to %+v", before, after)
	}
}

func TestImportSkips(t *testing.T) {
	t.Parallel()
	good := func(changes fields) fields {
		record := imported(t, 2)
		for name, value := range changes {
			record[name] = value
		}
		return record
	}
	const key = "user2@example.org"
	for name, c := range map[string]struct {
		entries  []fields
		imported int
		reasons  string
	}{
		"nothing":      {[]fields{}, 0, ""},
		"no account":   {[]fields{exported(t, "name", key, "text", false)}, 0, "1: its value is not the JSON of an account"},
		"null":         {[]fields{{"name": key, "value": nil}}, 0, "1: its value is not the JSON of an account"},
		"no value":     {[]fields{{"name": key}}, 0, "1: its value is not the JSON of an account"},
		"no id":        {[]fields{exported(t, "name", key, good(fields{"id": ""}), false)}, 0, "1: it has no id"},
		"no address":   {[]fields{exported(t, "name", "x", good(fields{"email": ""}), false)}, 0, "1: it has no e-mail address"},
		"its key says": {[]fields{exported(t, "name", key, good(fields{"email": ""}), false)}, 1, ""},
		"another key":  {[]fields{exported(t, "name", "eve@example.org", good(nil), false)}, 0, "1: its key is another address than its own"},
		"no password":  {[]fields{exported(t, "name", key, good(fields{"passwordHash": ""}), false)}, 0, "1: it has no password and no other way to sign in"},
		"google":       {[]fields{exported(t, "name", key, good(fields{"passwordHash": "", "authProvider": "google", "googleInfo": fields{"id": "7"}}), false)}, 1, ""},
		"twice":        {[]fields{exported(t, "name", key, good(nil), false), exported(t, "name", key, good(nil), false)}, 1, ""},
		"capital letters": {[]fields{
			exported(t, "name", "USER2@example.org", good(fields{"id": "old"}), false), exported(t, "name", key, good(nil), false),
		}, 1, "1: another account has its e-mail address"},
		"same id": {[]fields{
			exported(t, "name", key, good(nil), false), exported(t, "name", "eve@example.org", good(fields{"email": "eve@example.org"}), false),
		}, 1, "2: another account has its id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			done, err := a.Import(t.Context(), export(t, c.entries...))
			must(t, err)
			var reasons []string
			for _, s := range done.Skipped {
				reasons = append(reasons, fmt.Sprintf("%d: %s", s.Entry, s.Reason))
			}
			if got := strings.Join(reasons, "; "); got != c.reasons || done.Imported != c.imported {
				t.Errorf("%d imported, skipped %s", done.Imported, got)
			}
			if u, err := a.Read(t.Context(), key); c.imported == 1 && (err != nil || u.ID == "old") {
				t.Errorf("imported %+v, %v", u, err)
			}
		})
	}
}

// TestImportOfTwoCopies imports somebody whom the system before kept under the address as it was typed and, since some day,
// in small letters as well: a password that was set later is in one of the two alone.
func TestImportOfTwoCopies(t *testing.T) {
	t.Parallel()
	const later, neither = "2025-06-01T00:00:00.000Z", "later, and longer"
	set := func(at, pass string) fields {
		p, err := account.HashPassword(pass, account.Password{Algorithm: "pbkdf2", Iterations: 1000, KeyLength: 64, Digest: "sha256"})
		must(t, err)
		f := imported(t, 1)
		f["passwordHash"], f["salt"], f["passwordUpdatedAt"] = p.Hash, p.Salt, at
		return f
	}
	first := set("2024-05-06T07:08:09.123Z", password)
	for name, c := range map[string]struct {
		typed, small fields
		good         string
	}{
		"typed is newer": {set(later, neither), first, neither},
		"small is newer": {first, set(later, neither), neither},
		"the same":       {first, first, password},
		"no times":       {set("", neither), set("", password), password},
		"time in typed":  {set(later, neither), imported(t, 1), neither},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			entries := []fields{exported(t, "name", "User1@Example.org", c.typed, false), exported(t, "name", "user1@example.org", c.small, false)}
			done, err := a.Import(t.Context(), export(t, entries...))
			must(t, err)
			if done.Imported != 1 || done.Kept != 1 {
				t.Errorf("imported %+v", done)
			}
			u, err := a.Login(t.Context(), "USER1@example.org", c.good)
			if err != nil {
				t.Fatal(err)
			}
			// A password that was strengthened here stays.
			if _, err := a.Import(t.Context(), export(t, entries...)); err != nil {
				t.Fatal(err)
			}
			if after, err := a.Read(t.Context(), "user1@example.org"); err != nil || after.Password != u.Password {
				t.Errorf("the second import changed %+v to %+v, %v", u, after, err)
			}
		})
	}
}

func TestImportOfSomethingElse(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	register(t, a)
	for _, text := range []string{"", "{}", "null", "[", "[1]", `["x"]`, `[{"name":1}]`, `[{"name":"a@b.c","value":"{}"}`} {
		if _, err := a.Import(t.Context(), strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "a@b.c") {
			t.Errorf("%q: %v", text, err)
		}
	}
	// An account of here is never replaced.
	record := imported(t, 2)
	record["email"] = email
	done, err := a.Import(t.Context(), export(t, exported(t, "name", email, record, false)))
	must(t, err)
	if done.Imported != 0 || len(done.Skipped) != 1 {
		t.Errorf("imported over an account: %+v", done)
	}
	if _, err := a.Login(t.Context(), email, password); err != nil {
		t.Error(err)
	}
}

func FuzzImport(f *testing.F) {
	a, _ := open(f)
	f.Add(`[{"name":"a@b.c","value":"{\"id\":\"1\",\"passwordHash\":\"ab\"}"}]`)
	f.Add(`[{"key":"a@b.c","value":{"id":"1","email":"a@b.c","authProvider":"google","v":9,"tokenVersion":-1}}]`)
	f.Add(`[{}]`)
	f.Add(`[{"key":"a@b.d","value":{"id":"2","passwordHash":"ab","createdAt":"9999-12-31T23:59:59-01:00","lastLoginAt":"0000-01-01T00:00:00+01:00"}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := a.Import(t.Context(), strings.NewReader(text)); err != nil && errors.Is(err, account.ErrTaken) {
			t.Error(err)
		}
		// Whatever was taken can be read.
		_, err := a.Import(t.Context(), strings.NewReader("[]"))
		must(t, err)
	})
}
