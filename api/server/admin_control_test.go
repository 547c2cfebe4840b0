package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

type kindView struct {
	Kind, Until, Note string
	Paused            bool
}

type upstreamView struct {
	Name, State, Code, Until string
	Status                   int
	Kinds                    []job.Kind
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	var paused kindView
	b.admin(t, http.MethodPost, "/kinds/image/pause", fields{"seconds": 600, "note": "maintenance"}).expect(t, http.StatusOK).decode(t, &paused)
	if until, err := time.Parse(time.RFC3339, paused.Until); !paused.Paused || paused.Note != "maintenance" || err != nil || time.Until(until) < 9*time.Minute {
		t.Errorf("%+v, %v", paused, err)
	}
	// A job of the paused kind is accepted and shows what it waits for; a job of another kind does not wait.
	var view struct {
		WaitingFor    string `json:"waiting_for"`
		WaitingReason string `json:"waiting_reason"`
		NextAttemptAt string `json:"next_attempt_at"`
	}
	b.submit(t, fields{"kind": "image", "input": fields{"prompt": "p"}}).expect(t, http.StatusAccepted).decode(t, &view)
	if view.WaitingReason != job.ReasonPaused || !strings.Contains(view.WaitingFor, "operator") || view.NextAttemptAt != paused.Until {
		t.Errorf("%+v", view)
	}
	view.WaitingFor = ""
	b.submit(t, fields{"kind": "prompt", "input": fields{"text": "p"}}).expect(t, http.StatusAccepted).decode(t, &view)
	if view.WaitingFor != "" {
		t.Errorf("%+v", view)
	}
	var control struct{ Kinds []kindView }
	b.admin(t, http.MethodGet, "/control", nil).expect(t, http.StatusOK).decode(t, &control)
	if len(control.Kinds) != 4 || !control.Kinds[0].Paused || control.Kinds[1].Paused {
		t.Errorf("%+v", control)
	}
	var resumed kindView
	for range 2 {
		b.admin(t, http.MethodPost, "/kinds/image/resume", nil).expect(t, http.StatusOK).decode(t, &resumed)
		if resumed.Paused {
			t.Errorf("%+v", resumed)
		}
	}
	actions := []string{}
	for _, action := range b.operatorActions(t) {
		actions = append(actions, action["act"].(string))
		if strings.Contains(action["act"].(string), "maintenance") || action["note"] != nil {
			t.Errorf("the note is in the log: %v", action)
		}
	}
	if got := strings.Join(actions, ", "); got != "pause kind, show control, resume kind, resume kind" {
		t.Errorf("actions: %s", got)
	}
}

