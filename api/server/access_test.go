package server_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// accessCase is a request and the status for each caller: the owner (Ann), another member, a guest, an anonymous caller,
// and a caller with an invalid token.
type accessCase struct {
	path                                     string
	body                                     any
	owner, member, guest, anonymous, invalid int
}

// sameForAll is for routes that return the same status to all callers.
func sameForAll(status int, path string, body any) accessCase {
	return accessCase{path, body, status, status, status, status, status}
}

// ownersOnly is for routes of one of Ann's jobs.
func ownersOnly(status int, path string) accessCase {
	return accessCase{path, nil, status, 404, 404, 404, 401}
}

// membersOnly is for routes that guests may not use.
func membersOnly(status int, path string, body any) accessCase {
	return accessCase{path, body, status, status, 401, 401, 401}
}

// accessCases returns a case for every route.
func accessCases() map[string]accessCase {
	submission := func(path string, body fields) accessCase { return accessCase{path, body, 202, 202, 202, 202, 401} }
	login := fields{"email": annEmail, "password": annPassword}
	table := map[string]accessCase{
		"POST /api/jobs":            {"/api/jobs", goodBody, 202, 202, 202, 202, 401},
		"POST /api/jobs/:id/cancel": ownersOnly(200, "/api/jobs/queued/cancel"),
		"POST /api/jobs/:id/retry":  ownersOnly(202, "/api/jobs/failed/retry"),
		"DELETE /api/jobs/:id":      ownersOnly(204, "/api/jobs/done"),

		"POST /api/uploads":            {"/api/uploads", tinyPNG(), 201, 201, 201, 201, 401},
		"DELETE /api/uploads/:id":      {"/api/uploads/x", nil, 404, 404, 404, 404, 401},
		"POST /api/batches":            {"/api/batches", `{"jobs":[` + goodBody + `]}`, 202, 202, 202, 202, 401},
		"POST /api/batches/:id/cancel": ownersOnly(200, "/api/batches/{batch}/cancel"),
		"POST /api/batches/:id/retry":  ownersOnly(202, "/api/batches/{batch}/retry"),

		"POST /api/generate":           submission("/api/generate", fields{"text": "a", "type": "image"}),
		"POST /api/pollinations/image": submission("/api/pollinations/image", fields{"prompt": "a"}),
		"POST /api/prompts/optimize":   submission("/api/prompts/optimize", fields{"text": "a"}),
		"POST /api/optimize":           submission("/api/optimize", fields{"text": "a"}),
		"POST /api/translate":          submission("/api/translate", fields{"text": "a"}),

		"POST /api/auth/register":            sameForAll(400, "/api/auth/register", fields{"username": "x", "email": annEmail, "password": annPassword}),
		"POST /api/auth/login":               sameForAll(200, "/api/auth/login", login),
		"POST /api/auth/logout":              sameForAll(200, "/api/auth/logout", nil),
		"POST /api/auth/forgot-password":     sameForAll(200, "/api/auth/forgot-password", fields{"email": annEmail}),
		"POST /api/auth/reset-password":      sameForAll(400, "/api/auth/reset-password", fields{"token": "x", "newPassword": "abc12 xyz"}),
		"POST /api/auth/verify-email":        sameForAll(400, "/api/auth/verify-email", fields{"token": "x"}),
		"POST /api/auth/resend-verification": membersOnly(200, "/api/auth/resend-verification", nil),
		"POST /api/auth/change-password":     membersOnly(400, "/api/auth/change-password", fields{"currentPassword": "wrong", "newPassword": "abc12 xyz"}),
		"POST /api/auth/profile":             membersOnly(200, "/api/auth/profile", fields{"username": "someone"}),
		"POST /api/auth/delete-account":      membersOnly(400, "/api/auth/delete-account", fields{"password": "wrong"}),
		"POST /api/auth/google-oauth":        sameForAll(401, "/api/auth/google-oauth", fields{"code": "x", "state": "x"}),
		"POST /api/auth/google-login":        sameForAll(401, "/api/auth/google-login", fields{"idToken": "x"}),
		"POST /api/auth/google-unlink":       membersOnly(200, "/api/auth/google-unlink", nil),

		"POST /api/keys":                              membersOnly(400, "/api/keys", fields{}),
		"DELETE /api/keys/:id":                        membersOnly(404, "/api/keys/key_1", nil),
		"POST /v1/images/generations":                 submission("/v1/images/generations", fields{"prompt": "a"}),
		"POST /v1/images/edits":                       {"/v1/images/edits", fields{}, 415, 415, 415, 415, 401},
		"POST /v1/audio/speech":                       submission("/v1/audio/speech", fields{"input": "a"}),
		"PUT /api/usage/budget":                       membersOnly(200, "/api/usage/budget", fields{}),
		"PUT /api/webhooks":                           membersOnly(200, "/api/webhooks", fields{}),
		"POST /api/webhooks/secret":                   membersOnly(200, "/api/webhooks/secret", nil),
		"POST /api/webhooks/deliveries/:id/redeliver": membersOnly(404, "/api/webhooks/deliveries/1/redeliver", nil),
		"POST /api/webhooks/ping":                     membersOnly(400, "/api/webhooks/ping", fields{}),

		"POST /api/feedback": membersOnly(400, "/api/feedback", fields{}),
	}
	// {image} is the id of an image that Ann has saved. Deleting another member's image is 400, as in the original.
	table["POST /api/images/save"] = membersOnly(201, "/api/images/save", fields{"prompt": "a", "data": "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="})
	table["DELETE /api/images/:id"] = accessCase{"/api/images/{image}", nil, 200, 400, 401, 401, 401}
	for path, r := range map[string]accessCase{
		"/api/images/daily":            membersOnly(200, "/api/images/daily", nil),
		"/api/images/stats":            membersOnly(200, "/api/images/stats", nil),
		"/api/images/:id":              {"/api/images/{image}", nil, 200, 404, 401, 401, 401},
		"/api/images/download/:id":     {"/api/images/download/{image}", nil, 200, 404, 401, 401, 401},
		"/api/jobs":                    {"/api/jobs", nil, 200, 200, 200, 401, 401},
		"/api/batches":                 {"/api/batches", nil, 200, 200, 200, 401, 401},
		"/api/batches/:id":             ownersOnly(200, "/api/batches/{batch}"),
		"/api/events":                  {"/api/events", nil, 200, 200, 200, 401, 401},
		"/api/uploads":                 {"/api/uploads", nil, 200, 200, 200, 401, 401},
		"/api/uploads/:id":             {"/api/uploads/x", nil, 404, 404, 404, 404, 401},
		"/api/jobs/:id":                ownersOnly(200, "/api/jobs/done"),
		"/api/jobs/:id/events":         ownersOnly(200, "/api/jobs/done/events"),
		"/api/jobs/:id/media/:index":   ownersOnly(200, "/api/jobs/done/media/0"),
		"/api/auth/validate":           membersOnly(200, "/api/auth/validate", nil),
		"/api/keys":                    membersOnly(200, "/api/keys", nil),
		"/api/admin/keys":              sameForAll(401, "/api/admin/keys", nil),
		"/api/models":                  sameForAll(200, "/api/models", nil),
		"/v1/models":                   {"/v1/models", nil, 200, 200, 200, 200, 401},
		"/v1/models/*id":               {"/v1/models/flux", nil, 200, 200, 200, 200, 401},
		"/v1/media/:token":             sameForAll(404, "/v1/media/x", nil),
		"/api/quota":                   {"/api/quota", nil, 200, 200, 200, 200, 401},
		"/":                            sameForAll(200, "/", nil),
		"/gallery":                     sameForAll(200, "/gallery", nil),
		"/gallery/:id":                 sameForAll(200, "/gallery/x", nil),
		"/voice":                       sameForAll(200, "/voice", nil),
		"/account":                     sameForAll(200, "/account", nil),
		"/help":                        sameForAll(200, "/help", nil),
		"/privacy":                     sameForAll(200, "/privacy", nil),
		"/terms":                       sameForAll(200, "/terms", nil),
		"/operator":                    sameForAll(200, "/operator", nil),
		"/operator/:name":              sameForAll(200, "/operator/feedback", nil),
		"/api/auth/providers":          sameForAll(200, "/api/auth/providers", nil),
		"/api/auth/google":             sameForAll(401, "/api/auth/google", nil),
		"/auth/google/callback":        sameForAll(200, "/auth/google/callback?code=x&state=x", nil),
		"/reset-password":              sameForAll(200, "/reset-password?token=x", nil),
		"/verify-email":                sameForAll(200, "/verify-email?token=x", nil),
		"/docs":                        sameForAll(200, "/docs", nil),
		"/openapi.yaml":                sameForAll(200, "/openapi.yaml", nil),
		"/openapi.json":                sameForAll(200, "/openapi.json", nil),
		"/assets/*path":                sameForAll(200, "/assets/a.css", nil),
		"/livez":                       sameForAll(200, "/livez", nil),
		"/readyz":                      sameForAll(200, "/readyz", nil),
		"/internal/health":             sameForAll(401, "/internal/health", nil),
		"/api/usage":                   membersOnly(200, "/api/usage?group_by=day,kind&model=flux", nil),
		"/api/webhooks":                membersOnly(200, "/api/webhooks", nil),
		"/api/webhooks/secret":         membersOnly(200, "/api/webhooks/secret", nil),
		"/api/webhooks/deliveries":     membersOnly(200, "/api/webhooks/deliveries", nil),
		"/api/feedback/my":             membersOnly(200, "/api/feedback/my", nil),
		"/api/admin/feedback":          sameForAll(403, "/api/admin/feedback", nil),
		"/api/admin/control":           sameForAll(401, "/api/admin/control", nil),
		"/api/admin/switches":          sameForAll(401, "/api/admin/switches", nil),
		"/api/admin/deployments":       sameForAll(401, "/api/admin/deployments", nil),
		"/api/admin/dead-letters":      sameForAll(401, "/api/admin/dead-letters", nil),
		"/api/admin/dead-letters/:id":  sameForAll(401, "/api/admin/dead-letters/1", nil),
		"/api/batches/:id/events":      ownersOnly(200, "/api/batches/{batch}/events"),
		"/api/batches/:id/results.zip": ownersOnly(200, "/api/batches/{batch}/results.zip"),
	} {
		table["GET "+path], table["HEAD "+path] = r, r
	}
	table["GET /api/admin/backup"] = sameForAll(401, "/api/admin/backup", nil)
	for name, path := range map[string]string{
		"POST /api/admin/dead-letters/:id/replay": "/api/admin/dead-letters/1/replay", "DELETE /api/admin/dead-letters/:id": "/api/admin/dead-letters/1",
		"POST /api/admin/dead-letters/replay": "/api/admin/dead-letters/replay", "POST /api/admin/dead-letters/purge": "/api/admin/dead-letters/purge",
		"POST /api/admin/kinds/:kind/pause": "/api/admin/kinds/image/pause", "POST /api/admin/kinds/:kind/resume": "/api/admin/kinds/image/resume",
		"POST /api/admin/upstreams/:name/probe":  "/api/admin/upstreams/pollinations/probe",
		"POST /api/admin/feedback/:id/processed": "/api/admin/feedback/1/processed", "POST /api/admin/feedback/:id/pending": "/api/admin/feedback/1/pending",
		"DELETE /api/admin/feedback/:id": "/api/admin/feedback/1",
		"POST /api/admin/keys":           "/api/admin/keys", "DELETE /api/admin/keys/:id": "/api/admin/keys/key_1",
		"POST /api/admin/switches/:name": "/api/admin/switches/accept", "DELETE /api/admin/switches/:name": "/api/admin/switches/accept",
	} {
		table[name] = sameForAll(401, path, fields{"all": true})
	}
	return table
}

