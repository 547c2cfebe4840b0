package server_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
)

// healthReport is the response of GET /internal/health.
type healthReport struct {
	Status    string
	Timestamp string
	Version   string
	Commit    string
	BuildTime string `json:"build_time"`
	Checks    []struct {
		Name, Status string
		Details      fields
	}
}

// check returns the status and details of a check.
func (r healthReport) check(name string) (status string, details fields) {
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Status, c.Details
		}
	}
	return "absent", nil
}

func (b *bundle) health(t testing.TB, status int) healthReport {
	t.Helper()
	var r healthReport
	b.get(t, "/internal/health").expect(t, status).decode(t, &r)
	return r
}

func (b *bundle) registerWorker(t testing.TB, id, mode string) {
	t.Helper()
	slots := map[job.Kind]int{job.KindImage: 1, job.KindAudio: 1, job.KindPrompt: 1, job.KindTranslation: 1}
	must(t, b.control.RegisterWorker(t.Context(), control.Worker{ID: id, Mode: mode, StartedAt: job.At(time.Now()), Slots: slots}))
}

var millisecondsPattern = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

func TestHealth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.health(t, http.StatusServiceUnavailable)
	if status, details := r.check("workers"); r.Status != "degraded" || status != "degraded" || details["count"] != 0.0 {
		t.Errorf("without workers: %+v", r)
	}
	b.registerWorker(t, "w1", "simulator")
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	r = b.health(t, http.StatusOK)
	if r.Status != "ok" || !millisecondsPattern.MatchString(r.Timestamp) || len(r.Checks) != 10 || r.Version == "" || r.Commit == "" || r.BuildTime == "" {
		t.Errorf("got %+v", r)
	}
	for _, name := range []string{"config.required_env", "kv.users", "kv.results", "nats", "store.loss", "workers", "upstreams", "queue", "mail", "switches"} {
		if status, details := r.check(name); status != "ok" || details == nil {
			t.Errorf("%s: %s %v", name, status, details)
		}
	}
	if _, details := r.check("queue"); details["waiting"] != 1.0 {
		t.Errorf("queue: %v", details)
	}
	if _, details := r.check("workers"); details["simulated"] != true {
		t.Errorf("with a worker on the simulator: %v", details)
	}
	b.registerWorker(t, "w2", "live")
	r = b.health(t, http.StatusServiceUnavailable)
	if status, _ := r.check("workers"); status != "degraded" {
		t.Errorf("with a mixture of modes: %+v", r)
	}
}

func TestHealthShowsMissingSettings(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.MissingEnv = []string{"DEEPSEEK_API_KEY"} })
	b.registerWorker(t, "w1", "live")
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
	for _, name := range []string{"kv.users", "kv.results", "nats", "store.loss", "workers", "upstreams", "queue"} {
		if status, details := r.check(name); status != "error" || details["reason"] != "unavailable" || len(details) != 1 {
			t.Errorf("%s: %s %v", name, status, details)
		}
	}
	b.get(t, "/readyz").problem(t, http.StatusServiceUnavailable, "unavailable")
}

func TestHealthToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.HealthToken = "right" })
	b.registerWorker(t, "w1", "simulator")
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
		resp := b.get(t, "/internal/health"+tc.query, options...)
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
		resp := b.get(t, path).expect(t, http.StatusOK)
		if strings.TrimSpace(string(resp.body)) != `{"status":"ok"}` || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s", path, resp.body)
		}
		b.head(t, path).expect(t, http.StatusOK)
	}
}

// withBroker replaces the broker of a server and the dependencies that submissions and health checks use.
func withBroker(t *testing.T, b *broker.Broker) change {
	t.Helper()
	return func(_ *server.Config, deps *server.Deps) {
		r := jobstest.On(t, b)
		deps.Broker, deps.Queue, deps.Store, deps.Jobs = b, r.Queue, r.Store, r.Jobs
		controls, err := control.Open(t.Context(), b)
		must(t, err)
		deps.Control = control.NewController(controls, deps.Log, nil)
		deps.Accounts, deps.Recovery = newAccounts(t, b, deps.Log)
	}
}

