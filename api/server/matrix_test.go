package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// claimsOf returns what a token of somebody says, with changes; nil takes a claim away.
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

// sign makes a token with any key.
func signToken(t testing.TB, key string, header, claims fields) string {
	t.Helper()
	input := encodeJSON(t, base64.RawURLEncoding, header) + "." + encodeJSON(t, base64.RawURLEncoding, claims)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// legacyToken makes a token of the oldest format.
func legacyToken(t testing.TB, who *session) string {
	t.Helper()
	input := encodeJSON(t, base64.StdEncoding, fields{"alg": "HS256", "typ": "JWT"}) + "." + encodeJSON(t, base64.StdEncoding, claimsOf(who, nil))
	sum := sha256.Sum256([]byte(input + "." + secret))
	return input + "." + base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:])))
}

// memberSpec is a job of a member.
func memberSpec(who *session, id string) *job.Spec {
	spec := newSpec(who.User.ID, id, job.KindImage, imageInput())
	spec.Lane = job.LaneMember
	return spec
}

// callers are everybody who may come, by how they show who they are.
type caller struct {
	option option
	// owner is who may see Ann's things, bad whose token is no token.
	isOwner, invalid bool
}

// everybody returns Ann and all who may come as her or as somebody else, by name.
func (b *bundle) callers(t testing.TB) (ann *session, callers map[string]caller) {
	t.Helper()
	ann, bob, changed, gone := b.signUp(t, annEmail), b.signUp(t, "bob@example.org"), b.signUp(t, "changed@example.org"), b.signUp(t, "gone@example.org")
	b.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another one"}, bearer(changed.Token)).expect(t, http.StatusOK)
	b.auth(t, "delete-account", fields{"password": annPassword}, bearer(gone.Token)).expect(t, http.StatusOK)
	stranger, _ := guest()
	hs := fields{"alg": "HS256", "typ": "JWT"}
	parts := strings.Split(ann.Token, ".")
	return ann, map[string]caller{
		"Ann":              {option: bearer(ann.Token), isOwner: true},
		"Ann by cookie":    {option: cookie(ann.cookie), isOwner: true},
		"Ann, oldest form": {option: bearer(legacyToken(t, ann)), isOwner: true},
		"Ann, of before":   {option: bearer(signToken(t, secret, hs, claimsOf(ann, nil))), isOwner: true},
		"Bob":              {option: bearer(bob.Token)},
		"Bob by cookie":    {option: cookie(bob.cookie)},
		"guest":            {option: cookie(stranger)},
		"nobody":           {option: func(*http.Request) {}},
		"expired":          {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"exp": time.Now().Unix() - 1}))), invalid: true},
		"no expiry":        {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"exp": nil}))), invalid: true},
		"alg none":         {option: bearer(encodeJSON(t, base64.RawURLEncoding, fields{"alg": "none"}) + "." + encodeJSON(t, base64.RawURLEncoding, claimsOf(ann, nil)) + "."), invalid: true},
		"another key":      {option: bearer(signToken(t, "another key", hs, claimsOf(ann, nil))), invalid: true},
		"another issuer":   {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"iss": "x"}))), invalid: true},
		"for others":       {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"aud": "x"}))), invalid: true},
		"not yet":          {option: bearer(signToken(t, secret, hs, claimsOf(ann, fields{"nbf": time.Now().Add(time.Hour).Unix()}))), invalid: true},
		"alg RS256":        {option: bearer(signToken(t, secret, fields{"alg": "RS256"}, claimsOf(ann, nil))), invalid: true},
		"alg HS512":        {option: bearer(signToken(t, secret, fields{"alg": "HS512"}, claimsOf(ann, nil))), invalid: true},
		"own key":          {option: bearer(signToken(t, "k", fields{"alg": "HS256", "jwk": fields{"k": "aw"}, "kid": "k", "jku": b.url}, claimsOf(ann, nil))), invalid: true},
		"altered":          {option: bearer(parts[0] + "." + encodeJSON(t, base64.RawURLEncoding, claimsOf(ann, nil)) + "." + parts[2]), invalid: true},
		"Ann's id, Bob's address": {
			option: bearer(signToken(t, secret, hs, claimsOf(bob, fields{"userId": ann.User.ID}))), invalid: true,
		},
		"of before the password changed": {option: bearer(changed.Token), invalid: true},
		"of a deleted account":           {option: bearer(gone.Token), invalid: true},
		"bad cookie":                     {option: cookie(&http.Cookie{Name: "auth_token", Value: ann.Token + "x"}), invalid: true},
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

