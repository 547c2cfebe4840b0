package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// guestCookie returns the guest cookie that a response sets, or nil.
func guestCookie(r *reply) *http.Cookie {
	for _, c := range r.Cookies() {
		if c.Name == "t2i_guest" || c.Name == "__Host-t2i_guest" {
			return c
		}
	}
	return nil
}

// guestWithWorks returns a guest with one job that has ended, with an image, and one that waits.
func (b *bundle) guestWithWorks(t testing.TB, name string) (c *http.Cookie, owner string, ids []string) {
	t.Helper()
	c, owner = guest()
	ended, queued := imageSpec(owner, name+"-ended"), imageSpec(owner, name+"-queued")
	record, products := succeedJob(ended)
	b.settle(t, ended, record, products...)
	b.push(t, queued)
	return c, owner, []string{queued.ID, ended.ID}
}

// listed returns the sorted ids of the caller's jobs.
func (b *bundle) listed(t testing.TB, options ...option) []string {
	t.Helper()
	var l jobPage
	b.get(t, "/api/jobs", options...).expect(t, http.StatusOK).decode(t, &l)
	ids := jobIDs(l)
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
	return ids
}

// TestAdoption signs up and in as a guest with works, and uses them as a member.
func TestAdoption(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner, ids := b.guestWithWorks(t, "a")
	resp := b.auth(t, "register", fields{"username": "Ann", "email": annEmail, "password": annPassword}, cookie(c)).expect(t, http.StatusCreated)
	var s session
	resp.decode(t, &s)
	ann, next := bearer(s.Token), guestCookie(resp)
	if next == nil || next.Value == c.Value || !next.HttpOnly || next.MaxAge <= 0 {
		t.Fatalf("the browser is not a new guest: %v", resp.Cookies())
	}
	if got := b.listed(t, ann); !slices.Equal(got, ids) {
		t.Fatalf("the member has %v, want %v", got, ids)
	}
	if got := b.listed(t, cookie(next)); len(got) > 0 {
		t.Errorf("the new guest has %v", got)
	}
	// The account alone, from another device, may do everything with them.
	b.get(t, "/api/jobs/"+ids[1], ann).job(t, http.StatusOK)
	b.get(t, "/api/jobs/"+ids[1]+"?wait=1", ann).job(t, http.StatusOK)
	b.get(t, "/api/jobs/"+ids[1]+"/media/0", ann).expect(t, http.StatusOK)
	b.head(t, "/api/jobs/"+ids[0]+"/events", ann).expect(t, http.StatusOK)
	one := b.stream(t, "/api/jobs/"+ids[0]+"/events", ann)
	if first := one.block() + one.block(); !strings.Contains(first, ids[0]) {
		t.Errorf("events of the job: %q", first)
	}
	all := b.stream(t, "/api/events", ann)
	if first := all.block() + all.block(); !strings.Contains(first, ids[0]) {
		t.Errorf("events of all jobs: %q", first)
	}
	b.cancel(t, ids[0], ann).job(t, http.StatusOK)
	again := b.post(t, "/api/jobs/"+ids[0]+"/retry", fields{}, ann).job(t, http.StatusAccepted)
	if got := b.queued(t, s.User.ID); !slices.Equal(got, []string{again.ID}) {
		t.Errorf("the member's queue has %v", got)
	}
	b.get(t, "/api/jobs/none", ann).problem(t, http.StatusNotFound, "not_found")
	b.delete(t, "/api/jobs/"+ids[0], ann).expect(t, http.StatusNoContent)
	if got := b.listed(t, ann); !slices.Equal(got, []string{ids[1], again.ID}) && !slices.Equal(got, []string{again.ID, ids[1]}) {
		t.Errorf("the member has %v", got)
	}
	// Another account neither adopts nor sees them, and its browser becomes a new guest, too.
	resp = b.auth(t, "register", fields{"username": "Bob", "email": "bob@example.org", "password": annPassword}, cookie(c)).expect(t, http.StatusCreated)
	resp.decode(t, &s)
	if guestCookie(resp) == nil || len(b.listed(t, bearer(s.Token))) > 0 {
		t.Errorf("the second account: cookies %v, jobs %v", resp.Cookies(), b.listed(t, bearer(s.Token)))
	}
	b.get(t, "/api/jobs/"+ids[1], bearer(s.Token)).problem(t, http.StatusNotFound, "not_found")
	// Signing in adopts the works of another guest.
	c, _, more := b.guestWithWorks(t, "b")
	resp = b.auth(t, "login", fields{"email": annEmail, "password": annPassword}, cookie(c)).expect(t, http.StatusOK)
	if got := b.listed(t, ann); guestCookie(resp) == nil || len(got) != 4 || !slices.Contains(got, more[0]) || !slices.Contains(got, more[1]) {
		t.Errorf("the member has %v", got)
	}
	// Deleting the account deletes them.
	b.auth(t, "delete-account", fields{"password": annPassword}, ann).expect(t, http.StatusOK)
	for _, c := range []*http.Cookie{cookieOf(owner), c} {
		if got := b.listed(t, cookie(c)); len(got) > 0 {
			t.Errorf("%v is left", got)
		}
	}
}

