package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// report is the answer of the health check.
type report struct {
	Status    string
	Timestamp string
	Checks    []struct {
		Name, Status string
		Details      fields
	}
}

func (r report) check(name string) (status string, details fields) {
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Status, c.Details
		}
	}
	return "absent", nil
}

func (b *bundle) health(t testing.TB, status int) report {
	t.Helper()
	var r report
	b.request(t, http.MethodGet, "/internal/health", nil).expect(t, status).into(t, &r)
	return r
}

func (b *bundle) announce(t testing.TB, id, mode string) {
	t.Helper()
	must(t, b.queue.Announce(t.Context(), queue.Worker{ID: id, Mode: mode, StartedAt: job.At(time.Now())}))
}

var milliseconds = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

func TestHealth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.health(t, http.StatusServiceUnavailable)
	if status, details := r.check("workers"); r.Status != "degraded" || status != "degraded" || details["count"] != 0.0 {
		t.Errorf("without workers: %+v", r)
	}
	b.announce(t, "w1", "simulator")
	b.push(t, newSpec(job.OwnerAnonymous, "job-a", job.KindImage, imageInput()))
	r = b.health(t, http.StatusOK)
	if r.Status != "ok" || !milliseconds.MatchString(r.Timestamp) || len(r.Checks) != 6 {
		t.Errorf("got %+v", r)
	}
	for _, name := range []string{"config.required_env", "kv.users", "nats", "workers", "upstreams", "queue"} {
		if status, details := r.check(name); status != "ok" || details == nil {
			t.Errorf("%s: %s %v", name, status, details)
		}
	}
	if _, details := r.check("queue"); details["waiting"] != 1.0 {
		t.Errorf("queue: %v", details)
	}
	b.announce(t, "w2", "live")
	r = b.health(t, http.StatusServiceUnavailable)
	if status, _ := r.check("workers"); status != "degraded" {
		t.Errorf("with a mixture of modes: %+v", r)
	}
}

func TestHealthNamesMissingSettings(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.MissingEnv = []string{"DEEPSEEK_API_KEY"} })
	b.announce(t, "w1", "live")
	r := b.health(t, http.StatusServiceUnavailable)
	status, details := r.check("config.required_env")
	if missing, ok := details["missing"].([]any); status != "degraded" || !ok || len(missing) != 1 || missing[0] != "DEEPSEEK_API_KEY" {
		t.Errorf("got %+v", r)
	}
}

func TestHealthWithoutNATS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.broker.Conn().Close()
	r := b.health(t, http.StatusServiceUnavailable)
	if r.Status != "error" {
		t.Errorf("got %+v", r)
	}
	for _, name := range []string{"kv.users", "nats", "workers", "upstreams", "queue"} {
		if status, details := r.check(name); status != "error" || details["reason"] != "unavailable" || len(details) != 1 {
			t.Errorf("%s: %s %v", name, status, details)
		}
	}
	b.request(t, http.MethodGet, "/readyz", nil).problem(t, http.StatusServiceUnavailable, "unavailable")
}

func TestHealthToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.HealthToken = "right" })
	b.announce(t, "w1", "simulator")
	for _, tc := range []struct {
		query, authorization string
		status               int
	}{
		{"", "", 401},
		{"?token=wrong", "", 401},
		{"?token=", "", 401},
		{"?token=right", "", 200},
		{"", "Bearer right", 200},
		{"", "bearer right", 200},
		{"", "Bearer wrong", 401},
		{"", "Bearer ", 401},
		{"", "Basic right", 401},
		{"", "right", 401},
		{"?token=right", "Bearer wrong", 401},
	} {
		var options []option
		if tc.authorization != "" {
			options = append(options, header("Authorization", tc.authorization))
		}
		resp := b.request(t, http.MethodGet, "/internal/health"+tc.query, nil, options...)
		if resp.StatusCode != tc.status || (tc.status == 401) != (strings.TrimSpace(string(resp.body)) == `{"status":"unauthorized"}`) {
			t.Errorf("%+v: %d %s", tc, resp.StatusCode, resp.body)
		}
	}
	if strings.Contains(b.log.String(), "right") {
		t.Error("the token is in the log")
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/livez", "/readyz"} {
		resp := b.request(t, http.MethodGet, path, nil).expect(t, http.StatusOK)
		if strings.TrimSpace(string(resp.body)) != `{"status":"ok"}` || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s", path, resp.body)
		}
		b.request(t, http.MethodHead, path, nil).expect(t, http.StatusOK)
	}
}
