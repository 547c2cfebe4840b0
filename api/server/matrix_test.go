package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// claimsOf returns the claims of a user's token with changes; nil removes a claim.
func claimsOf(who *session, changes fields) fields {
	claims := fields{"userId": who.User.ID, "email": who.User.Email, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

func encodeJSON(t testing.TB, encoding *base64.Encoding, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	must(t, err)
	return encoding.EncodeToString(data)
}

// signToken returns a token signed with any key.
func signToken(t testing.TB, key string, header, claims fields) string {
	t.Helper()
	input := encodeJSON(t, base64.RawURLEncoding, header) + "." + encodeJSON(t, base64.RawURLEncoding, claims)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// legacyToken returns a token in the oldest format.
func legacyToken(t testing.TB, who *session) string {
	t.Helper()
	input := encodeJSON(t, base64.StdEncoding, fields{"alg": "HS256", "typ": "JWT"}) + "." + encodeJSON(t, base64.StdEncoding, claimsOf(who, nil))
	sum := sha256.Sum256([]byte(input + "." + secret))
	return input + "." + base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:])))
}

// caller is a way to identify, or fail to identify, as a user.
type caller struct {
	option option
	// isOwner reports that the caller is Ann; invalid that the token is invalid.
	isOwner, invalid bool
}

// callers signs up Ann and others and returns all callers by name.
func (b *bundle) callers(t testing.TB) (ann *session, callers map[string]caller) {
	t.Helper()
	ann, bob, changed, gone := b.signUp(t, annEmail), b.signUp(t, "bob@example.org"), b.signUp(t, "changed@example.org"), b.signUp(t, "gone@example.org")
	b.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another one"}, bearer(changed.Token)).expect(t, http.StatusOK)
	b.auth(t, "delete-account", fields{"password": annPassword}, bearer(gone.Token)).expect(t, http.StatusOK)
	other, _ := guest()
	hs := fields{"alg": "HS256", "typ": "JWT"}
	parts := strings.Split(ann.Token, ".")
	return ann, map[string]caller{
		"Ann":               {option: bearer(ann.Token), isOwner: true},
		"Ann by cookie":     {option: cookie(ann.cookie), isOwner: true},
		"Ann, oldest token": {option: bearer(legacyToken(t, ann)), isOwner: true},
		"Ann, older token":  {option: bearer(signToken(t, secret, hs, claimsOf(ann, nil))), isOwner: true},
		"Bob":               {option: bearer(bob.Token)},
		"Bob by cookie":     {option: cookie(bob.cookie)},
		"guest":             {option: cookie(other)},
		"anonymous":         {option: func(*http.Request) {}},
		"expired":           {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"exp": time.Now().Unix() - 1}))), invalid: true},
		"no expiry":         {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"exp": nil}))), invalid: true},
		"alg none":          {option: bearer(encodeJSON(t, base64.RawURLEncoding, fields{"alg": "none"}) + "." + encodeJSON(t, base64.RawURLEncoding, claimsOf(ann, nil)) + "."), invalid: true},
		"another key":       {option: bearer(signToken(t, "another key", hs, claimsOf(ann, nil))), invalid: true},
		"another issuer":    {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"iss": "x"}))), invalid: true},
		"for audience":      {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"aud": "x"}))), invalid: true},
		"not yet":           {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"nbf": time.Now().Add(time.Hour).Unix()}))), invalid: true},
		"alg RS256":         {option: bearer(signToken(t, secret, fields{"alg": "RS256"}, claimsOf(ann, nil))), invalid: true},
		"alg HS512":         {option: bearer(signToken(t, secret, fields{"alg": "HS512"}, claimsOf(ann, nil))), invalid: true},
		"own key":           {option: bearer(signToken(t, "k", fields{"alg": "HS256", "jwk": fields{"k": "aw"}, "kid": "k", "jku": b.url}, claimsOf(ann, nil))), invalid: true},
		"altered":           {option: bearer(parts[0] + "." + encodeJSON(t, base64.RawURLEncoding, claimsOf(ann, nil)) + "." + parts[2]), invalid: true},
		"Ann's id, Bob's email": {
			option: bearer(signToken(t, secret, hs, claimsOf(bob, fields{"userId": ann.User.ID}))), invalid: true,
		},
		"before a password change": {option: bearer(changed.Token), invalid: true},
		"of a deleted account":     {option: bearer(gone.Token), invalid: true},
		"bad cookie":               {option: cookie(&http.Cookie{Name: "auth_token", Value: ann.Token + "x"}), invalid: true},
		"bad header, Ann's cookie": {invalid: true, option: func(r *http.Request) {
			cookie(ann.cookie)(r)
			bearer(bob.Token + "x")(r)
		}},
		"Bob's header, Ann's cookie": {option: func(r *http.Request) {
			cookie(ann.cookie)(r)
			bearer(bob.Token)(r)
		}},
		"two headers": {invalid: true, option: func(r *http.Request) {
			bearer(ann.Token)(r)
			r.Header.Add("Authorization", "Bearer "+bob.Token)
		}},
	}
}

