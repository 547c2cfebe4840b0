package account_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// annAtGoogle is who Ann is at Google.
func annAtGoogle() account.GoogleIdentity {
	return account.GoogleIdentity{
		Subject: "110169484474386276334", Email: "Ann@Example.org", Verified: true,
		Name: "Ann O'Nym", Picture: "https://lh3.googleusercontent.com/a/ann", Locale: "en-GB",
	}
}

func everybody() error { return nil }

func signInGoogle(t testing.TB, a *account.Accounts, g account.GoogleIdentity) *account.User {
	t.Helper()
	u, err := a.SignInGoogle(t.Context(), g, everybody)
	must(t, err)
	return u
}

// refuses checks that somebody is not let in, that nothing is made, and that nobody's record changes.
func refuses(t testing.TB, a *account.Accounts, g account.GoogleIdentity, want error) {
	t.Helper()
	before, errBefore := a.Read(t.Context(), g.Email)
	if u, err := a.SignInGoogle(t.Context(), g, everybody); !errors.Is(err, want) || u != nil {
		t.Errorf("got %v, %v; want %v", u, err, want)
	}
	after, errAfter := a.Read(t.Context(), g.Email)
	if fmt.Sprint(before, errBefore) != fmt.Sprint(after, errAfter) {
		t.Errorf("the record changed from %v, %v to %v, %v", before, errBefore, after, errAfter)
	}
}

func TestGoogleMakesAnAccount(t *testing.T) {
	t.Parallel()
	a, clock := open(t)
	g := annAtGoogle()
	no := errors.New("no more accounts")
	if _, err := a.SignInGoogle(t.Context(), g, func() error { return no }); !errors.Is(err, no) {
		t.Errorf("not admitted: %v", err)
	}
	u := signInGoogle(t, a, g)
	if u.Email != email || u.Username != g.Name || u.AuthProvider != "google" || u.HasPassword() || !u.HasGoogle() || u.Avatar() != g.Picture || u.LastLoginAt == nil {
		t.Errorf("made %+v", u)
	}
	if want := `{"id":"110169484474386276334","name":"Ann O'Nym","picture":"https://lh3.googleusercontent.com/a/ann","locale":"en-GB"}`; string(u.GoogleInfo) != want {
		t.Errorf("stored %s", u.GoogleInfo)
	}
	clock.advance(time.Hour)
	// The address changed hands at Google, the account did not, and nobody is asked whether there may be another one.
	g.Email, g.Name, g.Picture = "ann@elsewhere.example", "Ann", "javascript:alert(1)"
	again, err := a.SignInGoogle(t.Context(), g, func() error { return no })
	must(t, err)
	if again.ID != u.ID || again.Email != email || again.Username != u.Username || again.Avatar() != "" || !again.LastLoginAt.After(u.LastLoginAt.Time) {
		t.Errorf("came back as %+v", again)
	}
	if _, err := a.Read(t.Context(), g.Email); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("the new address has an account: %v", err)
	}
	if _, err := a.Login(t.Context(), email, ""); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("an empty password: %v", err)
	}
	// Whoever has the address now at Google is somebody else.
	g = annAtGoogle()
	g.Subject = "2"
	refuses(t, a, g, account.ErrOtherGoogle)
}

func TestGoogleNames(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	for n, c := range []struct{ name, want string }{
		{"", "user"}, {" \u0000\n ", "user"}, {"a\u0007b", "ab"}, {strings.Repeat("名", 70), strings.Repeat("名", 64)}, {"\xff", "user"},
	} {
		u := signInGoogle(t, a, account.GoogleIdentity{Subject: fmt.Sprint(n), Email: "user@" + fmt.Sprint(n) + ".example", Verified: true, Name: c.name})
		if u.Username != c.want || len(account.CheckUsername("/u", u.Username)) != 0 {
			t.Errorf("%q is called %q", c.name, u.Username)
		}
	}
}

func TestUnverifiedGoogleAccounts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	for name, change := range map[string]func(*account.GoogleIdentity){
		"not verified": func(g *account.GoogleIdentity) { g.Verified = false },
		"no address":   func(g *account.GoogleIdentity) { g.Email = "" },
		"no mail":      func(g *account.GoogleIdentity) { g.Email = "ann\r\nBcc: eve@example.org" },
		"no subject":   func(g *account.GoogleIdentity) { g.Subject = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := annAtGoogle()
			change(&g)
			refuses(t, a, g, account.ErrUnverified)
			if _, err := a.LinkGoogle(t.Context(), u, g); !errors.Is(err, account.ErrUnverified) {
				t.Errorf("link: %v", err)
			}
			if g.Email = "new@example.org"; name == "not verified" {
				refuses(t, a, g, account.ErrUnverified)
			}
		})
	}
}