// TestHealthShowsFullStore fills the store: submissions are rejected, and the reason is reported and logged once.
func TestHealthShowsFullStore(t *testing.T) {
	t.Parallel()
	small := brokertest.Start(t, func(c *broker.Config) { c.MaxStoreMB = 1 })
	b := setup(t, withBroker(t, small))
	for i := 0; ; i++ {
		_, err := small.JetStream().Publish(t.Context(), broker.DeadSubject(job.KindImage, "o", strconv.Itoa(i)), make([]byte, 64<<10))
		if broker.NoRoom(err) {
			break
		}
		must(t, err)
	}
	resp := b.submit(t, fields{"kind": "prompt", "input": fields{"text": "x"}})
	resp.problem(t, http.StatusServiceUnavailable, "store_full")
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for range 3 {
		r := b.health(t, http.StatusServiceUnavailable)
		for _, name := range []string{"kv.users", "kv.results", "queue"} {
			if status, details := r.check(name); status != "error" || details["reason"] != "store_full" || details["hint"] == "" {
				t.Errorf("%s: %s %v", name, status, details)
			}
		}
	}
	must(t, small.JetStream().DeleteStream(t.Context(), broker.StreamDead))
	b.submit(t, fields{"kind": "prompt", "input": fields{"text": "x"}}).expect(t, http.StatusAccepted)
	b.get(t, "/internal/health")
	for message, want := range map[string]int{
		`"ERROR","msg":"health check failed","check":"kv.results"`:      1,
		`"INFO","msg":"health check passes again","check":"kv.results"`: 1,
		`"ERROR","msg":"health check failed","check":"queue"`:           1,
		`"INFO","msg":"health check passes again","check":"queue"`:      1,
	} {
		if got := strings.Count(b.log.String(), message); got != want {
			t.Errorf("%s is logged %d times", message, got)
		}
	}
}

// TestHealthShowsDataLoss deletes a stream, as if the disk of NATS had been wiped.
func TestHealthShowsDataLoss(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.registerWorker(t, "w1", "simulator")
	b.health(t, http.StatusOK)
	must(t, b.broker.JetStream().DeleteStream(t.Context(), broker.StreamDead))
	b.broker.TriggerReconcile()
	limit := time.Now().Add(hang)
	for {
		r := healthReport{}
		b.get(t, "/internal/health").decode(t, &r)
		if status, details := r.check("store.loss"); status == "degraded" && details["reason"] == "data_lost" && details["at"] != nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the loss is not shown: %+v", r)
		}
	}
}

func TestHealthShowsUnservedKinds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(t, b.control.RegisterWorker(t.Context(), control.Worker{ID: "w1", Mode: "live", Slots: map[job.Kind]int{job.KindImage: 2, job.KindAudio: 0}}))
	must(t, b.control.RegisterWorker(t.Context(), control.Worker{ID: "w2", Mode: "live", Slots: map[job.Kind]int{job.KindPrompt: 2}}))
	r := b.health(t, http.StatusServiceUnavailable)
	if status, details := r.check("workers"); status != "degraded" || fmt.Sprint(details["unserved"]) != "[audio translation]" {
		t.Errorf("%s %v", status, details)
	}
}

func TestHealthShowsMail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mail                   server.Mail
		delivers               bool
		overall, check, reason string
		hint                   string
	}{
		"on":                       {delivers: true, overall: "ok", check: "ok"},
		"on and required":          {mail: server.Mail{Required: true}, delivers: true, overall: "ok", check: "ok"},
		"off":                      {mail: server.Mail{Off: true}, overall: "ok", check: "off", reason: "mail_off", hint: "cannot reset"},
		"off, links on a console":  {mail: server.Mail{Off: true}, delivers: true, overall: "ok", check: "off", reason: "mail_off", hint: "console"},
		"required and off":         {mail: server.Mail{Off: true, Required: true}, overall: "degraded", check: "degraded", reason: "mail_off", hint: "MAIL"},
		"required, on the console": {mail: server.Mail{Off: true, Required: true}, delivers: true, overall: "degraded", check: "degraded", reason: "mail_off", hint: "MAIL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(_ *server.Config, deps *server.Deps) {
				deps.Mail = c.mail
				if !c.delivers {
					deps.Recovery = mailerWithoutDelivery(deps)
				}
			})
			b.registerWorker(t, "w1", "simulator")
			status := map[string]int{"ok": http.StatusOK, "degraded": http.StatusServiceUnavailable}[c.overall]
			r := b.health(t, status)
			check, details := r.check("mail")
			reason, _ := details["reason"].(string)
			hint, _ := details["hint"].(string)
			if r.Status != c.overall || check != c.check || reason != c.reason || !strings.Contains(hint, c.hint) || (hint == "") != (c.hint == "") {
				t.Errorf("%s, mail: %s %v", r.Status, check, details)
			}
			if logged := strings.Contains(b.log.String(), `"health check failed","check":"mail"`); logged != (c.overall != "ok") {
				t.Errorf("logged: %t", logged)
			}
			// Users get the same response in each case.
			b.auth(t, "forgot-password", fields{"email": annEmail}).expect(t, http.StatusOK)
		})
	}
}