// TestJobAccess asks every route that concerns a job for one of Ann's, as everybody who is not Ann, and as Ann.
func TestJobAccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, callers := b.callers(t)
	b.settle(t, memberSpec(ann, "done"), &job.Record{Status: job.StatusSucceeded}, store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte("png")})
	b.settle(t, memberSpec(ann, "failed"), &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
	b.push(t, memberSpec(ann, "queued"))
	// Everybody's own job is everybody's: what is under the name of nobody is kept by its unguessable id alone.
	b.settle(t, newSpec(job.OwnerAnonymous, "open", job.KindImage, imageInput()), &job.Record{Status: job.StatusSucceeded})

	routes := []struct {
		method, path string
		// owner, others are the statuses for Ann and for everybody else with no token or a good one.
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
					want = 400 // An empty body is refused before anything else is looked at.
				}
			case want == 0:
				continue // Lists are looked at below.
			}
			resp := b.request(t, route.method, route.path, nil, who.option)
			if resp.StatusCode != want {
				t.Errorf("%s: %s %s is %d, want %d: %.200s", name, route.method, route.path, resp.StatusCode, want, resp.body)
			}
			if !who.isOwner && resp.StatusCode != 200 && strings.Contains(string(resp.body), ann.User.ID) {
				t.Errorf("%s: %s %s tells of Ann: %s", name, route.method, route.path, resp.body)
			}
		}
	}
	for name, want := range map[string]int{"Ann": 200, "Bob": 200, "guest": 200, "nobody": 401, "expired": 401, "alg none": 401} {
		resp := b.request(t, http.MethodGet, "/api/jobs", nil, callers[name].option).expect(t, want)
		if seen := strings.Contains(string(resp.body), `"done"`); seen != (name == "Ann") {
			t.Errorf("%s's list: %s", name, resp.body)
		}
		b.request(t, http.MethodHead, "/api/events", nil, callers[name].option).expect(t, want)
	}
	// Submissions with a bad token make no job, on either kind of route.
	for name, who := range callers {
		if !who.invalid {
			continue
		}
		b.request(t, http.MethodPost, "/api/jobs", goodBody, who.option).problem(t, http.StatusUnauthorized, "invalid_token")
		resp := b.request(t, http.MethodPost, "/api/translate", fields{"text": "a"}, who.option)
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: translate %d", name, resp.StatusCode)
		}
		for _, route := range []string{"change-password", "profile", "delete-account", "google-unlink"} {
			b.auth(t, route, fields{"password": annPassword, "username": "x"}, who.option).accountError(t, http.StatusUnauthorized, "invalid_token")
		}
	}
	b.request(t, http.MethodPost, "/api/jobs/queued/cancel", nil, callers["Bob"].option).problem(t, http.StatusNotFound, "not_found")
	b.request(t, http.MethodDelete, "/api/jobs/done", nil, callers["guest"].option).problem(t, http.StatusNotFound, "not_found")
	b.request(t, http.MethodPost, "/api/jobs/queued/cancel", nil, callers["Ann"].option).expect(t, http.StatusOK)
	b.request(t, http.MethodDelete, "/api/jobs/done", nil, callers["Ann"].option).expect(t, http.StatusNoContent)
}

// TestMemberJobs looks at whose the jobs are, and on which lane.
func TestMemberJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	c, g := guest()
	var asGuest, asMember, same view
	b.request(t, http.MethodPost, "/api/jobs", goodBody, cookie(c)).expect(t, http.StatusAccepted).decode(t, &asGuest)
	key := header("Idempotency-Key", "one")
	b.request(t, http.MethodPost, "/api/jobs", goodBody, cookie(c), cookie(ann.cookie), key).expect(t, http.StatusAccepted).decode(t, &asMember)
	b.request(t, http.MethodPost, "/api/jobs", goodBody, bearer(ann.Token), key).expect(t, http.StatusAccepted).decode(t, &same)
	if same.ID != asMember.ID {
		t.Error("the same key of the same member makes two jobs")
	}
	for id, owner := range map[string]string{asGuest.ID: g, asMember.ID: ann.User.ID} {
		entry, err := b.queue.FindLeader(t.Context(), owner, id)
		must(t, err)
		if wantMember := owner == ann.User.ID; (entry.Spec.Lane == job.LaneMember) != wantMember {
			t.Errorf("%s is on the lane %s", id, entry.Spec.Lane)
		}
	}
	// What the browser's guest began is still found, and is not in the member's list.
	b.request(t, http.MethodGet, "/api/jobs/"+asGuest.ID, nil, cookie(c), cookie(ann.cookie)).expect(t, http.StatusOK)
	b.request(t, http.MethodGet, "/api/jobs/"+asGuest.ID, nil, bearer(ann.Token)).problem(t, http.StatusNotFound, "not_found")
	list := b.request(t, http.MethodGet, "/api/jobs", nil, cookie(c), cookie(ann.cookie)).expect(t, http.StatusOK)
	if body := string(list.body); strings.Contains(body, asGuest.ID) || !strings.Contains(body, asMember.ID) {
		t.Errorf("the list: %s", body)
	}
	// When the browser's member has signed out the guest is as before, and nothing of the member is there.
	b.auth(t, "logout", nil, cookie(c), cookie(ann.cookie)).expect(t, http.StatusOK)
	b.request(t, http.MethodGet, "/api/jobs/"+asGuest.ID, nil, cookie(c)).expect(t, http.StatusOK)
	b.request(t, http.MethodGet, "/api/jobs/"+asMember.ID, nil, cookie(c)).problem(t, http.StatusNotFound, "not_found")
	b.request(t, http.MethodGet, "/api/jobs/"+asMember.ID, nil, cookie(c), cookie(ann.cookie)).problem(t, http.StatusUnauthorized, "invalid_token")
	if left := b.request(t, http.MethodGet, "/api/jobs", nil, cookie(c)).expect(t, http.StatusOK); strings.Contains(string(left.body), asMember.ID) || !strings.Contains(string(left.body), asGuest.ID) {
		t.Errorf("the list after signing out: %s", left.body)
	}
	for _, name := range []string{"Authorization", "Cookie"} {
		if !strings.Contains(list.Header.Get("Vary"), name) {
			t.Errorf("Vary %q", list.Header.Get("Vary"))
		}
	}
}