// TestJobAccess requests every route of Ann's jobs as every caller.
func TestJobAccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, callers := b.callers(t)
	b.settle(t, memberSpec(ann, "done"), &job.Record{Status: job.StatusSucceeded}, store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte("png")})
	b.settle(t, memberSpec(ann, "failed"), &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
	b.push(t, memberSpec(ann, "queued"))
	// Jobs of anonymous callers are protected only by their unguessable ids.
	b.settle(t, imageSpec(job.OwnerAnonymous, "open"), &job.Record{Status: job.StatusSucceeded})

	routes := []struct {
		method, path string
		// owner and others are the statuses for Ann and for all other callers without an invalid token; 0 is not checked.
		owner, others int
	}{
		{http.MethodGet, "/api/jobs/done", 200, 404},
		{http.MethodHead, "/api/jobs/done", 200, 404},
		{http.MethodGet, "/api/jobs/done?wait=1", 200, 404},
		{http.MethodGet, "/api/jobs/done/media/0", 200, 404},
		{http.MethodHead, "/api/jobs/done/media/0", 200, 404},
		{http.MethodGet, "/api/jobs/done/media/0?download=1", 200, 404},
		{http.MethodGet, "/api/jobs/done/media/7", 404, 404},
		{http.MethodGet, "/api/jobs/done/events", 200, 404},
		{http.MethodHead, "/api/jobs/queued/events", 200, 404},
		{http.MethodGet, "/api/jobs/queued", 200, 404},
		{http.MethodGet, "/api/jobs/queued/media/0", 404, 404},
		{http.MethodPost, "/api/jobs/done/cancel", 409, 404},
		{http.MethodPost, "/api/jobs/done/retry", 409, 404},
		{http.MethodPost, "/api/jobs/failed/retry", 202, 404},
		{http.MethodDelete, "/api/jobs/queued", 409, 404},
		{http.MethodGet, "/api/jobs/open", 200, 200},
		{http.MethodHead, "/api/events", 200, 0},
		{http.MethodGet, "/api/jobs", 200, 0},
		{http.MethodGet, "/api/auth/validate", 200, 0},
		{http.MethodPost, "/api/jobs", 400, 400},
		{http.MethodPost, "/api/generate", 400, 400},
		{http.MethodGet, "/api/models", 200, 200},
		{http.MethodGet, "/", 200, 200},
		{http.MethodGet, "/livez", 200, 200},
	}
	public := map[string]bool{"/api/models": true, "/": true, "/livez": true}
	for name, who := range callers {
		for _, route := range routes {
			want := route.others
			switch {
			case who.isOwner:
				want = route.owner
			case who.invalid && !public[route.path]:
				want = http.StatusUnauthorized
				if want400 := route.others == 400; want400 {
					want = 400 // An empty body is rejected first.
				}
			case want == 0:
				continue // Lists are checked below.
			}
			resp := b.request(t, route.method, route.path, nil, who.option)
			if resp.StatusCode != want {
				t.Errorf("%s: %s %s is %d, want %d: %.200s", name, route.method, route.path, resp.StatusCode, want, resp.body)
			}
			if !who.isOwner && resp.StatusCode != 200 && strings.Contains(string(resp.body), ann.User.ID) {
				t.Errorf("%s: %s %s reveals Ann: %s", name, route.method, route.path, resp.body)
			}
		}
	}
	for name, want := range map[string]int{"Ann": 200, "Bob": 200, "guest": 200, "anonymous": 401, "expired": 401, "alg none": 401} {
		resp := b.get(t, "/api/jobs", callers[name].option).expect(t, want)
		if seen := strings.Contains(string(resp.body), `"done"`); seen != (name == "Ann") {
			t.Errorf("%s's list: %s", name, resp.body)
		}
		b.head(t, "/api/events", callers[name].option).expect(t, want)
	}
	// Submissions with an invalid token create no job on any route.
	for name, who := range callers {
		if !who.invalid {
			continue
		}
		b.submit(t, goodBody, who.option).problem(t, http.StatusUnauthorized, "invalid_token")
		resp := b.post(t, "/api/translate", fields{"text": "a"}, who.option)
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: translate %d", name, resp.StatusCode)
		}
		for _, route := range []string{"change-password", "profile", "delete-account", "google-unlink"} {
			b.auth(t, route, fields{"password": annPassword, "username": "x"}, who.option).accountError(t, http.StatusUnauthorized, "invalid_token")
		}
	}
	b.post(t, "/api/jobs/queued/cancel", nil, callers["Bob"].option).problem(t, http.StatusNotFound, "not_found")
	b.delete(t, "/api/jobs/done", callers["guest"].option).problem(t, http.StatusNotFound, "not_found")
	b.post(t, "/api/jobs/queued/cancel", nil, callers["Ann"].option).expect(t, http.StatusOK)
	b.delete(t, "/api/jobs/done", callers["Ann"].option).expect(t, http.StatusNoContent)
}