// status returns the expected status for a caller.
func (r accessCase) status(name string, who caller) int {
	switch {
	case who.isOwner:
		return r.owner
	case who.invalid:
		return r.invalid
	case name == "guest":
		return r.guest
	case name == "anonymous":
		return r.anonymous
	}
	return r.member
}

// TestRouteAccess requests every route as every caller. Ann comes last, so that her responses show that the other callers
// changed nothing.
func TestRouteAccess(t *testing.T) {
	t.Parallel()
	const prompt = "canary in a mine"
	b := setup(t, behindProxy, func(cfg *server.Config, _ *server.Deps) {
		cfg.HealthToken, cfg.AdminKey, cfg.MaxSignups, cfg.MaxActiveGuest, cfg.MaxActiveMember = "token", adminKey, 0, 0, 0
	})
	ann, callers := b.callers(t)
	about := func(id string) *job.Spec {
		spec := newSpec(ann.User.ID, id, job.KindPrompt, &job.TextInput{Text: prompt})
		spec.Lane = job.LaneMember
		return spec
	}
	b.settle(t, about("done"), &job.Record{Status: job.StatusSucceeded}, store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte(prompt)})
	b.settle(t, about("failed"), &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
	b.push(t, about("queued"))
	image := saveBody(jpegImage(t, 8))
	image["prompt"] = prompt
	var saved savedImage
	b.post(t, imagesRoute+"save", image, bearer(ann.Token)).expect(t, http.StatusCreated).decode(t, &saved)
	ofAnn := b.post(t, "/api/batches", fields{"jobs": []fields{{"kind": "prompt", "input": fields{"text": prompt}}}}, bearer(ann.Token)).batch(t, http.StatusAccepted)
	table := accessCases()
	var routes []string
	for _, r := range b.server.Routes() {
		name := r.Method + " " + r.Path
		if _, listed := table[name]; !listed {
			t.Errorf("no access case for %s", name)
			continue
		}
		routes = append(routes, name)
	}
	for name := range table {
		if !slices.Contains(routes, name) {
			t.Errorf("no route %s", name)
		}
	}
	// Reads come before changes, and signing out comes last. One of Ann's callers is enough.
	slices.SortStableFunc(routes, func(one, other string) int { return routeOrder(one) - routeOrder(other) })
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(callers)), func(name string) bool { return callers[name].isOwner })
	n := 0
	for _, name := range append(names, "Ann by cookie") {
		who := callers[name]
		for _, route := range routes {
			r := table[route]
			if r.path == "/api/auth/logout" && strings.HasPrefix(name, "Bob") {
				continue // Bob's callers share a token.
			}
			n++
			ip := fmt.Sprintf("10.%d.%d.1", n/250, n%250)
			status, body := b.peek(t, strings.Fields(route)[0], strings.NewReplacer("{image}", saved.ID, "{batch}", ofAnn.ID).Replace(r.path), r.body, fromIP(ip), async, who.option)
			if want := r.status(name, who); status != want {
				t.Errorf("%s: %s is %d, want %d: %.300s", name, route, status, want, body)
			}
			isLogin := r.path == "/api/auth/login" // The request contains Ann's password.
			if !who.isOwner && !isLogin && (strings.Contains(body, prompt) || strings.Contains(body, ann.User.ID) || strings.Contains(body, annEmail)) {
				t.Errorf("%s: %s reveals Ann: %s", name, route, body)
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d requests", n)
	}
}

// routeOrder returns a sort key: reads, other changes, deletions, logout.
func routeOrder(route string) int {
	switch {
	case strings.HasSuffix(route, "/logout"):
		return 3
	case strings.HasPrefix(route, "DELETE"):
		return 2
	case strings.HasPrefix(route, "POST"):
		return 1
	}
	return 0
}

// peek returns the status and body of a response. It does not wait for the end of an event stream.
func (b *bundle) peek(t testing.TB, method, path string, body any, options ...option) (status int, content string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	resp, err := b.client.Do(b.newRequest(ctx, t, method, path, body, options...))
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp.StatusCode, ""
	}
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(data)
}