// TestGoogleTakesNoAccountOver has records of the system before, and one of this, meet a Google account of their address.
func TestGoogleTakesNoAccountOver(t *testing.T) {
	t.Parallel()
	g := annAtGoogle()
	hashed, err := account.HashPassword(password, account.Password{Algorithm: "pbkdf2", Iterations: 10, KeyLength: 32, Digest: "sha256"})
	must(t, err)
	for name, c := range map[string]struct {
		info, provider string
		password       account.Password
		disabled       bool
		want           error
	}{
		"a password":                   {"", "", hashed, false, account.ErrLinkRequired},
		"a password, made with google": {"", "google", hashed, false, account.ErrLinkRequired},
		"a password and null":          {"null", "", hashed, false, account.ErrLinkRequired},
		"a password and no id":         {`{"name":"Ann"}`, "google", hashed, false, account.ErrLinkRequired},
		"an id of another type":        {`{"id":110169484474386276334}`, "", hashed, false, account.ErrLinkRequired},
		"an id that begins alike":      {`{"id":"1101694844743862763341"}`, "google", account.Password{}, false, account.ErrOtherGoogle},
		"its own id and a password":    {`{"id":"` + g.Subject + `"}`, "google", hashed, false, nil},
		"its own id":                   {`{"id":"` + g.Subject + `","name":"Old"}`, "google", account.Password{}, false, nil},
		"made with google":             {"", "google", account.Password{}, false, nil},
		"made with google, without id": {`{"name":"Ann"}`, "google", account.Password{}, false, nil},
		"made elsewhere":               {"", "github", account.Password{}, false, account.ErrLinkRequired},
		"disabled":                     {"", "google", account.Password{}, true, account.ErrDisabled},
		"disabled, with its own id":    {`{"id":"` + g.Subject + `"}`, "google", account.Password{}, true, account.ErrDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			record := account.User{ID: "old", Username: "Ann", Email: email, Password: c.password, IsActive: !c.disabled, AuthProvider: c.provider}
			if c.info != "" {
				record.GoogleInfo = []byte(c.info)
			}
			must(t, a.Put(t.Context(), &record))
			if c.want != nil {
				refuses(t, a, g, c.want)
				if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != "" {
					t.Errorf("a link to %q was left, %v", id, err)
				}
				return
			}
			if u := signInGoogle(t, a, g); u.ID != "old" || u.Avatar() != g.Picture {
				t.Errorf("opened %+v", u)
			}
			g := g
			g.Email = "elsewhere@example.org"
			if u := signInGoogle(t, a, g); u.ID != "old" {
				t.Errorf("under another address %+v", u)
			}
		})
	}
}

func TestLinkGoogle(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	ann, g := register(t, a), annAtGoogle()
	g.Email = "ann.private@example.org"
	linked, err := a.LinkGoogle(t.Context(), ann, g)
	must(t, err)
	if !linked.HasGoogle() || !linked.HasPassword() || linked.AuthProvider != "" || linked.Email != email {
		t.Errorf("linked %+v", linked)
	}
	_, err = a.LinkGoogle(t.Context(), ann, g)
	must(t, err)
	if u := signInGoogle(t, a, g); u.ID != ann.ID {
		t.Errorf("opened %+v", u)
	}
	bob, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
	must(t, err)
	if _, err := a.LinkGoogle(t.Context(), bob, g); !errors.Is(err, account.ErrLinked) {
		t.Errorf("linked to two accounts: %v", err)
	}
	other := annAtGoogle()
	other.Subject = "2"
	if _, err := a.LinkGoogle(t.Context(), ann, other); !errors.Is(err, account.ErrOtherGoogle) {
		t.Errorf("a second Google account: %v", err)
	}
	if id, err := a.LinkOf(t.Context(), "2"); err != nil || id != "" {
		t.Errorf("a link was left: %q, %v", id, err)
	}
	free, err := a.UnlinkGoogle(t.Context(), ann)
	must(t, err)
	if free.HasGoogle() {
		t.Errorf("unlinked %+v", free)
	}
	if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != "" {
		t.Errorf("a link was left: %q, %v", id, err)
	}
	g.Email = email
	refuses(t, a, g, account.ErrLinkRequired)
	if _, err := a.LinkGoogle(t.Context(), bob, g); err != nil {
		t.Errorf("a free Google account: %v", err)
	}
	only := signInGoogle(t, a, account.GoogleIdentity{Subject: "3", Email: "eve@example.org", Verified: true})
	if _, err := a.UnlinkGoogle(t.Context(), only); !errors.Is(err, account.ErrNoPassword) {
		t.Errorf("the only way in was taken away: %v", err)
	}
	must(t, a.Delete(t.Context(), bob))
	if _, err := a.LinkGoogle(t.Context(), bob, g); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a deleted account: %v", err)
	}
}