// TestMemberJobs checks the owner and the lane of jobs.
func TestMemberJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	c, g := guest()
	var asGuest, asMember, same view
	b.submit(t, goodBody, cookie(c)).expect(t, http.StatusAccepted).decode(t, &asGuest)
	key := idempotencyKey("one")
	b.submit(t, goodBody, cookie(c), cookie(ann.cookie), key).expect(t, http.StatusAccepted).decode(t, &asMember)
	b.submit(t, goodBody, bearer(ann.Token), key).expect(t, http.StatusAccepted).decode(t, &same)
	if same.ID != asMember.ID {
		t.Error("the same key of the same member creates two jobs")
	}
	for id, owner := range map[string]string{asGuest.ID: g, asMember.ID: ann.User.ID} {
		entry := b.queueEntry(t, owner, id)
		if wantMember := owner == ann.User.ID; (entry.Spec.Lane == job.LaneMember) != wantMember {
			t.Errorf("%s is on lane %s", id, entry.Spec.Lane)
		}
	}
	// The guest's job is still found in this browser, but is not in the member's list.
	b.get(t, "/api/jobs/"+asGuest.ID, cookie(c), cookie(ann.cookie)).expect(t, http.StatusOK)
	b.get(t, "/api/jobs/"+asGuest.ID, bearer(ann.Token)).problem(t, http.StatusNotFound, "not_found")
	list := b.get(t, "/api/jobs", cookie(c), cookie(ann.cookie)).expect(t, http.StatusOK)
	if body := string(list.body); strings.Contains(body, asGuest.ID) || !strings.Contains(body, asMember.ID) {
		t.Errorf("the list: %s", body)
	}
	// After signing out the browser is the guest again and sees none of the member's jobs.
	b.auth(t, "logout", nil, cookie(c), cookie(ann.cookie)).expect(t, http.StatusOK)
	b.get(t, "/api/jobs/"+asGuest.ID, cookie(c)).expect(t, http.StatusOK)
	b.get(t, "/api/jobs/"+asMember.ID, cookie(c)).problem(t, http.StatusNotFound, "not_found")
	b.get(t, "/api/jobs/"+asMember.ID, cookie(c), cookie(ann.cookie)).problem(t, http.StatusUnauthorized, "invalid_token")
	if left := b.get(t, "/api/jobs", cookie(c)).expect(t, http.StatusOK); strings.Contains(string(left.body), asMember.ID) || !strings.Contains(string(left.body), asGuest.ID) {
		t.Errorf("the list after signing out: %s", left.body)
	}
	for _, name := range []string{"Authorization", "Cookie"} {
		if !strings.Contains(list.Header.Get("Vary"), name) {
			t.Errorf("Vary %q", list.Header.Get("Vary"))
		}
	}
}

