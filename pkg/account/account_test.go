package account_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRegister(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	if u.Username != "Ann" || u.Email != email || !u.IsActive || u.Owner() != u.ID || !job.ValidToken(u.ID) || u.LastLoginAt != nil {
		t.Errorf("registered %+v", u)
	}
	for _, same := range []string{email, "ANN@example.ORG", " ann@example.org "} {
		if _, err := a.Register(t.Context(), "Eve", same, password); !errors.Is(err, account.ErrTaken) {
			t.Errorf("register %s again: %v", same, err)
		}
	}
	for _, typed := range []string{email, "Ann@EXAMPLE.org", " " + email} {
		got, err := a.Login(t.Context(), typed, password)
		if err != nil || got.ID != u.ID || got.LastLoginAt == nil {
			t.Errorf("%q: %+v, %v", typed, got, err)
		}
	}
	for _, wrong := range []string{"", password + " ", strings.ToUpper(password), strings.Repeat("x", 1<<16)} {
		if _, err := a.Login(t.Context(), email, wrong); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("%.20q: %v", wrong, err)
		}
	}
	if _, err := a.Login(t.Context(), "nobody@example.org", password); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("unknown address: %v", err)
	}
}

func TestConcurrentRegistrations(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	var succeeded, taken int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := a.Register(t.Context(), "Ann", email, password)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				succeeded++
			case errors.Is(err, account.ErrTaken):
				taken++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if succeeded != 1 || taken != 19 {
		t.Errorf("%d succeeded, %d returned ErrTaken; want 1 and 19", succeeded, taken)
	}
}

func TestDisabledAccounts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := record(legacy("ab"))
	u.IsActive = false
	must(t, a.Put(t.Context(), u))
	if _, err := a.Login(t.Context(), email, password); !errors.Is(err, account.ErrDisabled) {
		t.Errorf("login: %v", err)
	}
	// Without the password, the account must not be revealed.
	if _, err := a.Login(t.Context(), email, "wrong"); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("login with a wrong password: %v", err)
	}
	if _, _, err := a.BeginReset(t.Context(), email); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("reset: %v", err)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	if _, err := a.ChangePassword(t.Context(), u, "wrong", "another one"); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("change with a wrong password: %v", err)
	}
	if err := a.Confirm(t.Context(), u, account.Session{}, "wrong"); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("confirm with a wrong password: %v", err)
	}
	must(t, a.Confirm(t.Context(), u, account.Session{}, password))
	changed, err := a.ChangePassword(t.Context(), u, password, "another one")
	must(t, err)
	if changed.TokenVersion != 1 || changed.Password == u.Password {
		t.Errorf("after the change: %+v", changed)
	}
	if _, err := a.Login(t.Context(), email, password); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := a.Login(t.Context(), email, "another one"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if got, err := a.Rename(t.Context(), u, " Anna "); err != nil || got.Username != "Anna" || got.TokenVersion != 1 {
		t.Errorf("after Rename: %+v, %v", got, err)
	}
	must(t, a.Delete(t.Context(), u))
	for name, err := range map[string]error{
		"delete": a.Delete(t.Context(), u), "sign out": a.SignOut(t.Context(), u, account.Session{}, true),
	} {
		if !errors.Is(err, account.ErrUnknown) {
			t.Errorf("%s without an account: %v", name, err)
		}
	}
	other := register(t, a)
	if _, err := a.Rename(t.Context(), u, "Eve"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("rename another account: %v", err)
	}
	if err := a.Delete(t.Context(), u); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("delete another account: %v", err)
	}
	if _, err := a.Read(t.Context(), other.Email); err != nil {
		t.Error(err)
	}
}

