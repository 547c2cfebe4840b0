package account_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestLinkGoogle(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	ann, g := register(t, a), annAtGoogle()
	g.Email = "ann.private@example.org"
	linked, err := a.LinkGoogle(t.Context(), ann, g)
	must(t, err)
	if !linked.HasGoogle() || !linked.HasPassword() || linked.AuthProvider != "" || linked.Email != email {
		t.Errorf("after linking: %+v", linked)
	}
	_, err = a.LinkGoogle(t.Context(), ann, g)
	must(t, err)
	if u := signInGoogle(t, a, g); u.ID != ann.ID {
		t.Errorf("signed in to %+v", u)
	}
	bob, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
	must(t, err)
	if _, err := a.LinkGoogle(t.Context(), bob, g); !errors.Is(err, account.ErrLinked) {
		t.Errorf("link a second account: %v", err)
	}
	other := annAtGoogle()
	other.Subject = "2"
	if _, err := a.LinkGoogle(t.Context(), ann, other); !errors.Is(err, account.ErrOtherGoogle) {
		t.Errorf("link a second Google account: %v", err)
	}
	if id, err := a.LinkOf(t.Context(), "2"); err != nil || id != "" {
		t.Errorf("a link was left: %q, %v", id, err)
	}
	free, err := a.UnlinkGoogle(t.Context(), ann)
	must(t, err)
	if free.HasGoogle() {
		t.Errorf("after unlinking: %+v", free)
	}
	if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != "" {
		t.Errorf("a link was left: %q, %v", id, err)
	}
	g.Email = email
	expectRefused(t, a, g, account.ErrLinkRequired)
	if _, err := a.LinkGoogle(t.Context(), bob, g); err != nil {
		t.Errorf("link an unlinked Google account: %v", err)
	}
	only := signInGoogle(t, a, account.GoogleIdentity{Subject: "3", Email: "eve@example.org", Verified: true})
	if _, err := a.UnlinkGoogle(t.Context(), only); !errors.Is(err, account.ErrNoPassword) {
		t.Errorf("unlink an account without a password: %v", err)
	}
	must(t, a.Delete(t.Context(), bob))
	if _, err := a.LinkGoogle(t.Context(), bob, g); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("link a deleted account: %v", err)
	}
}

// TestResetRemovesLink registers an account with somebody else's address and links a Google account to it.
func TestResetRemovesLink(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	reset := func(email string) *account.User {
		t.Helper()
		_, token, err := a.BeginReset(t.Context(), email)
		must(t, err)
		u, err := a.Reset(t.Context(), token, "the owner's password")
		must(t, err)
		return u
	}
	eve := annAtGoogle()
	eve.Subject, eve.Email = "666", "eve@example.org"
	ann := register(t, a)
	_, err := a.LinkGoogle(t.Context(), ann, eve)
	must(t, err)
	if u := reset(email); u.HasGoogle() {
		t.Errorf("still linked: %+v", u)
	}
	if id, err := a.LinkOf(t.Context(), eve.Subject); err != nil || id != "" {
		t.Errorf("a link was left: %q, %v", id, err)
	}
	if u := signInGoogle(t, a, eve); u.ID == ann.ID {
		t.Error("the Google account can still sign in")
	}
	// The Cloudflare system has accounts with AuthProvider google and a password, but without a valid Google ID.
	_, err = a.Import(t.Context(), &account.User{
		ID: "cid", Email: "cid@example.org", IsActive: true, Password: account.Password{Hash: "00"},
		AuthProvider: account.ProviderGoogle, GoogleInfo: json.RawMessage(`{"id":7}`),
	})
	must(t, err)
	_, err = a.LinkGoogle(t.Context(), &account.User{ID: "cid", Email: "cid@example.org"}, account.GoogleIdentity{Subject: "667", Email: "eve@example.org", Verified: true})
	must(t, err)
	if u := reset("cid@example.org"); u.HasGoogle() {
		t.Errorf("still linked: %+v", u)
	}
	// An account that was created with Google keeps its link.
	bob := signInGoogle(t, a, account.GoogleIdentity{Subject: "2", Email: "bob@example.org", Verified: true})
	if u := reset("bob@example.org"); !u.HasGoogle() || !u.HasPassword() {
		t.Errorf("after the reset: %+v", u)
	}
	if u := signInGoogle(t, a, account.GoogleIdentity{Subject: "2", Email: "bob@example.org", Verified: true}); u.ID != bob.ID {
		t.Errorf("signed in to %+v", u)
	}
}

