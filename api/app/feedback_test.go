package app_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// TestFeedbackMatchesContract asks for everything about feedback, well and badly; hold looks at the answers' shapes.
func TestFeedbackMatchesContract(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "ADMIN_KEY=the operator's own")
	cfg.Account.Quick = true
	i := start(t, cfg)
	who := i.signUp(t, "ann@example.org", "correct horse")
	var made struct {
		ID string `json:"feedbackId"`
	}
	type ask struct {
		method, path string
		body         any
		header       string
		status       int
	}
	try := func(asks ...ask) {
		t.Helper()
		for _, a := range asks {
			var headers []string
			if a.header != "" {
				headers = append(headers, a.header)
			}
			resp := i.Do(t, a.method, a.path, a.body, headers...)
			if resp.StatusCode != a.status {
				t.Errorf("%s %s: status %d, want %d: %.300s", a.method, a.path, resp.StatusCode, a.status, resp.Data)
			}
			if a.status == http.StatusCreated {
				resp.Decode(t, &made)
			}
		}
	}
	good := fields{"category": "bug", "content": "It breaks."}
	try(
		ask{"POST", "/api/feedback", good, "", 401},
		ask{"POST", "/api/feedback", fields{"category": "bug", "content": strings.Repeat("x", 1001)}, who, 400},
		ask{"POST", "/api/feedback", []byte("{"), who, 400},
		ask{"POST", "/api/feedback", bytes.Repeat([]byte("x"), 1<<20), who, 413},
		ask{"GET", "/api/feedback/my", nil, who, 200},
		ask{"POST", "/api/feedback", good, who, 201},
		ask{"POST", "/api/feedback", good, who, 400},
		ask{"GET", "/api/feedback/my", nil, who, 200},
		ask{"GET", "/api/feedback/my", nil, "", 401},
		ask{"GET", "/api/admin/feedback", nil, "", 403},
		ask{"GET", "/api/admin/feedback?admin_key=the+operator%27s+own&limit=1", nil, "", 200},
		ask{"GET", "/api/admin/feedback?status=odd", nil, operatorHeader, 400},
		ask{"GET", "/api/admin/feedback?cursor=odd", nil, operatorHeader, 400},
	)
	try(
		ask{"POST", "/api/admin/feedback/" + made.ID + "/processed", nil, operatorHeader, 200},
		ask{"GET", "/api/feedback/my", nil, who, 200},
		ask{"POST", "/api/admin/feedback/" + made.ID + "/pending", nil, operatorHeader, 200},
		ask{"POST", "/api/admin/feedback/" + made.ID + "/pending", nil, "", 401},
		ask{"POST", "/api/admin/feedback/nothing/processed", nil, operatorHeader, 404},
		ask{"DELETE", "/api/admin/feedback/" + made.ID, nil, operatorHeader, 204},
		ask{"DELETE", "/api/admin/feedback/" + made.ID, nil, operatorHeader, 404},
	)
}
