package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// FuzzHeaders sends arbitrary values of every header that the server reads, and arbitrary queries.
func FuzzHeaders(f *testing.F) {
	b := setup(f, behindProxy)
	ann := b.signUp(f, annEmail)
	b.settle(f, memberSpec(ann, "done"), &job.Record{Status: job.StatusSucceeded}, store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte("png")})
	names := []string{
		"Accept-Language", "Authorization", "Cookie", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "Last-Event-Id",
		"Origin", "Prefer", "Range", "Sec-Fetch-Site", "X-Admin-Key", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id", "Content-Type", "Content-Encoding",
		"Access-Control-Request-Method", "Access-Control-Request-Headers",
	}
	routes := []string{
		"GET /api/jobs", "GET /api/jobs/done", "GET /api/jobs/done/media/0", "GET /api/jobs/done/events", "GET /api/models", "GET /api/auth/validate",
		"OPTIONS /api/jobs", "POST /api/jobs", "GET /", "GET /reset-password", "GET /livez",
	}
	for i := range names {
		for _, value := range []string{"", "Bearer " + ann.Token, "auth_token=" + ann.Token + "; t2i_guest=g-x.y", "bytes=0-,-0,9-1", `W/"x", *`, "wait=60, wait=-1;x", "null", "::ffff:1.2.3.4%eth0, x", "zh-CN;q=2, *;q=x"} {
			f.Add(uint8(i), uint8(i), value, "limit=1e9&cursor=%ff&kind=x&wait=-1&download=2")
		}
	}
	n := 0
	f.Fuzz(func(t *testing.T, which, where uint8, value, query string) {
		method, path, _ := strings.Cut(routes[int(where)%len(routes)], " ")
		var body string
		if method == http.MethodPost {
			body = `{"kind":"prompt","input":{"text":1}}` // The body is invalid, so that no jobs accumulate.
		}
		n++
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.URL.RawQuery, r.RemoteAddr = query, fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
		r.Header.Set("Authorization", "Bearer "+ann.Token)
		r.Header.Set(names[int(which)%len(names)], value)
		w := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s?%s with %s: %q: %d %s", method, path, query, names[int(which)%len(names)], value, w.Code, w.Body)
		}
		var got struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code >= 400 && w.Code != http.StatusRequestedRangeNotSatisfiable && w.Code != http.StatusPreconditionFailed && (err != nil || got.Error == "") {
			t.Errorf("%s %s: %d %q", method, path, w.Code, w.Body)
		}
	})
}