// TestStreamsEndWithTheSession changes the password while a stream stands.
func TestStreamsEndWithTheSession(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.KeepAlive = 20 * time.Millisecond })
	ann := b.signUp(t, annEmail)
	b.push(t, memberSpec(ann, "queued"))
	ended := make(chan int, 2)
	for _, path := range []string{"/api/events", "/api/jobs/queued/events"} {
		go func() {
			// The request comes back when the stream has ended.
			ended <- b.request(t, http.MethodGet, path, nil, bearer(ann.Token)).StatusCode
		}()
	}
	eventually(t, "both streams stand", func() bool { return b.metric(t, "sse_streams_open") == 2 })
	b.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another one"}, bearer(ann.Token)).expect(t, http.StatusOK)
	for range 2 {
		if status := <-ended; status != http.StatusOK {
			t.Errorf("a stream answered %d", status)
		}
	}
}

// TestDeletedAccountsLeaveNoData looks through all streams afterwards.
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
		b.request(t, http.MethodPost, "/api/feedback", fields{"category": "bug", "content": "x"}, bearer(who.Token)).expect(t, http.StatusCreated)
		b.saveImage(t, jpegImage(t, 64), bearer(who.Token))
	}
	b.auth(t, "delete-account", nil, bearer(ann.Token)).accountError(t, http.StatusBadRequest, "body_required")
	b.auth(t, "delete-account", fields{}, bearer(ann.Token)).accountError(t, http.StatusBadRequest, "invalid_request")
	b.auth(t, "delete-account", fields{"password": "wrong"}, bearer(ann.Token)).accountError(t, http.StatusBadRequest, "wrong_password")
	out := b.auth(t, "delete-account", fields{"password": annPassword}, bearer(ann.Token)).expect(t, http.StatusOK)
	if len(out.Cookies()) != 1 || out.Cookies()[0].MaxAge != -1 {
		t.Errorf("cookies %v", out.Cookies())
	}
	left := map[string]int{}
	names := b.broker.JetStream().StreamNames(t.Context())
	for name := range names.Name() {
		stream, err := b.broker.JetStream().Stream(t.Context(), name)
		must(t, err)
		for seq, last := stream.CachedInfo().State.FirstSeq, stream.CachedInfo().State.LastSeq; seq <= last; seq++ {
			msg, err := stream.GetMsg(t.Context(), seq)
			if err != nil || len(msg.Data) == 0 {
				continue // The mark of a deleted job holds nothing.
			}
			for who, s := range map[string]*session{"Ann": ann, "Bob": bob} {
				if strings.Contains(msg.Subject+string(msg.Data), s.User.ID) {
					left[who+" "+name]++
				}
			}
		}
	}
	must(t, names.Err())
	for what, n := range left {
		if strings.HasPrefix(what, "Ann") {
			t.Errorf("%s: %d", what, n)
		}
	}
	for _, name := range []string{"KV_USERS", "JOBS", "KV_RESULTS", "KV_PROGRESS", "DEAD", "KV_FEEDBACK", "KV_IMAGES_CACHE"} {
		if left["Bob "+name] == 0 {
			t.Errorf("nothing of Bob is left in %s: %v", name, left)
		}
	}
	b.auth(t, "login", fields{"email": annEmail, "password": annPassword}).accountError(t, http.StatusUnauthorized, "wrong_credentials")
	b.signUp(t, annEmail)
	b.request(t, http.MethodGet, "/api/jobs", nil, bearer(ann.Token)).problem(t, http.StatusUnauthorized, "invalid_token")
}
