package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

const (
	keysRoute      = "/api/keys"
	adminKeysRoute = "/api/admin/keys"
)

// apiKey is an API key as the API shows it.
type apiKey struct {
	ID, Name, Shown, Key string
	Scopes               []string
	CreatedAt            string  `json:"created_at"`
	ExpiresAt            *string `json:"expires_at"`
	LastUsedAt           *string `json:"last_used_at"`
	PerMinute            *int    `json:"per_minute"`
	PerDay               *int    `json:"per_day"`
	MaxActive            *int    `json:"max_active"`
}

// newKey creates an API key of a member.
func (b *bundle) newKey(t testing.TB, member option, request fields) apiKey {
	t.Helper()
	if request["name"] == nil {
		request["name"] = "a test"
	}
	var k apiKey
	b.post(t, keysRoute, request, member).expect(t, http.StatusCreated).decode(t, &k)
	return k
}

// listKeys returns the API keys at a route.
func (b *bundle) listKeys(t testing.TB, route string, who option) []apiKey {
	t.Helper()
	var list struct{ Keys []apiKey }
	b.get(t, route, who).expect(t, http.StatusOK).decode(t, &list)
	return list.Keys
}

// keyProblem checks the refusal of an API key.
func (r *reply) keyProblem(t testing.TB, status int, code, sentence, challenge string) {
	t.Helper()
	r.problem(t, status, code)
	var p problemBody
	r.decode(t, &p)
	if !strings.Contains(p.Error, sentence) || r.Header.Get("WWW-Authenticate") != challenge {
		t.Errorf("%q, WWW-Authenticate %q; want %q, %q", p.Error, r.Header.Get("WWW-Authenticate"), sentence, challenge)
	}
}

// zeroKey is well-formed and nobody's.
const zeroKey = "t2i_00000000000000000000000000000000000000000001e8BkZ"

const invalidKeyChallenge = `Bearer error="invalid_token"`

