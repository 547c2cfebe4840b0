package server_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

type switchView struct {
	Name, Value, Default string
	Set                  bool
	Since, Until, Reason string
	By                   struct{ Address, Key string }
}

func TestSwitches(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin, func(_ *server.Config, deps *server.Deps) {
		deps.SwitchDefaults = map[control.SwitchName]string{control.SwitchLogLevel: "warn"}
	})
	var all struct{ Switches []switchView }
	b.admin(t, http.MethodGet, "/switches", nil).expect(t, http.StatusOK).decode(t, &all)
	if len(all.Switches) != 3 || all.Switches[0].Value != "warn" || all.Switches[1].Value != "off" || all.Switches[2].Value != "on" ||
		slices.ContainsFunc(all.Switches, func(s switchView) bool { return s.Set || s.Since != "" }) {
		t.Errorf("before anything was set: %+v", all)
	}
	var set switchView
	b.admin(t, http.MethodPost, "/switches/log-level", fields{"value": "debug", "seconds": 600, "reason": "ticket 7"}).expect(t, http.StatusOK).decode(t, &set)
	until, err := time.Parse(time.RFC3339, set.Until)
	if !set.Set || set.Value != "debug" || set.Default != "warn" || set.Reason != "ticket 7" || err != nil || time.Until(until) < 9*time.Minute ||
		set.By.Address != "127.0.0.1" || len(set.By.Key) != 8 || strings.Contains(adminKey, set.By.Key) {
		t.Errorf("%+v, %v", set, err)
	}
	var control struct{ Switches []switchView }
	b.admin(t, http.MethodGet, "/control", nil).expect(t, http.StatusOK).decode(t, &control)
	if len(control.Switches) != 3 || control.Switches[0] != set {
		t.Errorf("%+v", control)
	}
	var reset switchView
	for range 2 {
		b.admin(t, http.MethodDelete, "/switches/log-level", nil).expect(t, http.StatusOK).decode(t, &reset)
		if reset.Set || reset.Value != "warn" || reset.Since < set.Since {
			t.Errorf("%+v", reset)
		}
	}
	var audited []string
	for _, action := range b.operatorActions(t) {
		if action["switch"] == nil {
			continue
		}
		audited = append(audited, action["act"].(string)+" "+action["before"].(string)+">"+action["after"].(string))
		if action["key"] != set.By.Key || action["address"] != "127.0.0.1" || action["request_id"] == "" {
			t.Errorf("no operator in %v", action)
		}
	}
	if got := strings.Join(audited, ", "); got != "set switch warn>debug, reset switch debug>warn, reset switch warn>warn" {
		t.Errorf("actions: %s", got)
	}
}

func TestSwitchesAreValidated(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	for pointer, body := range map[string]fields{
		"/value": {"value": "loud"}, "/seconds": {"value": "info", "seconds": 0}, "/reason": {"value": "info", "reason": strings.Repeat("x", 201)},
		"/until": {"value": "info", "until": "tomorrow"},
	} {
		f := b.admin(t, http.MethodPost, "/switches/log-level", body).problem(t, http.StatusBadRequest, "invalid_request")
		if len(f.Errors) != 1 || f.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", pointer, f)
		}
	}
	b.admin(t, http.MethodPost, "/switches/accept", fields{}).problem(t, http.StatusBadRequest, "invalid_request")
	b.admin(t, http.MethodPost, "/switches/accept", fields{"value": "info"}).problem(t, http.StatusBadRequest, "invalid_request")
	b.admin(t, http.MethodPost, "/switches/light", fields{"value": "on"}).problem(t, http.StatusNotFound, "not_found")
	b.admin(t, http.MethodDelete, "/switches/light", nil).problem(t, http.StatusNotFound, "not_found")
	b.get(t, "/api/admin/switches").problem(t, http.StatusUnauthorized, "admin_key_required")
	b.post(t, "/api/admin/switches/accept", fields{"value": "off"}).problem(t, http.StatusUnauthorized, "admin_key_required")
	b.delete(t, "/api/admin/switches/accept").problem(t, http.StatusUnauthorized, "admin_key_required")
}