func TestPauseIsValidated(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	for name, body := range map[string]fields{
		"/seconds": {"seconds": 0}, "/note": {"note": strings.Repeat("x", 201)}, "/minutes": {"minutes": 1},
	} {
		f := b.admin(t, http.MethodPost, "/kinds/image/pause", body).problem(t, http.StatusBadRequest, "invalid_request")
		if len(f.Errors) != 1 || f.Errors[0].Pointer != name {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for _, path := range []string{"/kinds/video/pause", "/kinds/video/resume", "/kinds/*/pause", "/upstreams/elsewhere/probe"} {
		b.admin(t, http.MethodPost, path, nil).problem(t, http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"/kinds/image/pause", "/kinds/image/resume", "/upstreams/language-model/probe", "/control"} {
		method := http.MethodPost
		if path == "/control" {
			method = http.MethodGet
		}
		b.request(t, method, "/api/admin"+path, nil).problem(t, http.StatusUnauthorized, "admin_key_required")
	}
}

// TestOpenCircuitIsReported opens circuit breakers and reads them as an operator, in the health report and in a job.
func TestOpenCircuitIsReported(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	b.registerWorker(t, "w1", "simulator")
	trip := func(name, code string, status int) {
		t.Helper()
		_, _, err := b.control.Trip(t.Context(), control.Trip{
			Upstream: name, Code: code, Status: status, Pause: func(int) time.Duration { return time.Hour },
		})
		must(t, err)
	}
	trip(job.UpstreamImage, job.CodeThrottled, 429)
	if status, details := b.health(t, http.StatusOK).check("upstreams"); status != "ok" || details["closed"].(map[string]any)[job.UpstreamImage] == nil {
		t.Errorf("throttled: %s %v", status, details)
	}
	trip(job.UpstreamSpeech, job.CodeUnavailable, 0)
	if status, _ := b.health(t, http.StatusServiceUnavailable).check("upstreams"); status != "degraded" {
		t.Errorf("down: %s", status)
	}
	trip(job.UpstreamLanguage, job.CodeMisconfigured, 401)
	if status, details := b.health(t, http.StatusServiceUnavailable).check("upstreams"); status != "error" || details["refused"].([]any)[0] != job.UpstreamLanguage {
		t.Errorf("refused: %s %v", status, details)
	}
	var view struct {
		WaitingFor string `json:"waiting_for"`
	}
	for lang, want := range map[string]string{"en": "the image service, next try at ", "zh": "图片服务"} {
		b.submit(t, fields{"kind": "image", "input": fields{"prompt": "p"}}, language(lang)).
			expect(t, http.StatusAccepted).decode(t, &view)
		if !strings.HasPrefix(view.WaitingFor, want) {
			t.Errorf("%s: %q", lang, view.WaitingFor)
		}
	}
	var all struct{ Upstreams []upstreamView }
	b.admin(t, http.MethodGet, "/control", nil).expect(t, http.StatusOK).decode(t, &all)
	if len(all.Upstreams) != 3 || all.Upstreams[0].State != "open" || all.Upstreams[2].Status != 401 {
		t.Errorf("%+v", all)
	}
	providers(t, b, trip)
	// A circuit with Retry-After stays open; one that rejected the credentials is probed on request.
	b.admin(t, http.MethodPost, "/upstreams/pollinations-image/probe", nil).problem(t, http.StatusConflict, "upstream_asked_to_wait")
	b.admin(t, http.MethodPost, "/upstreams/language-model/probe", nil).expect(t, http.StatusOK)
	if c := b.control.View().Circuit(job.UpstreamLanguage); !c.Due(time.Now()) {
		t.Errorf("%+v", c)
	}
	// The upstream may work again, and perhaps no job will show it: the circuit is no longer reported as refused.
	b.admin(t, http.MethodPost, "/upstreams/pollinations-speech/probe", nil).expect(t, http.StatusOK)
	if status, details := b.health(t, http.StatusOK).check("upstreams"); status != "ok" || len(details["refused"].([]any)) != 0 {
		t.Errorf("after the probe: %s %v", status, details)
	}
}

// providers opens the circuit breakers of providers, which are shown without being a fault of the service, and probes them.
func providers(t *testing.T, b *bundle, trip func(name, code string, status int)) {
	t.Helper()
	b.admin(t, http.MethodPost, "/upstreams/image-local/probe", nil).problem(t, http.StatusNotFound, "not_found")
	must(t, b.control.RegisterWorker(t.Context(), control.Worker{ID: "w2", Mode: "simulator", Providers: []string{"speech-main", "image-local"}}))
	trip("speech-main", job.CodeMisconfigured, 401)
	trip("image-local", job.CodeThrottled, 429)
	_, details := b.health(t, http.StatusServiceUnavailable).check("upstreams")
	if open := details["providers"].(map[string]any); open["speech-main"] == nil || open["image-local"] == nil || len(details["refused"].([]any)) != 1 {
		t.Errorf("%v", details)
	}
	var all struct{ Upstreams []upstreamView }
	b.admin(t, http.MethodGet, "/control", nil).expect(t, http.StatusOK).decode(t, &all)
	if len(all.Upstreams) != 5 || all.Upstreams[3].Name != "speech-main" || all.Upstreams[3].State != "open" || all.Upstreams[3].Kinds[0] != job.KindAudio {
		t.Errorf("%+v", all)
	}
	b.admin(t, http.MethodPost, "/upstreams/image-local/probe", nil).problem(t, http.StatusConflict, "upstream_asked_to_wait")
	b.admin(t, http.MethodPost, "/upstreams/speech-main/probe", nil).expect(t, http.StatusOK)
	view := b.control.View()
	if c := view.Circuit("speech-main"); !c.Due(time.Now()) || view.Circuit(job.UpstreamSpeech).Open() {
		t.Errorf("%+v, %+v", c, view.Circuit(job.UpstreamSpeech))
	}
	trip(job.UpstreamSpeech, job.CodeUnavailable, 0)
	must(t, b.control.DeregisterWorker(t.Context(), "w2"))
}