func TestResets(t *testing.T) {
	t.Parallel()
	a, now := open(t)
	ann := register(t, a)
	_, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
	must(t, err)
	begin := func(email string) string {
		t.Helper()
		u, token, err := a.BeginReset(t.Context(), email)
		must(t, err)
		if u.Email != strings.ToLower(email) {
			t.Errorf("the account of the reset is %s", u.Email)
		}
		return token
	}
	expectInvalid := func(what, token string) {
		t.Helper()
		if _, err := a.Reset(t.Context(), token, "mine now"); !errors.Is(err, account.ErrReset) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := a.BeginReset(t.Context(), "nobody@example.org"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("unknown address: %v", err)
	}
	first := begin("ANN@example.org")
	second := begin(email)
	expectInvalid("a replaced token", first)
	for _, bad := range []string{"", "x", second + "A", second[:len(second)-1], strings.ToUpper(second), strings.Repeat("A", len(second))} {
		expectInvalid("an altered token", bad)
	}
	bob := begin("bob@example.org")
	// The first 42 characters encode only the key of the account.
	expectInvalid("a token with the secret of another account", second[:42]+bob[42:])
	expectInvalid("a token with the secret of another account", bob[:42]+second[42:])
	_, err = a.Reset(t.Context(), second, "another one")
	must(t, err)
	expectInvalid("a used token", second)
	if _, err := a.Login(t.Context(), email, "another one"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, err := a.Login(t.Context(), "bob@example.org", password); err != nil {
		t.Errorf("Bob's password: %v", err)
	}
	old := begin(email)
	_, err = a.ChangePassword(t.Context(), ann, "another one", "a third one")
	must(t, err)
	expectInvalid("a token from before a change of the password", old)
	late := begin(email)
	now.Advance(account.ResetAge)
	expectInvalid("an expired token", late)
	gone := begin(email)
	must(t, a.Delete(t.Context(), ann))
	expectInvalid("a token of a deleted account", gone)
	register(t, a)
	expectInvalid("a token of an earlier account with the address", gone)
}

func TestConcurrentResets(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	register(t, a)
	_, token, err := a.BeginReset(t.Context(), email)
	must(t, err)
	outcomes := make(chan error, 10)
	for range cap(outcomes) {
		go func() {
			_, err := a.Reset(t.Context(), token, "another one")
			outcomes <- err
		}()
	}
	succeeded := 0
	for range cap(outcomes) {
		err := <-outcomes
		if err == nil {
			succeeded++
		} else if !errors.Is(err, account.ErrReset) {
			t.Error(err)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d resets succeeded, want 1", succeeded)
	}
}

func TestStoredShape(t *testing.T) {
	t.Parallel()
	at := job.At(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC))
	for name, u := range map[string]*account.User{
		"user_full": {
			V: 1, ID: "id", Username: "安", Email: email, Password: account.Password{Hash: "ab", Salt: "cd", Algorithm: "pbkdf2", Iterations: 1, KeyLength: 2, Digest: "sha256"},
			CreatedAt: at, LastLoginAt: &at, PasswordUpdatedAt: &at, IsActive: true, AuthProvider: "google", GoogleInfo: json.RawMessage(`{"id":"1"}`),
			TokenVersion: 3, SignedOut: []account.SignedOut{{Token: "ef", Until: at}},
		},
		"user_least": {V: 1, ID: "id", Username: "Ann", Email: email, CreatedAt: at},
	} {
		got, err := json.MarshalIndent(u, "", "  ")
		must(t, err)
		path := "testdata/" + name + ".json"
		if *update {
			must(t, os.MkdirAll("testdata", 0o750))
			must(t, os.WriteFile(path, append(got, '\n'), 0o600))
		}
		want, err := os.ReadFile(path)
		must(t, err)
		if string(got)+"\n" != string(want) {
			t.Errorf("%s is encoded as %s", name, got)
		}
		back, err := account.DecodeUser(want)
		must(t, err)
		again, err := json.MarshalIndent(back, "", "  ")
		must(t, err)
		if string(again) != string(got) {
			t.Errorf("%s is decoded as %s", name, again)
		}
	}
	if _, err := account.DecodeUser([]byte(`{"v":2,"id":"x","email":"y"}`)); !errors.Is(err, job.ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
	for _, broken := range []string{"", "{", "[]", "{}", `{"v":1}`, `{"v":1,"id":"x"}`} {
		if _, err := account.DecodeUser([]byte(broken)); err == nil {
			t.Errorf("%q is decoded", broken)
		}
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, id := range []string{"0123456789abcdef", "a_b-C", "guest", "g-AAAAAAAAAAAAAAAAAAAAAA", "u-0123", "google.1", "*", ">", "a b", strings.Repeat("x", 65), "", "安"} {
		owner := (&account.User{ID: id}).Owner()
		if !job.ValidToken(owner) || owner == job.OwnerAnonymous || strings.HasPrefix(owner, "g-") || seen[owner] != "" {
			t.Errorf("the owner of %q is %q", id, owner)
		}
		seen[owner] = id + "!"
	}
	if seen["0123456789abcdef"] == "" || seen["a_b-C"] == "" {
		t.Errorf("valid IDs are replaced: %v", seen)
	}
}
