package app_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

func TestContractListsEveryRoute(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	c := apptest.Contract(t)
	var documented, served []string
	for path, item := range c.Doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	for _, r := range i.Routes() {
		if r.Method != http.MethodHead {
			served = append(served, r.Method+" "+contractPath(r.Path))
		}
	}
	for _, route := range served {
		if !slices.Contains(documented, route) {
			t.Errorf("%s is served and not in the contract", route)
		}
	}
	for _, route := range documented {
		if !slices.Contains(served, route) {
			t.Errorf("%s is in the contract and not served", route)
		}
	}
}

// contractPath returns a path of Gin in the notation of OpenAPI.
func contractPath(path string) string {
	parts := strings.Split(path, "/")
	for n, part := range parts {
		if strings.HasPrefix(part, ":") || strings.HasPrefix(part, "*") {
			parts[n] = "{" + part[1:] + "}"
		}
	}
	return strings.Join(parts, "/")
}

// TestResponsesMatchContract sends valid and invalid requests to all routes. Do checks the responses against the contract;
// other tests check their content.
func TestResponsesMatchContract(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "WORKER_SLOTS_AUDIO=0"))
	for _, path := range []string{
		"/livez", "/readyz", "/internal/health", "/openapi.yaml", "/openapi.json", "/docs", "/assets/docs.css", "/", "/gallery", "/gallery/x", "/voice", "/account", "/help", "/privacy", "/terms", "/operator",
		"/operator/feedback", "/assets/icon.svg", "/assets/icon-180.png", "/assets/page.webmanifest", "/assets/font/fraunces.woff2", "/api/models", "/api/quota", "/assets/start.js", "/assets/nothing.js",
		"/api/jobs", "/api/events", "/nowhere",
	} {
		i.Do(t, http.MethodGet, path, nil)
	}
	i.Visit(t)
	done := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a", "width": 64, "height": 64, "optimize": true}}).ID)
	waiting := i.Submit(t, fields{"kind": "audio", "input": fields{"text": "waits"}}, "Idempotency-Key: one")
	for _, request := range []struct {
		method, path string
		body         any
		headers      []string
		status       int
	}{
		{"GET", "/api/jobs", nil, nil, 200},
		{"GET", "/api/jobs?limit=0", nil, nil, 400},
		{"GET", "/api/jobs?status=odd", nil, nil, 400},
		{"GET", "/api/jobs?cursor=odd", nil, nil, 400},
		{"GET", "/api/jobs/" + done.ID, nil, nil, 200},
		{"GET", "/api/jobs/" + done.ID, nil, []string{`If-None-Match: W/"end"`}, 304},
		{"GET", "/api/jobs/" + done.ID + "?wait=61", nil, nil, 400},
		{"GET", "/api/jobs/nothing", nil, nil, 404},
		{"GET", done.Result.Media[0].URL, nil, nil, 200},
		{"GET", done.Result.Media[0].URL, nil, []string{"Range: bytes=0-9"}, 206},
		{"GET", done.Result.Media[0].URL, nil, []string{"Range: bytes=99999999-"}, 416},
		{"GET", done.Result.Media[0].URL, nil, []string{`If-None-Match: "` + done.Result.Media[0].SHA256 + `"`}, 304},
		{"GET", "/api/jobs/" + done.ID + "/media/7", nil, nil, 404},
		{"POST", "/api/jobs", fields{"kind": "audio", "input": fields{"text": "waits"}}, []string{"Idempotency-Key: one"}, 202},
		{"POST", "/api/jobs", fields{"kind": "audio", "input": fields{"text": "other"}}, []string{"Idempotency-Key: one"}, 422},
		{"POST", "/api/jobs", fields{"kind": "prompt", "input": fields{"text": "quick"}}, []string{"Prefer: wait=30"}, 200},
		{"POST", "/api/jobs", fields{"kind": "audio", "input": fields{"text": "slow"}}, []string{"Prefer: wait=1"}, 202},
		{"POST", "/api/jobs", fields{"kind": "odd"}, nil, 400},
		{"POST", "/api/jobs", []byte("{"), nil, 400},
		{"POST", "/api/jobs", []byte("{}"), []string{"Content-Type: text/plain"}, 415},
		{"POST", "/api/jobs", bytes.Repeat([]byte("x"), 1<<20), nil, 413},
		{"POST", "/api/jobs", fields{"kind": "prompt", "input": fields{"text": "x"}}, []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"POST", "/api/jobs/" + done.ID + "/cancel", nil, nil, 409},
		{"DELETE", "/api/jobs/" + waiting.ID, nil, nil, 409},
		{"POST", "/api/jobs/" + waiting.ID + "/cancel", nil, nil, 200},
		{"DELETE", "/api/jobs/" + waiting.ID, nil, nil, 204},
		{"POST", "/api/jobs/nothing/cancel", nil, nil, 404},
		{"DELETE", "/api/jobs/nothing", nil, nil, 404},
		{"POST", "/api/generate", fields{"text": "a", "type": "image", "width": 64, "height": 64}, nil, 200},
		{"POST", "/api/generate", fields{"text": "a", "type": "image", "width": 64, "height": 64}, []string{"Prefer: respond-async"}, 202},
		{"POST", "/api/generate", fields{"type": "image"}, nil, 400},
		{"POST", "/api/generate", fields{"text": "a", "type": "video"}, nil, 400},
		{"POST", "/api/pollinations/image", fields{"prompt": "a", "width": 64, "height": 64}, nil, 200},
		{"POST", "/api/pollinations/image", fields{}, nil, 400},
		{"POST", "/api/prompts/optimize", fields{"text": "a"}, nil, 200},
		{"POST", "/api/prompts/optimize", fields{}, nil, 400},
		{"POST", "/api/optimize", fields{"text": "a"}, nil, 200},
		{"POST", "/api/translate", fields{"text": "a"}, nil, 200},
		{"POST", "/api/translate", fields{}, nil, 400},
		{"PUT", "/api/jobs", fields{}, nil, 405},
	} {
		if resp := i.Do(t, request.method, request.path, request.body, request.headers...); resp.StatusCode != request.status {
			t.Errorf("%s %s %v: status %d, want %d: %.300s", request.method, request.path, request.body, resp.StatusCode, request.status, resp.Data)
		}
	}
}