// cookieOf returns the cookie of a guest.
func cookieOf(owner string) *http.Cookie {
	return &http.Cookie{Name: "t2i_guest", Value: server.SealGuest([]byte(secret), owner)}
}

// TestNothingToAdopt signs in with cookies that change nothing.
func TestNothingToAdopt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	empty, _ := guest()
	_, owner, _ := b.guestWithWorks(t, "a")
	forged := server.SealGuest([]byte("another secret"), owner)
	for name, value := range map[string]string{"no works": empty.Value, "forged": forged, "without a signature": owner, "garbage": "g-*.>"} {
		resp := b.auth(t, "login", fields{"email": annEmail, "password": annPassword}, cookie(&http.Cookie{Name: "t2i_guest", Value: value}))
		if resp.expect(t, http.StatusOK); guestCookie(resp) != nil {
			t.Errorf("%s: cookies %v", name, resp.Cookies())
		}
	}
	// A failed sign-in adopts nothing.
	wrong := fields{"email": annEmail, "password": "wrong password"}
	b.auth(t, "login", wrong, cookie(cookieOf(owner))).accountError(t, http.StatusUnauthorized, "wrong_credentials")
	if got := b.listed(t, bearer(ann.Token)); len(got) > 0 {
		t.Errorf("adopted %v", got)
	}
	// Beyond the limit the works stay with the browser.
	u, err := b.deps.Accounts.Login(t.Context(), annEmail, annPassword)
	must(t, err)
	for i := range account.MaxAdopted {
		must(t, b.deps.Accounts.Adopt(t.Context(), u, fmt.Sprint("g-", i)))
	}
	resp := b.auth(t, "login", fields{"email": annEmail, "password": annPassword}, cookie(cookieOf(owner)))
	if resp.expect(t, http.StatusOK); guestCookie(resp) != nil || len(b.listed(t, cookie(cookieOf(owner)))) != 2 {
		t.Errorf("beyond the limit: cookies %v", resp.Cookies())
	}
	if !strings.Contains(b.log.String(), "cannot adopt the works of a guest") {
		t.Error("not logged")
	}
}

// TestAdoptionByGoogle signs in with Google over TLS, with both guest cookies.
func TestAdoptionByGoogle(t *testing.T) {
	t.Parallel()
	g := withGoogle(t, behindProxy).browser(t)
	c, _, ids := g.guestWithWorks(t, "a")
	secure := &http.Cookie{Name: "__Host-t2i_guest", Value: c.Value}
	resp := g.auth(t, "google-login", fields{"idToken": g.idToken(t, "ada@example.com", nil)}, cookie(c), cookie(secure), fromIP("203.0.113.1"),
		header("X-Forwarded-Proto", "https")).expect(t, http.StatusOK)
	values := map[string]string{}
	for _, c := range resp.Cookies() {
		values[c.Name] = c.Value
	}
	if fresh := values[secure.Name]; fresh == "" || fresh == c.Value || values[c.Name] != fresh {
		t.Errorf("cookies %v", resp.Cookies())
	}
	var m googleSession
	resp.decode(t, &m)
	if got := g.listed(t, bearer(m.Token)); !slices.Equal(got, ids) {
		t.Errorf("the member has %v, want %v", got, ids)
	}
}

// TestAdoptedReplay replays a dead letter of an adopted guest after the account was deleted.
func TestAdoptedReplay(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	ann := b.signUp(t, annEmail)
	_, owner, _ := b.guestWithWorks(t, "a")
	b.auth(t, "login", fields{"email": annEmail, "password": annPassword}, cookie(cookieOf(owner))).expect(t, http.StatusOK)
	b.auth(t, "delete-account", fields{"password": annPassword}, bearer(ann.Token)).expect(t, http.StatusOK)
	spec := imageSpec(owner, "late")
	must(t, b.store.PutDeadLetter(t.Context(), &job.DeadLetter{Spec: spec, Error: job.NewError(job.CodeTimeout, 504)}))
	b.admin(t, http.MethodPost, "/dead-letters/late/replay", nil).problem(t, http.StatusNotFound, "not_found")
	if got := b.queued(t, owner); len(got) > 0 {
		t.Errorf("the queue has %v", got)
	}
}