// TestResetsEndLinks has somebody register a stranger's address and link a Google account of their own to it.
func TestResetsEndLinks(t *testing.T) {
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
		t.Error("the account is still open to its first owner")
	}
	// Whom Google has vouched for keeps both ways in.
	bob := signInGoogle(t, a, account.GoogleIdentity{Subject: "2", Email: "bob@example.org", Verified: true})
	if u := reset("bob@example.org"); !u.HasGoogle() || !u.HasPassword() {
		t.Errorf("unlinked: %+v", u)
	}
	if u := signInGoogle(t, a, account.GoogleIdentity{Subject: "2", Email: "bob@example.org", Verified: true}); u.ID != bob.ID {
		t.Errorf("opened %+v", u)
	}
}

func TestDeletedGoogleAccounts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	g := annAtGoogle()
	first := signInGoogle(t, a, g)
	old := token(t, a, first)
	must(t, a.Delete(t.Context(), first))
	if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != "" {
		t.Errorf("a link was left: %q, %v", id, err)
	}
	second := signInGoogle(t, a, g)
	if _, _, err := a.Identify(t.Context(), old); second.ID == first.ID || !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a token of the deleted account opens the next one: %v", err)
	}
}

// TestGoogleAfterACrash leaves behind what an operation leaves that was broken off between two of its writes.
func TestGoogleAfterACrash(t *testing.T) {
	t.Parallel()
	g := annAtGoogle()
	for name, c := range map[string]struct {
		leave func(*testing.T, *account.Accounts) *account.User
		same  bool
	}{
		"made, but not linked": {func(t *testing.T, a *account.Accounts) *account.User {
			u := signInGoogle(t, a, g)
			must(t, a.RemoveLink(t.Context(), u))
			return u
		}, true},
		"deleted, but the link stayed": {func(t *testing.T, a *account.Accounts) *account.User {
			u := signInGoogle(t, a, g)
			must(t, a.Delete(t.Context(), u))
			must(t, a.PutLink(t.Context(), g.Subject, u))
			return u
		}, false},
		"linked to what was before it": {func(t *testing.T, a *account.Accounts) *account.User {
			old := signInGoogle(t, a, g)
			must(t, a.Delete(t.Context(), old))
			u := signInGoogle(t, a, g)
			must(t, a.PutLink(t.Context(), g.Subject, old))
			return u
		}, true},
		"linked, but the record does not say so": {func(t *testing.T, a *account.Accounts) *account.User {
			u, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
			must(t, err)
			must(t, a.PutLink(t.Context(), g.Subject, u))
			return u
		}, false},
		"unlinked, but the link stayed": {func(t *testing.T, a *account.Accounts) *account.User {
			u, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
			must(t, err)
			_, err = a.LinkGoogle(t.Context(), u, g)
			must(t, err)
			_, err = a.UnlinkGoogle(t.Context(), u)
			must(t, err)
			must(t, a.PutLink(t.Context(), g.Subject, u))
			return u
		}, false},
		"linked to a record that has its address by now": {func(t *testing.T, a *account.Accounts) *account.User {
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
				t.Errorf("after %+v came %+v", left, u)
			}
			if again := signInGoogle(t, a, g); again.ID != u.ID {
				t.Errorf("and then %+v", again)
			}
			if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != u.ID {
				t.Errorf("the link names %q, %v", id, err)
			}
		})
	}
}

// TestOneAccountOfManyFirstSignIns has one Google account come in many times at once, under one address and under many.
func TestOneAccountOfManyFirstSignIns(t *testing.T) {
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
					u, err := a.SignInGoogle(t.Context(), g, everybody)
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
				t.Errorf("%d accounts were opened and %d made: %v", len(ids), records, ids)
			}
		})
	}
}

