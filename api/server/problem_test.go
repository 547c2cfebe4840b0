package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestProblemBodies compares the whole body of every error with a golden file.
func TestProblemBodies(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	c, _ := guest()
	b.storeDeadLetter(t, "u1", "unreadable", job.CodeInvalidJob)
	operator := header("X-Admin-Key", adminKey)
	done := fixedSpec(job.OwnerAnonymous, "done")
	b.settle(t, done, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504), FinishedAt: at(9)})
	b.settle(t, fixedSpec(job.OwnerAnonymous, "image"), &job.Record{Status: job.StatusSucceeded, FinishedAt: at(9)},
		store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte("png")})
	b.push(t, fixedSpec(job.OwnerAnonymous, "queued"))
	b.submitWithKey(t, "used", goodBody).expect(t, http.StatusAccepted)
	busy, owner := guest()
	for _, id := range []string{"one", "two", "three", "four"} {
		b.push(t, fixedSpec(owner, id))
	}
	for name, r := range map[string]struct {
		method, path string
		body         any
		options      []option
	}{
		"invalid_request":           {http.MethodPost, "/api/jobs", `{"kind":"image","input":{"width":1,"colour":"red","n":"x"},"deadline_seconds":0}`, nil},
		"invalid_json":              {http.MethodPost, "/api/jobs", `{"kind":`, nil},
		"body_required":             {http.MethodPost, "/api/jobs", nil, nil},
		"body_too_large":            {http.MethodPost, "/api/jobs", strings.Repeat(" ", server.MaxBody+1), nil},
		"unsupported_media_type":    {http.MethodPost, "/api/jobs", goodBody, []option{header("Content-Type", "text/xml")}},
		"invalid_idempotency_key":   {http.MethodPost, "/api/jobs", goodBody, []option{idempotencyKey(" ")}},
		"idempotency_key_reused":    {http.MethodPost, "/api/jobs", `{"kind":"prompt","input":{"text":"other"}}`, []option{idempotencyKey("used")}},
		"invalid_cursor":            {http.MethodGet, "/api/jobs?cursor=x", nil, []option{cookie(c)}},
		"invalid_query":             {http.MethodGet, "/api/jobs?limit=1000&status=done&created_after=2026-11-01T00:00:00+01:00", nil, []option{cookie(c)}},
		"identity_required":         {http.MethodGet, "/api/jobs", nil, nil},
		"cross_origin":              {http.MethodPost, "/api/jobs", goodBody, []option{header("Sec-Fetch-Site", "cross-site")}},
		"not_found":                 {http.MethodGet, "/api/jobs/nothing", nil, nil},
		"not_found_path":            {http.MethodGet, "/api/no/such/path", nil, nil},
		"media_not_found":           {http.MethodGet, "/api/jobs/queued/media/0", nil, nil},
		"range_not_satisfiable":     {http.MethodGet, "/api/jobs/image/media/0", nil, []option{header("Range", "bytes=9-")}},
		"method_not_allowed":        {http.MethodPut, "/api/jobs", nil, nil},
		"already_finished":          {http.MethodPost, "/api/jobs/done/cancel", nil, nil},
		"not_retryable":             {http.MethodPost, "/api/jobs/image/retry", nil, nil},
		"admin_key_required":        {http.MethodGet, "/api/admin/dead-letters", nil, nil},
		"not_found_dead_letter":     {http.MethodGet, "/api/admin/dead-letters/nothing", nil, []option{operator}},
		"not_retryable_dead_letter": {http.MethodPost, "/api/admin/dead-letters/unreadable/replay", nil, []option{operator}},
		"invalid_bulk":              {http.MethodPost, "/api/admin/dead-letters/purge", "{}", []option{operator}},
		"not_finished":              {http.MethodDelete, "/api/jobs/queued", nil, nil},
		"too_many_active_jobs":      {http.MethodPost, "/api/jobs", goodBody, []option{cookie(busy)}},
		"original_too_many":         {http.MethodPost, "/api/translate", fields{"text": "a pond"}, []option{cookie(busy)}},
		"original_invalid":          {http.MethodPost, "/api/generate", fields{"type": "image", "width": 1}, nil},
		"original_translate":        {http.MethodPost, "/api/translate", fields{"text": " "}, nil},
		"original_optimize":         {http.MethodPost, "/api/prompts/optimize", fields{"text": ""}, nil},
		"original_cross_origin":     {http.MethodPost, "/api/generate", fields{}, []option{header("Sec-Fetch-Site", "cross-site")}},
	} {
		for lang, accept := range map[string]string{"en": "", "zh": "zh-CN,zh;q=0.9,en;q=0.8"} {
			resp := b.request(t, r.method, r.path, r.body, append(r.options, language(accept))...)
			if got := resp.Header.Get("Content-Language"); got != lang {
				t.Errorf("%s: language %q, want %s", name, got, lang)
			}
			if !strings.Contains(resp.Header.Get("Vary"), "Accept-Language") || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v", name, resp.Header)
			}
			golden(t, fmt.Sprintf("problems/%s.%s.json", name, lang), fmt.Sprintf("%d %s\n%s", resp.StatusCode, resp.Header.Get("Content-Type"), maskRequestIDs(resp.body)))
		}
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for accept, want := range map[string]string{
		"": "en", "en": "en", "zh": "zh", "zh-CN": "zh", "zh-TW": "zh", "zh-Hant-HK": "zh", "fr": "en", "fr,zh;q=0.5": "zh",
		"en-GB,zh;q=0.9": "en", "*": "en", ";;;": "en", "zh;q=0": "en", strings.Repeat("zh,", 4000): "en",
	} {
		resp := b.get(t, "/nothing", language(accept))
		if got := resp.Header.Get("Content-Language"); got != want {
			t.Errorf("%.40q: %s, want %s", accept, got, want)
		}
	}
}

func TestInternalErrorsRevealNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.broker.JetStream().Publish(t.Context(), broker.RecordSubject(job.OwnerAnonymous, "broken"), []byte(`{"v":1,"spec":"canary"}`))
	must(t, err)
	resp := b.get(t, "/api/jobs/broken", header("X-Request-Id", "trace-me-1"))
	resp.problem(t, http.StatusInternalServerError, "internal_error")
	for _, word := range []string{"canary", "decode", "json", "nats"} {
		if strings.Contains(string(resp.body), word) {
			t.Errorf("%q in %s", word, resp.body)
		}
	}
	if log := b.log.String(); strings.Count(log, "decode record") != 1 || !strings.Contains(log, `"request_id":"trace-me-1"`) || !strings.Contains(log, `"job_id":"broken"`) {
		t.Errorf("log: %s", log)
	}
	_, err = b.broker.JetStream().Publish(t.Context(), broker.RecordSubject(job.OwnerAnonymous, "newer"), []byte(`{"v":2}`))
	must(t, err)
	b.get(t, "/api/jobs/newer").problem(t, http.StatusServiceUnavailable, "unavailable")
}

func TestFullQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.updateStream(t, broker.StreamJobs, func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs = 1 })
	b.submit(t, goodBody).expect(t, http.StatusAccepted)
	resp := b.submit(t, goodBody)
	resp.problem(t, http.StatusServiceUnavailable, "queue_full")
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.post(t, "/api/optimize", fields{"text": "p"}).originalError(t, http.StatusServiceUnavailable, "queue_full")
	if _, err := b.queue.Push(t.Context(), imageSpec("guest", "x"), false); !errors.Is(err, queue.ErrFull) {
		t.Errorf("the queue is not full: %v", err)
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.Jobs = nil })
	b.get(t, "/api/jobs/job-a").problem(t, http.StatusInternalServerError, "internal_error")
	if got := b.metric(t, "panics_total", "http"); got != 1 {
		t.Errorf("%v panics counted", got)
	}
	if !strings.Contains(b.log.String(), "panic in a handler") {
		t.Errorf("log: %s", b.log)
	}
	b.get(t, "/livez").expect(t, http.StatusOK)
}

// TestRefusalsAreLoggedOncePerMinute repeats requests while NATS is unavailable.
func TestRefusalsAreLoggedOncePerMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.broker.Conn().Close()
	for range 20 {
		b.get(t, "/readyz").expect(t, http.StatusServiceUnavailable)
		b.get(t, "/internal/health").expect(t, http.StatusServiceUnavailable)
		b.get(t, "/api/jobs/job-a").expect(t, http.StatusServiceUnavailable)
	}
	log := b.log.String()
	if n := strings.Count(log, `"level":"WARN","msg":"request"`); n != 2 {
		t.Errorf("%d warnings for two routes", n)
	}
	if n := strings.Count(log, `"msg":"request"`); n != 60 {
		t.Errorf("%d lines at all levels, want 60", n)
	}
}
