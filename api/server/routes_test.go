package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

// expectation is the response of a route to unauthorized callers.
type expectation struct {
	// anonymous is the status for a caller without a cookie, and without a body.
	anonymous int
	// original reports that errors have the shape of the original.
	original bool
	// largest is the maximum body size, if it differs from that of most routes.
	largest int
}

// expectations lists every route. The test fails for a route that is not listed, so that every new route is considered.
func expectations() map[string]expectation {
	read := map[string]expectation{
		"/": {anonymous: 200}, "/docs": {anonymous: 200}, "/openapi.yaml": {anonymous: 200}, "/openapi.json": {anonymous: 200}, "/assets/*path": {anonymous: 404},
		"/livez": {anonymous: 200}, "/readyz": {anonymous: 200}, "/internal/health": {anonymous: 401},
		"/api/models": {anonymous: 200}, "/api/quota": {anonymous: 200}, "/api/jobs": {anonymous: 401}, "/api/batches": {anonymous: 401}, "/api/batches/:id": {anonymous: 404}, "/api/batches/:id/events": {anonymous: 404}, "/api/batches/:id/results.zip": {anonymous: 404}, "/api/events": {anonymous: 401},
		"/api/admin/dead-letters": {anonymous: 401}, "/api/admin/dead-letters/:id": {anonymous: 401},
		"/api/admin/control": {anonymous: 401}, "/api/admin/switches": {anonymous: 401}, "/api/admin/deployments": {anonymous: 401}, "/api/keys": {anonymous: 401}, "/api/admin/keys": {anonymous: 401}, "/reset-password": {anonymous: 200}, "/verify-email": {anonymous: 200}, server.GooglePath: {anonymous: 200},
		"/api/auth/providers": {anonymous: 200}, "/api/auth/google": {anonymous: 401, original: true}, "/api/auth/validate": {anonymous: 401, original: true},
		"/v1/models": {anonymous: 200}, "/v1/models/*id": {anonymous: 404}, "/v1/media/:token": {anonymous: 404},
		"/api/jobs/:id": {anonymous: 404}, "/api/jobs/:id/events": {anonymous: 404}, "/api/jobs/:id/media/:index": {anonymous: 404},
		"/api/uploads": {anonymous: 401}, "/api/uploads/:id": {anonymous: 404},
	}
	for _, view := range []string{"/gallery", "/gallery/:id", "/voice", "/account", "/help", "/privacy", "/terms", "/operator", "/operator/:name"} {
		read[view] = expectation{anonymous: 200}
	}
	all := map[string]expectation{
		"GET /api/admin/backup": {anonymous: 401}, "POST /api/keys": {anonymous: 401}, "DELETE /api/keys/:id": {anonymous: 401},
		"POST /api/jobs": {anonymous: 400}, "POST /api/jobs/:id/cancel": {anonymous: 404}, "POST /api/jobs/:id/retry": {anonymous: 404}, "DELETE /api/jobs/:id": {anonymous: 404},
		"POST /api/uploads": {anonymous: 400, largest: server.MaxImageBody}, "DELETE /api/uploads/:id": {anonymous: 404},
		"POST /api/batches": {anonymous: 400, largest: server.MaxBatchBody}, "POST /api/batches/:id/cancel": {anonymous: 404}, "POST /api/batches/:id/retry": {anonymous: 404},
	}
	for _, route := range []string{
		"POST /api/admin/dead-letters/:id/replay", "DELETE /api/admin/dead-letters/:id", "POST /api/admin/dead-letters/replay", "POST /api/admin/dead-letters/purge",
		"POST /api/admin/kinds/:kind/pause", "POST /api/admin/kinds/:kind/resume", "POST /api/admin/upstreams/:name/probe",
		"POST /api/admin/switches/:name", "DELETE /api/admin/switches/:name", "POST /api/admin/keys", "DELETE /api/admin/keys/:id",
	} {
		all[route] = expectation{anonymous: 401}
	}
	for route, status := range map[string]int{
		"register": 400, "login": 400, "logout": 200, "forgot-password": 400, "reset-password": 400, "verify-email": 400, "resend-verification": 401,
		"change-password": 401, "profile": 401, "delete-account": 401, "google-oauth": 400, "google-login": 400, "google-unlink": 401,
	} {
		all["POST /api/auth/"+route] = expectation{anonymous: status, original: true}
	}
	for _, route := range []string{"POST /api/admin/feedback/:id/processed", "POST /api/admin/feedback/:id/pending", "DELETE /api/admin/feedback/:id"} {
		all[route] = expectation{anonymous: 401}
	}
	for _, route := range []string{
		"PUT /api/usage/budget", "PUT /api/webhooks", "POST /api/webhooks/secret", "POST /api/webhooks/deliveries/:id/redeliver", "POST /api/webhooks/ping",
	} {
		all[route] = expectation{anonymous: 401}
	}
	for _, path := range []string{"", "/secret", "/deliveries"} {
		read["/api/webhooks"+path] = expectation{anonymous: 401}
	}
	read["/api/usage"] = expectation{anonymous: 401}
	all["POST /api/feedback"] = expectation{anonymous: 401, original: true}
	read["/api/feedback/my"], read["/api/admin/feedback"] = expectation{anonymous: 401, original: true}, expectation{anonymous: 403, original: true}
	for _, path := range []string{"daily", "stats", ":id", "download/:id"} {
		read["/api/images/"+path] = expectation{anonymous: 401, original: true}
	}
	all["POST /api/images/save"], all["DELETE /api/images/:id"] = expectation{anonymous: 401, original: true, largest: server.MaxImageBody}, expectation{anonymous: 401, original: true}
	all["POST /v1/images/generations"], all["POST /v1/audio/speech"] = expectation{anonymous: 400}, expectation{anonymous: 400}
	all["POST /v1/images/edits"] = expectation{anonymous: 415, largest: server.MaxImageBody}
	for path, e := range read {
		all["GET "+path], all["HEAD "+path] = e, e
	}
	for _, path := range originalRoutes {
		all["POST "+path] = expectation{anonymous: 400, original: true}
	}
	return all
}

