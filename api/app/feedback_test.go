package app_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
)

// TestFeedbackMatchesContract sends valid and invalid requests to every feedback route. Do checks the responses.
func TestFeedbackMatchesContract(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "ADMIN_KEY=the operator's own")
	accounttest.AllowWeakHashes(t)
	i := start(t, cfg)
	signed := i.signUp(t, "ann@example.org", "correct horse")
	var made struct {
		ID string `json:"feedbackId"`
	}
	type request struct {
		method, path string
		body         any
		header       string
		status       int
	}
	try := func(requests ...request) {
		t.Helper()
		for _, r := range requests {
			var headers []string
			if r.header != "" {
				headers = append(headers, r.header)
			}
			resp := i.Do(t, r.method, r.path, r.body, headers...)
			if resp.StatusCode != r.status {
				t.Errorf("%s %s: status %d, want %d: %.300s", r.method, r.path, resp.StatusCode, r.status, resp.Data)
			}
			if r.status == http.StatusCreated {
				resp.Decode(t, &made)
			}
		}
	}
	good := fields{"category": "bug", "content": "It breaks."}
	try(
		request{"POST", "/api/feedback", good, "", 401},
		request{"POST", "/api/feedback", fields{"category": "bug", "content": strings.Repeat("x", 1001)}, signed, 400},
		request{"POST", "/api/feedback", []byte("{"), signed, 400},
		request{"POST", "/api/feedback", bytes.Repeat([]byte("x"), 1<<20), signed, 413},
		request{"GET", "/api/feedback/my", nil, signed, 200},
		request{"POST", "/api/feedback", good, signed, 201},
		request{"POST", "/api/feedback", good, signed, 400},
		request{"GET", "/api/feedback/my", nil, signed, 200},
		request{"GET", "/api/feedback/my", nil, "", 401},
		request{"GET", "/api/admin/feedback", nil, "", 403},
		request{"GET", "/api/admin/feedback?admin_key=the+operator%27s+own&limit=1", nil, "", 200},
		request{"GET", "/api/admin/feedback?status=odd", nil, operatorHeader, 400},
		request{"GET", "/api/admin/feedback?cursor=odd", nil, operatorHeader, 400},
	)
	try(
		request{"POST", "/api/admin/feedback/" + made.ID + "/processed", nil, operatorHeader, 200},
		request{"GET", "/api/feedback/my", nil, signed, 200},
		request{"POST", "/api/admin/feedback/" + made.ID + "/pending", nil, operatorHeader, 200},
		request{"POST", "/api/admin/feedback/" + made.ID + "/pending", nil, "", 401},
		request{"POST", "/api/admin/feedback/nothing/processed", nil, operatorHeader, 404},
		request{"DELETE", "/api/admin/feedback/" + made.ID, nil, operatorHeader, 204},
		request{"DELETE", "/api/admin/feedback/" + made.ID, nil, operatorHeader, 404},
	)
}