// TestAPIKeys follows keys from their creation to their revocation.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, bob := b.newMember(t, annEmail), b.newMember(t, "bob@example.org")
	if list := b.listKeys(t, keysRoute, ann); list == nil || len(list) != 0 {
		t.Errorf("keys of a new account: %v", list)
	}
	one := b.newKey(t, ann, fields{"name": " nightly build ", "scopes": []string{"submit", "read", "read"}})
	two := b.newKey(t, ann, fields{"scopes": []string{"read"}, "expires_in": 3600, "per_minute": 2, "per_day": 3, "max_active": 4})
	if one.Name != "nightly build" || fmt.Sprint(one.Scopes) != "[submit read]" || one.ExpiresAt != nil || one.PerDay != nil || !strings.HasPrefix(one.Key, one.Shown) {
		t.Errorf("a key %+v", one)
	}
	if two.ExpiresAt == nil || *two.PerMinute != 2 || *two.PerDay != 3 || *two.MaxActive != 4 || two.ID == one.ID {
		t.Errorf("a limited key %+v", two)
	}

	// The key acts as the member.
	key := bearer(one.Key)
	created := b.submit(t, goodBody, key).job(t, http.StatusAccepted)
	b.get(t, "/api/jobs/"+created.ID, ann).expect(t, http.StatusOK)
	b.get(t, "/api/jobs/"+created.ID, key).expect(t, http.StatusOK)
	b.get(t, "/api/jobs/"+created.ID, bob).problem(t, http.StatusNotFound, "not_found")
	if list := b.get(t, "/api/jobs", bearer(two.Key)).expect(t, http.StatusOK); !strings.Contains(string(list.body), created.ID) {
		t.Errorf("the list with a key: %s", list.body)
	}
	if who := b.validate(t, key).expect(t, http.StatusOK); !strings.Contains(string(who.body), annEmail) {
		t.Errorf("the account with a key: %s", who.body)
	}
	b.submit(t, goodBody, bearer(two.Key)).keyProblem(t, http.StatusForbidden, "insufficient_scope", "scope submit", `Bearer error="insufficient_scope", scope="submit"`)

	// Only the creation shows the key, and nothing stores it.
	list := b.get(t, keysRoute, ann).expect(t, http.StatusOK)
	if text := string(list.body); strings.Contains(text, one.Key) || strings.Contains(text, `"key"`) || strings.Contains(text, "hash") {
		t.Errorf("the list shows a key: %s", text)
	}
	listed := b.listKeys(t, keysRoute, ann)
	if len(listed) != 2 || listed[1].ID != one.ID || listed[1].LastUsedAt == nil || len(b.listKeys(t, keysRoute, bob)) != 0 {
		t.Errorf("listed %+v", listed)
	}
	if found := b.storedMentions(t, one.Key[8:], two.Key[8:]); len(found) > 0 {
		t.Errorf("a key is stored in %v", found)
	}

	// What is wrong with a key is told to a program.
	other := one.Key[:len(one.Key)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(one.Key, "0")]
	for key, sentence := range map[string]string{
		other: "incomplete or mistyped", one.Key[:20]: "incomplete or mistyped", one.Key + "0": "incomplete or mistyped", "t2i_": "incomplete or mistyped",
		zeroKey: "does not exist or was revoked",
	} {
		b.get(t, "/api/jobs", bearer(key)).keyProblem(t, http.StatusUnauthorized, "invalid_api_key", sentence, invalidKeyChallenge)
		// It never counts as a guest.
		b.submit(t, goodBody, bearer(key)).problem(t, http.StatusUnauthorized, "invalid_api_key")
		b.post(t, "/api/translate", fields{"text": "a"}, bearer(key)).originalError(t, http.StatusUnauthorized, "invalid_api_key")
		b.post(t, keysRoute, fields{}, bearer(key)).problem(t, http.StatusUnauthorized, "invalid_api_key")
	}
	b.get(t, "/api/jobs", bearer("sk-of-another-service")).keyProblem(t, http.StatusUnauthorized, "invalid_token", "begins with t2i_", `Bearer realm="account", error="invalid_token"`)
	// Browsers send cookies by themselves, so a key in one does not count.
	b.get(t, "/api/jobs", cookie(&http.Cookie{Name: "auth_token", Value: one.Key})).problem(t, http.StatusUnauthorized, "invalid_token")

	// Nobody else can revoke it, and no key can.
	b.delete(t, keysRoute+"/"+one.ID, bob).problem(t, http.StatusNotFound, "not_found")
	b.delete(t, keysRoute+"/"+one.ID, key).keyProblem(t, http.StatusForbidden, "session_required", "sign in", "")
	b.delete(t, keysRoute+"/*", ann).problem(t, http.StatusNotFound, "not_found")
	b.get(t, "/api/jobs", key).expect(t, http.StatusOK)
	b.delete(t, keysRoute+"/"+one.ID, ann).expect(t, http.StatusNoContent)
	b.get(t, "/api/jobs", key).keyProblem(t, http.StatusUnauthorized, "invalid_api_key", "does not exist or was revoked", invalidKeyChallenge)
	b.delete(t, keysRoute+"/"+one.ID, ann).problem(t, http.StatusNotFound, "not_found")
	if listed := b.listKeys(t, keysRoute, ann); len(listed) != 1 || listed[0].ID != two.ID {
		t.Errorf("listed after a revocation: %+v", listed)
	}
	if log := b.log.String(); strings.Contains(log, one.Key) || strings.Contains(log, two.Key) || strings.Contains(log, one.Key[8:]) {
		t.Error("a key is in the log")
	}
}

func TestInvalidKeyRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.newMember(t, annEmail)
	scopes := []string{"read"}
	for name, tc := range map[string]struct {
		body    fields
		pointer string
	}{
		"no name":          {fields{"scopes": scopes}, "/name"},
		"blank name":       {fields{"name": " ", "scopes": scopes}, "/name"},
		"long name":        {fields{"name": strings.Repeat("n", 65), "scopes": scopes}, "/name"},
		"line break":       {fields{"name": "a\nb", "scopes": scopes}, "/name"},
		"no scopes":        {fields{"name": "a"}, "/scopes"},
		"empty scopes":     {fields{"name": "a", "scopes": []string{}}, "/scopes"},
		"unknown scope":    {fields{"name": "a", "scopes": []string{"read", "write"}}, "/scopes/1"},
		"wrong type":       {fields{"name": "a", "scopes": "read"}, "/scopes"},
		"no time":          {fields{"name": "a", "scopes": scopes, "expires_in": 0}, "/expires_in"},
		"too long":         {fields{"name": "a", "scopes": scopes, "expires_in": 157680001}, "/expires_in"},
		"per minute":       {fields{"name": "a", "scopes": scopes, "per_minute": 0}, "/per_minute"},
		"per day":          {fields{"name": "a", "scopes": scopes, "per_day": -1}, "/per_day"},
		"max active":       {fields{"name": "a", "scopes": scopes, "max_active": 1_000_001}, "/max_active"},
		"unknown property": {fields{"name": "a", "scopes": scopes, "admin": true}, "/admin"},
	} {
		resp := b.post(t, keysRoute, tc.body, ann)
		resp.problem(t, http.StatusBadRequest, "invalid_request")
		if !strings.Contains(string(resp.body), `"pointer":"`+tc.pointer+`"`) {
			t.Errorf("%s: %s", name, resp.body)
		}
	}
	b.post(t, keysRoute, fields{"name": "a", "scopes": []string{"read", "admin"}}, ann).problem(t, http.StatusForbidden, "insufficient_scope")
	for range apikey.MaxKeys {
		b.newKey(t, ann, fields{"scopes": scopes})
	}
	b.post(t, keysRoute, fields{"name": "a", "scopes": scopes}, ann).problem(t, http.StatusConflict, "too_many_api_keys")
	if list := b.listKeys(t, keysRoute, ann); len(list) != apikey.MaxKeys {
		t.Errorf("%d keys", len(list))
	}
}