// TestStreamsEndWithTheSession changes the password while streams are open.
func TestStreamsEndWithTheSession(t *testing.T) {
	t.Parallel()
	b := setup(t, withKeepAlive(20*time.Millisecond))
	ann := b.signUp(t, annEmail)
	b.push(t, memberSpec(ann, "queued"))
	ended := make(chan int, 2)
	for _, path := range []string{"/api/events", "/api/jobs/queued/events"} {
		go func() {
			// The request returns when the stream ends.
			ended <- b.get(t, path, bearer(ann.Token)).StatusCode
		}()
	}
	b.awaitStreams(t, 2)
	b.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another one"}, bearer(ann.Token)).expect(t, http.StatusOK)
	for range 2 {
		if status := <-ended; status != http.StatusOK {
			t.Errorf("a stream ended with status %d", status)
		}
	}
}

// TestDeletedAccountsLeaveNoData searches all streams after a deletion.
func TestDeletedAccountsLeaveNoData(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, bob := b.signUp(t, annEmail), b.signUp(t, "bob@example.org")
	for _, who := range []*session{ann, bob} {
		id := who.User.Username + who.User.ID[30:]
		b.settle(t, memberSpec(who, "done"+id), &job.Record{Status: job.StatusSucceeded}, store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte("png")})
		failed := memberSpec(who, "failed"+id)
		b.settle(t, failed, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
		must(t, b.store.PutDeadLetter(t.Context(), &job.DeadLetter{Spec: failed, Error: job.NewError(job.CodeTimeout, 504), FailedAt: job.At(time.Now())}))
		queued := b.push(t, memberSpec(who, "queued"+id))
		b.putProgress(t, who.User.ID, &job.Progress{ID: queued.ID, Status: job.StatusRunning})
		b.post(t, "/api/feedback", fields{"category": "bug", "content": "x"}, bearer(who.Token)).expect(t, http.StatusCreated)
		b.saveImage(t, jpegImage(t, 64), bearer(who.Token))
	}
	b.auth(t, "delete-account", nil, bearer(ann.Token)).accountError(t, http.StatusBadRequest, "body_required")
	b.auth(t, "delete-account", fields{}, bearer(ann.Token)).accountError(t, http.StatusBadRequest, "invalid_request")
	b.auth(t, "delete-account", fields{"password": "wrong"}, bearer(ann.Token)).accountError(t, http.StatusBadRequest, "wrong_password")
	out := b.auth(t, "delete-account", fields{"password": annPassword}, bearer(ann.Token)).expect(t, http.StatusOK)
	if len(out.Cookies()) != 1 || out.Cookies()[0].MaxAge != -1 {
		t.Errorf("cookies %v", out.Cookies())
	}
	if left := b.storedMentions(t, ann.User.ID); len(left) > 0 {
		t.Errorf("data of the deleted account: %v", left)
	}
	kept := b.storedMentions(t, bob.User.ID)
	for _, name := range []string{"KV_USERS", "JOBS", "KV_RESULTS", "KV_PROGRESS", "DEAD", "KV_FEEDBACK", "KV_IMAGES_CACHE"} {
		if !slices.ContainsFunc(kept, func(message string) bool { return strings.HasPrefix(message, name+" ") }) {
			t.Errorf("no data of the other account in %s: %v", name, kept)
		}
	}
	b.auth(t, "login", fields{"email": annEmail, "password": annPassword}).accountError(t, http.StatusUnauthorized, "wrong_credentials")
	b.signUp(t, annEmail)
	b.get(t, "/api/jobs", bearer(ann.Token)).problem(t, http.StatusUnauthorized, "invalid_token")
}