// TestGoogleAfterACrash stores what an operation leaves that crashed between two of its writes.
func TestGoogleAfterACrash(t *testing.T) {
	t.Parallel()
	g := annAtGoogle()
	for name, c := range map[string]struct {
		leave func(*testing.T, *account.Accounts) *account.User
		same  bool
	}{
		"created, link missing": {func(t *testing.T, a *account.Accounts) *account.User {
			u := signInGoogle(t, a, g)
			must(t, a.RemoveLink(t.Context(), u))
			return u
		}, true},
		"deleted, link left": {func(t *testing.T, a *account.Accounts) *account.User {
			u := signInGoogle(t, a, g)
			must(t, a.Delete(t.Context(), u))
			must(t, a.PutLink(t.Context(), g.Subject, u))
			return u
		}, false},
		"link to an earlier account": {func(t *testing.T, a *account.Accounts) *account.User {
			old := signInGoogle(t, a, g)
			must(t, a.Delete(t.Context(), old))
			u := signInGoogle(t, a, g)
			must(t, a.PutLink(t.Context(), g.Subject, old))
			return u
		}, true},
		"linked, record unchanged": {func(t *testing.T, a *account.Accounts) *account.User {
			u, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
			must(t, err)
			must(t, a.PutLink(t.Context(), g.Subject, u))
			return u
		}, false},
		"unlinked, link left": {func(t *testing.T, a *account.Accounts) *account.User {
			u, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
			must(t, err)
			_, err = a.LinkGoogle(t.Context(), u, g)
			must(t, err)
			_, err = a.UnlinkGoogle(t.Context(), u)
			must(t, err)
			must(t, a.PutLink(t.Context(), g.Subject, u))
			return u
		}, false},
		"link to an earlier account whose address has a new one": {func(t *testing.T, a *account.Accounts) *account.User {
			old := signInGoogle(t, a, account.GoogleIdentity{Subject: "2", Email: "bob@example.org", Verified: true})
			must(t, a.Delete(t.Context(), old))
			_, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
			must(t, err)
			must(t, a.PutLink(t.Context(), g.Subject, old))
			return old
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			left := c.leave(t, a)
			u := signInGoogle(t, a, g)
			if (u.ID == left.ID) != c.same || u.Email != email {
				t.Errorf("left %+v, signed in to %+v", left, u)
			}
			if again := signInGoogle(t, a, g); again.ID != u.ID {
				t.Errorf("the second sign-in is to %+v", again)
			}
			if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != u.ID {
				t.Errorf("the link is to %q, %v", id, err)
			}
		})
	}
}

// TestConcurrentFirstSignIns signs in with one Google account concurrently, with one address and with several.
func TestConcurrentFirstSignIns(t *testing.T) {
	t.Parallel()
	for name, addresses := range map[string]int{"one address": 1, "three addresses": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			const callers = 12
			got := make(chan string, callers)
			for n := range callers {
				go func() {
					g := annAtGoogle()
					g.Email = fmt.Sprintf("ann%d@example.org", n%addresses)
					u, err := a.SignInGoogle(t.Context(), g, admitAll)
					if err != nil {
						t.Error(err)
						u = &account.User{}
					}
					got <- u.ID
				}()
			}
			ids := map[string]int{}
			for range callers {
				ids[<-got]++
			}
			records := 0
			for n := range addresses {
				if _, err := a.Read(t.Context(), fmt.Sprintf("ann%d@example.org", n)); err == nil {
					records++
				}
			}
			if len(ids) != 1 || records != 1 {
				t.Errorf("signed in to %d accounts and created %d, want 1 each: %v", len(ids), records, ids)
			}
		})
	}
}

// TestConcurrentLinks links one Google account to several accounts concurrently.
func TestConcurrentLinks(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	const people = 6
	users := make([]*account.User, people)
	for n := range users {
		var err error
		users[n], err = a.Register(t.Context(), "U", fmt.Sprintf("u%d@example.org", n), password)
		must(t, err)
	}
	results := make(chan error, people)
	for _, u := range users {
		go func() {
			_, err := a.LinkGoogle(t.Context(), u, annAtGoogle())
			results <- err
		}()
	}
	linked := 0
	for range people {
		if err := <-results; err == nil {
			linked++
		} else if !errors.Is(err, account.ErrLinked) {
			t.Error(err)
		}
	}
	owner, err := a.LinkOf(t.Context(), annAtGoogle().Subject)
	must(t, err)
	records := 0
	for _, u := range users {
		now, err := a.Read(t.Context(), u.Email)
		must(t, err)
		if now.HasGoogle() {
			records++
			if now.ID != owner {
				t.Errorf("the record of %s is linked, but the link is to %s", now.ID, owner)
			}
		}
	}
	if linked != 1 || records != 1 {
		t.Errorf("%d calls succeeded and %d records are linked, want 1 each", linked, records)
	}
}

func TestImportedGoogleAccounts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	importAll := func() (created int) {
		for _, u := range []struct{ email, subject, lastLogin string }{
			{"ann@example.org", "1", "2025-01-01T00:00:00Z"},
			{"bob.old@example.org", "2", "2024-01-01T00:00:00Z"},
			{"bob@example.org", "2", "2025-01-01T00:00:00Z"},
			{"bob.older@example.org", "2", "2023-01-01T00:00:00Z"},
		} {
			lastLogin, err := time.Parse(time.RFC3339, u.lastLogin)
			must(t, err)
			isNew, err := a.Import(t.Context(), &account.User{
				ID: "id of " + u.email, Email: u.email, IsActive: true, AuthProvider: account.ProviderGoogle, LastLoginAt: job.AtPtr(lastLogin),
				GoogleInfo: json.RawMessage(fmt.Sprintf(`{"id":%q,"name":"N","picture":"https://p.example/x","locale":"en"}`, u.subject)),
			})
			must(t, err)
			if isNew {
				created++
			}
		}
		return created
	}
	importAll()
	for subject, want := range map[string]string{"1": "ann@example.org", "2": "bob@example.org"} {
		// The address at Google has changed since.
		u := signInGoogle(t, a, account.GoogleIdentity{Subject: subject, Email: "new" + subject + "@example.org", Verified: true})
		if u.Email != want {
			t.Errorf("%s signs in to %s", subject, u.Email)
		}
	}
	ann, err := a.Read(t.Context(), "ann@example.org")
	must(t, err)
	must(t, a.RemoveLink(t.Context(), ann))
	created := importAll()
	for subject, want := range map[string]string{"1": "id of ann@example.org", "2": "id of bob@example.org"} {
		if id, err := a.LinkOf(t.Context(), subject); err != nil || id != want || created != 0 {
			t.Errorf("after the second import %s is linked to %s, %v, %d created", subject, id, err, created)
		}
	}
}