// TestKeyPermissions requests every route with every kind of key. A key that lacks what a route needs is refused before anything
// else is looked at; with what it needs it gets further than that.
func TestKeyPermissions(t *testing.T) {
	t.Parallel()
	b := setup(t, behindProxy, func(cfg *server.Config, _ *server.Deps) { cfg.AdminKey, cfg.MaxSignups = adminKey, 0 })
	ann := b.newMember(t, annEmail)
	var admin apiKey
	b.post(t, adminKeysRoute, fields{"name": "Eve"}, bearer(adminKey)).expect(t, http.StatusCreated).decode(t, &admin)
	keys := map[string]string{"admin": admin.Key}
	for _, scope := range []string{"submit", "read"} {
		keys[scope] = b.newKey(t, ann, fields{"scopes": []string{scope}}).Key
	}
	n := 0
	for _, r := range b.server.Routes() {
		need, listed := server.PermissionOf(r.Method, r.Path)
		if !listed {
			t.Errorf("%s %s is not in the table of permissions", r.Method, r.Path)
			continue
		}
		path := strings.NewReplacer(":id", "unknown-id", ":index", "0", "*path", "none.js", ":kind", "none", ":name", "none", ":token", "none", "*id", "none").Replace(r.Path)
		if isOperators := strings.HasPrefix(r.Path, "/api/admin/"); isOperators != (need == "admin" || need == "ADMIN_KEY") {
			t.Errorf("%s %s needs %s", r.Method, r.Path, need)
		}
		for scope, key := range keys {
			n++
			status, body := b.peek(t, r.Method, path, nil, bearer(key), fromIP(fmt.Sprintf("10.%d.%d.1", n/250, n%250)))
			lacks := strings.Contains(body, `"insufficient_scope"`) || strings.Contains(body, `"session_required"`)
			if r.Method == http.MethodHead {
				lacks = status == http.StatusForbidden
			}
			want := need != "anyone" && need != scope
			if lacks != want || (lacks && status != http.StatusForbidden) || (status == http.StatusUnauthorized && need != "anyone") {
				t.Errorf("%s %s, which needs %s, with a key for %s: %d %.200s", r.Method, r.Path, need, scope, status, body)
			}
		}
	}
	for _, name := range server.Permissions() {
		method, path, _ := strings.Cut(name, " ")
		found := false
		for _, r := range b.server.Routes() {
			found = found || r == server.Route{Method: method, Path: path}
		}
		if !found {
			t.Errorf("there is no route %s", name)
		}
	}
}