// TestOneOfManyLinksWins has several accounts want the same Google account at once.
func TestOneOfManyLinksWins(t *testing.T) {
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
	says := 0
	for _, u := range users {
		now, err := a.Read(t.Context(), u.Email)
		must(t, err)
		if now.HasGoogle() {
			says++
			if now.ID != owner {
				t.Errorf("%s says it is linked, and %s is", now.ID, owner)
			}
		}
	}
	if linked != 1 || says != 1 {
		t.Errorf("%d were told that they are linked, %d are", linked, says)
	}
}

func TestImportedGoogleAccounts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	record := func(email, subject, seen string) fields {
		return exported(t, "name", email, fields{
			"id": "id of " + email, "email": email, "isActive": true, "authProvider": "google", "createdAt": "2024-05-06T07:08:09.123Z", "lastLoginAt": seen,
			"googleInfo": fields{"id": subject, "name": "N", "picture": "https://p.example/x", "locale": "en"},
		}, false)
	}
	entries := []fields{
		record("ann@example.org", "1", "2025-01-01T00:00:00.000Z"),
		record("bob.old@example.org", "2", "2024-01-01T00:00:00.000Z"),
		record("bob@example.org", "2", "2025-01-01T00:00:00.000Z"),
		record("bob.older@example.org", "2", "2023-01-01T00:00:00.000Z"),
	}
	_, err := a.Import(t.Context(), export(t, entries...))
	must(t, err)
	for subject, want := range map[string]string{"1": "ann@example.org", "2": "bob@example.org"} {
		// The person has another address at Google by now.
		u := signInGoogle(t, a, account.GoogleIdentity{Subject: subject, Email: "new" + subject + "@example.org", Verified: true})
		if u.Email != want {
			t.Errorf("%s opens %s", subject, u.Email)
		}
	}
	ann, err := a.Read(t.Context(), "ann@example.org")
	must(t, err)
	must(t, a.RemoveLink(t.Context(), ann))
	done, err := a.Import(t.Context(), export(t, entries...))
	must(t, err)
	for subject, want := range map[string]string{"1": "id of ann@example.org", "2": "id of bob@example.org"} {
		if id, err := a.LinkOf(t.Context(), subject); err != nil || id != want || done.Kept != 4 {
			t.Errorf("after the second import %s opens %s, %v, %+v", subject, id, err, done)
		}
	}
}

func TestSpend(t *testing.T) {
	t.Parallel()
	a, clock := open(t)
	until := clock.Now().Add(time.Minute)
	must(t, a.Spend(t.Context(), "one", until))
	must(t, a.Spend(t.Context(), "two", until.Add(-time.Hour)))
	results := make(chan error, 10)
	for range cap(results) {
		go func() { results <- a.Spend(t.Context(), "three", until) }()
	}
	passed := 0
	for range cap(results) {
		if err := <-results; err == nil {
			passed++
		} else if !errors.Is(err, account.ErrSpent) {
			t.Error(err)
		}
	}
	if err := a.Spend(t.Context(), "one", until); !errors.Is(err, account.ErrSpent) || passed != 1 {
		t.Errorf("%v; %d passed", err, passed)
	}
}

func TestFresh(t *testing.T) {
	t.Parallel()
	a, clock := open(t)
	u := signInGoogle(t, a, annAtGoogle())
	identify := func(token string) account.Session {
		t.Helper()
		_, s, err := a.Identify(t.Context(), token)
		must(t, err)
		return s
	}
	renewed, err := a.Renew(u)
	must(t, err)
	in := identify(token(t, a, u))
	now := clock.Now().Unix()
	old := identify(forge(t, secret, fields{"alg": "HS256"}, fields{"userId": u.ID, "email": u.Email, "iat": now, "auth_time": now, "exp": now + 3600}))
	for name, s := range map[string]account.Session{"renewed": identify(renewed), "of the system before": old, "none": {}} {
		if a.Fresh(s) || !errors.Is(a.Confirm(t.Context(), u, s, ""), account.ErrStale) {
			t.Errorf("%s is fresh", name)
		}
	}
	must(t, a.Confirm(t.Context(), u, in, ""))
	clock.advance(account.FreshAge + time.Second)
	if err := a.Confirm(t.Context(), u, in, ""); !errors.Is(err, account.ErrStale) {
		t.Errorf("after a while: %v", err)
	}
}
