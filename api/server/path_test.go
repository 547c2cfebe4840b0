package server_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestEncodedPathsAreRejected encodes the paths of routes so that a proxy that compares raw paths would not recognize them.
func TestEncodedPathsAreRejected(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.AdminKey = adminKey })
	key := bearer(adminKey)
	b.raw(t, http.MethodGet, "/api/admin/control", key).expect(t, http.StatusOK)
	for _, path := range []string{
		"/api%2fadmin/control", "/api%2Fadmin/control", "/api/admin%2fcontrol", "/%2fapi/admin/control",
		"/api%5cadmin/control", "/api%5Cadmin%5Ccontrol", "/api/%61dmin/control", "/api/adm%69n/control", "/%61%70%69/admin/control",
		"/api/admin/%63ontrol", "/api/admin/dead-letters/%2e%2e", "/api/admin/dead%2Dletters/1",
		"/assets/%2e%2e/api/admin/control", "/assets/%2E%2E%2fapi/admin/control", "/assets/../api/admin/control", "/assets/./js/app.js", "/assets//js/app.js",
		"/assets/js%2fapp.js", "/api/jobs/%2e%2e/events", "/api/jobs/..", "/api/jobs/.", "/api/jobs/x%2f..%2f..%2fadmin/media/0", "/%6civez",
		"/api/jobs/a%2Fb", "/nowhere%2fat/all", `/nowhere%5c`,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp := b.raw(t, method, path, key)
			if method == http.MethodHead {
				resp.expect(t, http.StatusBadRequest)
				continue
			}
			f := resp.problem(t, http.StatusBadRequest, "invalid_path")
			if zh := b.raw(t, method, path, key, language("zh")).problem(t, http.StatusBadRequest, "invalid_path"); zh.Detail == f.Detail {
				t.Errorf("%s: in Chinese %q", path, zh.Detail)
			}
		}
	}
	b.raw(t, http.MethodPost, "/api/admin/dead-letters//replay", key).problem(t, http.StatusBadRequest, "invalid_path")
	// Other spellings do not reach the route either.
	for _, path := range []string{
		"//api/admin/control", "/api//admin/control", "/./api/admin/control", "/x/../api/admin/control", "/API/admin/control", "/api/admin/control/", "/api%252fadmin/control",
		"/api/%2561dmin/control", "/api/admin;x/control", "/api/admin/control%00", "/api/admin/control%20", "/api/admin/%ef%bc%8fcontrol", "/ap%C4%B1/admin/control",
	} {
		if resp := b.raw(t, http.MethodGet, path, key); resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, resp.StatusCode, resp.body)
		}
	}
}

// TestEncodedIDs percent-encodes path parameters.
func TestEncodedIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.push(t, imageSpec(job.OwnerAnonymous, "abc-d_e"))
	for _, id := range []string{spec.ID, "%61bc-d_e", "abc%2Dd%5fe", "%61%62%63%2d%64%5F%65"} {
		b.raw(t, http.MethodGet, "/api/jobs/"+id).expect(t, http.StatusOK)
		b.raw(t, http.MethodGet, "/api/jobs/"+id+"?wait=0&x=%2f").expect(t, http.StatusBadRequest).problem(t, http.StatusBadRequest, "invalid_request")
	}
	// Paths are decoded once.
	b.raw(t, http.MethodGet, "/api/jobs/%2561bc-d_e").problem(t, http.StatusNotFound, "not_found")
	for _, path := range []string{"/assets/js/app.js", "/assets/js/%61pp.js", "/assets/%6as/app.js"} {
		b.raw(t, http.MethodGet, path).expect(t, http.StatusOK)
	}
}