// TestAdminKeys has two operators with keys of their own.
func TestAdminKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.AdminKey = adminKey })
	operator := bearer(adminKey)
	create := func(name string) (k apiKey) {
		b.post(t, adminKeysRoute, fields{"name": name}, operator).expect(t, http.StatusCreated).decode(t, &k)
		return k
	}
	eve, mallory := create("Eve"), create("Mallory")
	if fmt.Sprint(eve.Scopes) != "[admin]" || len(b.listKeys(t, adminKeysRoute, operator)) != 2 {
		t.Errorf("a key of an operator: %+v", eve)
	}
	b.post(t, adminKeysRoute, fields{"name": "a", "scopes": []string{"read"}}, operator).problem(t, http.StatusBadRequest, "invalid_request")
	b.post(t, adminKeysRoute, fields{"name": "a", "per_day": 1}, operator).problem(t, http.StatusBadRequest, "invalid_request")
	// Both ways to send ADMIN_KEY work for keys as well, but not the URL.
	b.post(t, "/api/admin/switches/accept", fields{"value": "off"}, bearer(eve.Key)).expect(t, http.StatusOK)
	var sw struct{ By struct{ Key string } }
	b.post(t, "/api/admin/switches/accept", fields{"value": "on"}, header("X-Admin-Key", mallory.Key)).expect(t, http.StatusOK).decode(t, &sw)
	if sw.By.Key != mallory.ID {
		t.Errorf("the switch was set by %q", sw.By.Key)
	}
	b.get(t, "/api/admin/feedback", bearer(eve.Key)).expect(t, http.StatusOK)
	b.get(t, "/api/admin/feedback?admin_key="+eve.Key).accountError(t, http.StatusForbidden, "admin_key_required")
	for _, id := range []string{eve.ID, mallory.ID} {
		if !strings.Contains(b.log.String(), `"act":"set switch","outcome":"done","address":"127.0.0.1","key":"`+id+`"`) {
			t.Errorf("the audit log does not name %s: %s", id, b.log.String())
		}
	}
	// An operator with a key cannot make another one, and has no account.
	b.post(t, adminKeysRoute, fields{"name": "a"}, bearer(eve.Key)).problem(t, http.StatusForbidden, "session_required")
	b.submit(t, goodBody, bearer(eve.Key)).problem(t, http.StatusForbidden, "insufficient_scope")
	member := b.newKey(t, b.newMember(t, annEmail), fields{"scopes": []string{"read", "submit"}})
	b.get(t, "/api/admin/control", bearer(member.Key)).keyProblem(t, http.StatusForbidden, "insufficient_scope", "scope admin", `Bearer error="insufficient_scope", scope="admin"`)
	b.delete(t, adminKeysRoute+"/"+member.ID, operator).problem(t, http.StatusNotFound, "not_found")
	b.delete(t, adminKeysRoute+"/"+eve.ID, operator).expect(t, http.StatusNoContent)
	b.get(t, "/api/admin/control", bearer(eve.Key)).keyProblem(t, http.StatusUnauthorized, "invalid_api_key", "was revoked", invalidKeyChallenge)
	b.get(t, "/api/admin/control", bearer(mallory.Key)).expect(t, http.StatusOK)
	// Wrong keys are guesses.
	for range 9 {
		b.get(t, "/api/admin/control", bearer(eve.Key)).expect(t, http.StatusUnauthorized)
	}
	b.get(t, "/api/admin/control", bearer(mallory.Key)).problem(t, http.StatusTooManyRequests, "too_many_guesses")
	if log := b.log.String(); strings.Contains(log, eve.Key) || strings.Contains(log, mallory.Key) {
		t.Error("a key is in the log")
	}
}

// TestRevokedKeys uses keys on two processes until they are revoked, expired or their account is deleted.
func TestRevokedKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, withKeepAlive(20*time.Millisecond))
	other := b.secondProcess(t, func(_ *server.Config, deps *server.Deps) {
		keys, err := apikey.New(t.Context(), b.broker, deps.Accounts, deps.Log)
		must(t, err)
		deps.Keys = keys
	})
	who := b.signUp(t, annEmail)
	ann := bearer(who.Token)
	revoked, short, kept := b.newKey(t, ann, fields{"scopes": []string{"read"}}), b.newKey(t, ann, fields{"scopes": []string{"read"}, "expires_in": 1}), b.newKey(t, ann, fields{"scopes": []string{"read"}})
	stream := func(key apiKey) chan int {
		ended := make(chan int, 1)
		go func() { ended <- other.get(t, "/api/events", bearer(key.Key)).StatusCode }()
		return ended
	}
	one, two := stream(revoked), stream(kept)
	other.awaitStreams(t, 2)
	rejected := func(key apiKey, sentence string) {
		t.Helper()
		eventually(t, "the key is rejected", func() bool { return other.get(t, "/api/jobs", bearer(key.Key)).StatusCode == http.StatusUnauthorized })
		other.get(t, "/api/jobs", bearer(key.Key)).keyProblem(t, http.StatusUnauthorized, "invalid_api_key", sentence, invalidKeyChallenge)
	}
	b.delete(t, keysRoute+"/"+revoked.ID, ann).expect(t, http.StatusNoContent)
	rejected(revoked, "was revoked")
	if status := <-one; status != http.StatusOK {
		t.Errorf("the stream of a revoked key ended with %d", status)
	}
	rejected(short, "expired")
	// A new password invalidates tokens, but not keys.
	b.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another one"}, ann).expect(t, http.StatusOK)
	b.get(t, "/api/jobs", bearer(kept.Key)).expect(t, http.StatusOK)
	ann = bearer(b.login(t, annEmail, "another one"))
	b.auth(t, "delete-account", fields{"password": "another one"}, ann).expect(t, http.StatusOK)
	rejected(kept, "was revoked")
	<-two
	if left := b.storedMentions(t, who.User.ID); len(left) > 0 {
		t.Errorf("data of the deleted account: %v", left)
	}
}