func TestEveryRouteRejectsUnauthorizedCallers(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.HealthToken, cfg.AdminKey = "token", adminKey })
	expected := expectations()
	methods := map[string][]string{}
	for _, r := range b.server.Routes() {
		name := r.Method + " " + r.Path
		e, ok := expected[name]
		if !ok {
			t.Errorf("no expectation for %s", name)
			continue
		}
		delete(expected, name)
		methods[r.Path] = append(methods[r.Path], r.Method)
		path := strings.NewReplacer(":id", "unknown-id", "*id", "unknown-id", ":token", "unknown", ":index", "0", "*path", "none.js").Replace(r.Path)
		anonymous := b.request(t, r.Method, path, nil)
		if anonymous.StatusCode != e.anonymous {
			t.Errorf("%s: a caller without a cookie gets %d, want %d", name, anonymous.StatusCode, e.anonymous)
		}
		for _, required := range []string{"X-Request-Id", "X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "Content-Security-Policy"} {
			if anonymous.Header.Get(required) == "" {
				t.Errorf("%s: no %s", name, required)
			}
		}
		if !strings.Contains(anonymous.Header.Get("Vary"), "Origin") {
			t.Errorf("%s: Vary %q", name, anonymous.Header.Get("Vary"))
		}
		huge := b.request(t, r.Method, path, strings.Repeat(" ", max(e.largest, server.MaxBody)+1))
		if huge.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: a huge body gets %d", name, huge.StatusCode)
		}
		foreign := b.request(t, r.Method, path, "{}", header("Sec-Fetch-Site", "cross-site"))
		if reads := r.Method == http.MethodGet || r.Method == http.MethodHead; reads == (foreign.StatusCode == http.StatusForbidden) && e.anonymous != http.StatusForbidden {
			t.Errorf("%s: another site gets %d", name, foreign.StatusCode)
		}
		if e.original && r.Method == http.MethodPost {
			huge.originalError(t, http.StatusRequestEntityTooLarge, "body_too_large")
			foreign.originalError(t, http.StatusForbidden, "cross_origin")
		}
	}
	for name := range expected {
		t.Errorf("no route %s", name)
	}
	// To other methods these are paths of a dead letter.
	for _, path := range []string{"/api/admin/dead-letters/replay", "/api/admin/dead-letters/purge"} {
		methods[path] = append(methods[path], methods["/api/admin/dead-letters/:id"]...)
	}
	// And these are paths of a saved image.
	methods["/api/images/save"] = append(methods["/api/images/save"], methods["/api/images/:id"]...)
	for _, path := range []string{"/api/images/daily", "/api/images/stats"} {
		methods[path] = append(methods[path], http.MethodDelete)
	}
	for path, served := range methods {
		path = strings.NewReplacer(":id", "unknown-id", "*id", "unknown-id", ":token", "unknown", ":index", "0", "*path", "none.js").Replace(path)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
			if slices.Contains(served, method) {
				continue
			}
			resp := b.request(t, method, path, nil)
			if strings.HasPrefix(path, "/v1/") {
				resp.openAIError(t, http.StatusMethodNotAllowed, "method_not_allowed")
			} else {
				resp.problem(t, http.StatusMethodNotAllowed, "method_not_allowed")
			}
			allowed := strings.Split(resp.Header.Get("Allow"), ", ")
			slices.Sort(allowed)
			slices.Sort(served)
			if !slices.Equal(allowed, served) {
				t.Errorf("%s %s: Allow %v, want %v", method, path, allowed, served)
			}
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{
		"/nothing", "/api", "/api/", "/api/jobs/", "/api/jobs/a/b/c", "/metrics", "/debug/pprof/", "/index.html", "/secret.txt",
		"/assets/notes.md", "/assets/", "/API/JOBS", "//api/jobs", "/.git/config",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if method == http.MethodPost && strings.HasPrefix(path, "/assets/") {
				continue
			}
			resp := b.raw(t, method, path)
			if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, resp.Header.Get("Content-Type"))
			}
		}
	}
	var f problemBody
	b.get(t, "/api/no?token=canary").decode(t, &f)
	if f.Error != "Not Found" || f.Path != "/api/no" {
		t.Errorf("got %+v", f)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen := map[string]bool{}
	for id, kept := range map[string]bool{
		"abc-123": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "": false, "a b": false, "é": false, "a\tb": false,
	} {
		got := b.get(t, "/livez", header("X-Request-Id", id)).Header.Get("X-Request-Id")
		if (got == id) != kept || got == "" || seen[got] {
			t.Errorf("%q became %q", id, got)
		}
		seen[got] = true
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) {
		cfg.FrontendURLs = []string{"https://one.example/app/", "https://two.example"}
		cfg.AllowedOrigins = "https://three.example, http://four.example:8080\nhttps://five.example"
	})
	for _, tc := range []struct {
		headers map[string]string
		status  int
	}{
		{nil, 202},
		{map[string]string{"Sec-Fetch-Site": "same-origin"}, 202},
		{map[string]string{"Sec-Fetch-Site": "none"}, 202},
		{map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{map[string]string{"Origin": "https://evil.example"}, 403},
		{map[string]string{"Origin": "null"}, 403},
		{map[string]string{"Origin": b.url}, 202},
		{map[string]string{"Origin": "https://one.example", "Sec-Fetch-Site": "cross-site"}, 202},
		{map[string]string{"Origin": "https://two.example", "Sec-Fetch-Site": "cross-site"}, 202},
		{map[string]string{"Origin": "https://three.example"}, 202},
		{map[string]string{"Origin": "http://four.example:8080"}, 202},
		{map[string]string{"Origin": "http://four.example"}, 403},
		{map[string]string{"Origin": "https://five.example"}, 202},
		{map[string]string{"Origin": "https://one.example.evil"}, 403},
	} {
		var options []option
		for name, value := range tc.headers {
			options = append(options, header(name, value))
		}
		if resp := b.submit(t, goodBody, options...); resp.StatusCode != tc.status {
			t.Errorf("%v: %d, want %d", tc.headers, resp.StatusCode, tc.status)
		}
	}
}

func TestOneLogLinePerRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	before := strings.Count(b.log.String(), `"msg":"request"`)
	const canary = "canary"
	b.submit(t, fields{"kind": "prompt", "input": fields{"text": canary}}, header("Authorization", canary))
	b.get(t, "/api/jobs/"+strings.Repeat("a", 30)+"?wait="+canary)
	b.get(t, "/"+canary)
	b.request(t, canary, "/livez", nil)
	eventually(t, "four lines", func() bool { return strings.Count(b.log.String(), `"msg":"request"`) == before+4 })
	log := b.log.String()
	if strings.Contains(log, canary) {
		t.Errorf("the canary is in the log: %s", log)
	}
	for _, want := range []string{
		`"method":"POST","route":"/api/jobs","status":202,"duration_ms":`, `"route":"/api/jobs/:id","status":400`, `"route":"unmatched","status":404`,
		`"method":"other"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
	if got := b.metric(t, "http_requests_total", "/api/jobs", "POST", "202"); got != 1 {
		t.Errorf("%v requests counted", got)
	}
}