// TestStoppedSubmissions stops accepting new jobs: everything else still works.
func TestStoppedSubmissions(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin, func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveGuest = 0 })
	c, me := guest()
	b.storeFailedJob(t, me, "earlier", job.CodeTimeout)
	submission := fields{"kind": "image", "input": fields{"prompt": "p"}}
	key := idempotencyKey("k")
	first := b.submit(t, submission, cookie(c), key).job(t, http.StatusAccepted)
	b.admin(t, http.MethodPost, "/switches/accept", fields{"value": "off", "seconds": 90, "reason": "maintenance"}).expect(t, http.StatusOK)

	for lang, want := range map[string]string{"en": "The operator has stopped accepting new jobs: maintenance.", "zh": "管理员已暂停接收新任务：maintenance。"} {
		resp := b.submit(t, submission, language(lang))
		if f := resp.problem(t, http.StatusServiceUnavailable, "submissions_stopped"); !strings.HasPrefix(f.Detail, want) {
			t.Errorf("%s: %s", lang, f.Detail)
		}
		if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 80 || after > 90 {
			t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
		}
	}
	b.retry(t, "earlier", nil, cookie(c)).problem(t, http.StatusServiceUnavailable, "submissions_stopped")
	for path, body := range map[string]fields{
		"/api/generate":         {"type": "image", "text": "x"},
		"/api/prompts/optimize": {"text": "x"},
	} {
		b.post(t, path, body).originalError(t, http.StatusServiceUnavailable, "submissions_stopped")
	}
	// Invalid requests still return 400.
	b.submit(t, fields{"kind": "image"}).problem(t, http.StatusBadRequest, "invalid_request")
	// A replay returns its job, and another request with that key is still rejected as a reused key.
	var again view
	resp := b.submit(t, submission, cookie(c), key)
	resp.expect(t, http.StatusAccepted).decode(t, &again)
	if again.ID != first.ID || !resp.replayed() {
		t.Errorf("%+v, want %s", again, first.ID)
	}
	b.submit(t, fields{"kind": "image", "input": fields{"prompt": "q"}}, cookie(c), key).
		problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.submit(t, submission, cookie(c), idempotencyKey("another")).
		problem(t, http.StatusServiceUnavailable, "submissions_stopped")
	// Jobs can be read, and the process is ready and healthy.
	b.get(t, "/api/jobs/"+first.ID, cookie(c)).expect(t, http.StatusOK)
	b.get(t, "/readyz").expect(t, http.StatusOK)
	b.registerWorker(t, "w1", "simulator")
	if status, details := b.health(t, http.StatusOK).check("switches"); status != "ok" || details["set"].(map[string]any)["accept"].(map[string]any)["value"] != "off" {
		t.Errorf("%s %v", status, details)
	}
	b.cancel(t, first.ID, cookie(c)).expect(t, http.StatusOK)

	b.admin(t, http.MethodDelete, "/switches/accept", nil).expect(t, http.StatusOK)
	b.submit(t, submission, cookie(c)).expect(t, http.StatusAccepted)
}

// TestStoppedSubmissionsResume lets a switch expire.
func TestStoppedSubmissionsResume(t *testing.T) {
	t.Parallel()
	now := make(chan time.Time, 1)
	now <- time.Now()
	b := setup(t, withAdmin, func(_ *server.Config, deps *server.Deps) {
		deps.Now = func() time.Time {
			at := <-now
			now <- at
			return at
		}
	})
	submission := fields{"kind": "image", "input": fields{"prompt": "p"}}
	b.admin(t, http.MethodPost, "/switches/accept", fields{"value": "off", "seconds": 7200}).expect(t, http.StatusOK)
	resp := b.submit(t, submission)
	resp.problem(t, http.StatusServiceUnavailable, "submissions_stopped")
	// Retry-After is capped at an hour, since the operator may end the stop earlier.
	if got := resp.Header.Get("Retry-After"); got != "3600" {
		t.Errorf("Retry-After %q", got)
	}
	now <- (<-now).Add(2*time.Hour + time.Second)
	b.submit(t, submission).expect(t, http.StatusAccepted)
	b.admin(t, http.MethodPost, "/switches/accept", fields{"value": "off"}).expect(t, http.StatusOK)
	resp = b.submit(t, submission)
	resp.problem(t, http.StatusServiceUnavailable, "submissions_stopped")
	if got := resp.Header.Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After %q", got)
	}
}