// TestKeyLimits uses keys with less than their member has.
func TestKeyLimits(t *testing.T) {
	t.Parallel()
	b := setup(t, withPlans(quota.Plans{Media: quota.Plan{Member: quota.Limits{PerMinute: 100, PerDay: 6}}}))
	who := b.signUp(t, annEmail)
	ann := bearer(who.Token)
	both := []string{"submit", "read"}
	minute := bearer(b.newKey(t, ann, fields{"scopes": both, "per_minute": 2}).Key)
	day := bearer(b.newKey(t, ann, fields{"scopes": both, "per_day": 1}).Key)
	active := bearer(b.newKey(t, ann, fields{"scopes": both, "max_active": 1}).Key)

	resp := b.submitImage(t, minute).expect(t, http.StatusAccepted)
	if policy, left := resp.Header.Get("RateLimit-Policy"), resp.Header.Get("RateLimit"); policy != `"minute";q=100;w=60, "day";q=6;w=86400, "key-minute";q=2;w=60` ||
		!strings.Contains(left, `"day";r=5;`) || !strings.Contains(left, `"key-minute";r=1;`) {
		t.Errorf("RateLimit-Policy %s, RateLimit %s", policy, left)
	}
	var v struct {
		KeyMinute *windowView `json:"key_minute"`
		KeyDay    *windowView `json:"key_day"`
	}
	b.get(t, "/api/quota", minute).expect(t, http.StatusOK).decode(t, &v)
	if v.KeyMinute == nil || v.KeyMinute.Remaining != 1 || v.KeyDay != nil {
		t.Errorf("the quota of a key: %+v", v)
	}
	b.submitImage(t, minute).expect(t, http.StatusAccepted)
	b.submitImage(t, minute).keyProblem(t, http.StatusTooManyRequests, "rate_limited", "This API key has reached its limit for images and audio files, which is 2 per minute", "")

	// What is refunded to the member is refunded to the key.
	first := b.submitImage(t, day).job(t, http.StatusAccepted)
	b.submitImage(t, day).keyProblem(t, http.StatusPaymentRequired, "quota_exceeded", "This API key has used its quota for images and audio files, which is 1 per day", "")
	b.expectLeft(t, "the member", 3, ann)
	spec := b.queueEntry(t, who.User.ID, first.ID).Spec
	b.cancel(t, first.ID, day).expect(t, http.StatusOK)
	must(t, quota.Refund(t.Context(), b.broker, &job.Record{Spec: spec, Status: job.StatusCanceled, Cancel: job.CancelBeforeStart, FinishedAt: job.At(midday())}))
	b.expectLeft(t, "the member", 4, ann)
	b.submitImage(t, day).expect(t, http.StatusAccepted)

	// Jobs of the member and of other keys do not count as active ones of a key.
	running := b.submitImage(t, active).job(t, http.StatusAccepted)
	b.submitImage(t, active).keyProblem(t, http.StatusTooManyRequests, "too_many_active_jobs", "This API key already has its maximum number of jobs waiting or running (1)", "")
	b.cancel(t, running.ID, active).expect(t, http.StatusOK)
	b.submitImage(t, active).expect(t, http.StatusAccepted)
	b.submitImage(t, ann).expect(t, http.StatusAccepted)
	// The limits of the member hold for its keys too.
	b.submitImage(t, ann).problem(t, http.StatusPaymentRequired, "quota_exceeded")
	unlimited := bearer(b.newKey(t, ann, fields{"scopes": both, "per_day": 100}).Key)
	b.submitImage(t, unlimited).keyProblem(t, http.StatusPaymentRequired, "quota_exceeded", "You have used today's quota for images and audio files, which is 6", "")
	b.auth(t, "delete-account", fields{"password": annPassword}, ann).expect(t, http.StatusOK)
	stream, err := b.broker.JetStream().Stream(t.Context(), broker.StreamUsage)
	must(t, err)
	left, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(broker.UsageSubject(broker.UsageDay, "*", "*")))
	must(t, err)
	if len(left.State.Subjects) > 0 {
		t.Errorf("counters of the deleted account: %v", left.State.Subjects)
	}
}
