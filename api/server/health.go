package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// The statuses of a check and of the report. Only a check can be off, when its feature is not configured.
const (
	healthOK       = "ok"
	healthOff      = "off"
	healthDegraded = "degraded"
	healthError    = "error"
)

const healthRoute = "/internal/health"

// healthHandler serves the readiness probe and the health report.
type healthHandler struct {
	broker   *broker.Broker
	queue    *queue.Queue
	store    *store.Store
	control  *control.Controller
	accounts *account.Accounts
	recovery *account.Mailer
	// token is required from callers unless it is empty.
	token      env.Secret
	mail       Mail
	simulated  bool
	missingEnv []string
	draining   *atomic.Bool
	states     *healthLog
	now        func() time.Time
	log        *slog.Logger
}

// healthCheck is one line of the health report.
type healthCheck struct {
	Name    string         `json:"name"`
	Status  string         `json:"status"`
	Details map[string]any `json:"details"`
	// err is for the log only.
	err error
}

// passes reports whether the check leaves the report healthy.
func (c healthCheck) passes() bool { return c.Status == healthOK || c.Status == healthOff }

const (
	readyTimeout  = 2 * time.Second
	healthTimeout = 5 * time.Second
	awayTimeout   = 250 * time.Millisecond
)

// live is GET /livez. It responds as soon as the process runs.
func live(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, map[string]string{"status": healthOK})
	return nil
}

// ready is GET /readyz. It fails unless the process can accept jobs.
func (h *healthHandler) ready(c *gin.Context) error {
	if h.draining.Load() {
		return problem.Because(problem.CodeUnavailable, "draining")
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
	defer cancel()
	if err := h.broker.Check(ctx); err != nil {
		return problem.Unavailable(err)
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, map[string]string{"status": healthOK})
	return nil
}

// getHealth is GET /internal/health. The report has the format of the original and the checks of this system.
func (h *healthHandler) getHealth(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	if !h.healthAuthorized(c) {
		c.Header("WWW-Authenticate", `Bearer realm="health"`)
		respond.JSON(c, http.StatusUnauthorized, map[string]string{"status": "unauthorized"})
		return nil
	}
	timeout := healthTimeout
	if !h.broker.Conn().IsConnected() {
		// The checks cannot succeed, so they need not wait.
		timeout = awayTimeout
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), timeout)
	defer cancel()
	checks := h.checks(ctx)
	status := healthOK
	for _, check := range checks {
		if check.Status == healthError || (check.Status == healthDegraded && status == healthOK) {
			status = check.Status
		}
		h.states.note(ctx, h.log, check)
	}
	code := http.StatusOK
	if status != healthOK {
		code = http.StatusServiceUnavailable
	}
	version, commit, built := telemetry.Version()
	respond.JSON(c, code, map[string]any{
		"status": status, "timestamp": job.At(h.now()), "checks": checks,
		"version": version, "commit": commit, "build_time": built,
	})
	return nil
}

// healthAuthorized reports whether a request has the token, if one is set.
func (h *healthHandler) healthAuthorized(c *gin.Context) bool {
	want := h.token.Reveal()
	if want == "" {
		return true
	}
	given := c.Query("token")
	if token, ok := session.BearerToken(c.Request); ok {
		given = token
	}
	return isKey(given, want)
}

// checks runs all checks in parallel.
func (h *healthHandler) checks(ctx context.Context) []healthCheck {
	runs := []func(context.Context) healthCheck{
		h.checkEnv, h.checkStore, h.checkResults, h.checkNATS, h.checkLoss, h.checkWorkers, h.checkUpstreams, h.checkQueue, h.checkMail,
		h.checkSwitches,
	}
	checks := make([]healthCheck, len(runs))
	var wg sync.WaitGroup
	for i, run := range runs {
		wg.Go(func() { checks[i] = run(ctx) })
	}
	wg.Wait()
	h.setNoQuorum(checks)
	return checks
}

// checkEnv is degraded when required settings are missing.
func (h *healthHandler) checkEnv(context.Context) healthCheck {
	check := h.newCheck("config.required_env", nil, map[string]any{"missing": append([]string{}, h.missingEnv...)})
	if len(h.missingEnv) > 0 {
		check.Status = healthDegraded
	}
	return check
}

// checkStore writes, reads and deletes a key in the bucket of accounts.
func (h *healthHandler) checkStore(ctx context.Context) healthCheck {
	return h.newCheck("kv.users", h.accounts.Probe(ctx, rand.Text()), nil)
}

// checkResults checks that results can be written. Only a write detects a failed disk.
func (h *healthHandler) checkResults(ctx context.Context) healthCheck {
	return h.newCheck("kv.results", h.store.Probe(ctx), nil)
}

// checkLoss is degraded for an hour after NATS came back without what it had stored, or with a store that had to be
// repaired.
func (h *healthHandler) checkLoss(ctx context.Context) healthCheck {
	loss, lossErr := h.broker.LastDataLoss(ctx)
	repair, repairErr := h.broker.LastRepair(ctx)
	err := errors.Join(lossErr, repairErr)
	check := h.newCheck("store.loss", err, nil)
	switch {
	case err != nil:
	case loss != nil:
		check.Status = healthDegraded
		check.Details = map[string]any{"reason": "data_lost", "hint": hints["data_lost"], "at": job.At(loss.At), "streams": loss.Streams}
	case repair != nil:
		check.Status = healthDegraded
		check.Details = map[string]any{"reason": "repaired", "hint": hints["repaired"], "at": job.At(repair.At), "what": repair.What}
	}
	return check
}

func (h *healthHandler) checkNATS(ctx context.Context) healthCheck {
	err := h.broker.Check(ctx)
	if err == nil {
		err = h.broker.CheckLeaders(ctx)
	}
	durability, reason := h.broker.Durability()
	details := map[string]any{"durability": durability}
	if reason != "" {
		details["durability_reason"] = reason
	}
	return h.newCheck("nats", err, details)
}

// checkWorkers is degraded when no worker serves a kind of job, and when some workers call the real upstreams and others
// the simulator.
func (h *healthHandler) checkWorkers(ctx context.Context) healthCheck {
	workers, err := h.control.Workers(ctx)
	modes, slots := map[string]int{}, map[job.Kind]int{}
	for _, w := range workers {
		modes[w.Mode]++
		for kind, n := range w.Slots {
			slots[kind] += n
		}
	}
	unserved := []job.Kind{}
	for _, kind := range job.Kinds() {
		if slots[kind] == 0 {
			unserved = append(unserved, kind)
		}
	}
	check := h.newCheck("workers", err, map[string]any{
		"count": len(workers), "modes": modes, "simulated": h.simulated || modes["simulator"] > 0, "unserved": unserved,
	})
	if err == nil && (len(modes) != 1 || len(unserved) > 0) {
		check.Status = healthDegraded
	}
	return check
}

// checkUpstreams shows the open circuit breakers and the paused kinds. It is an error when an upstream rejects the key,
// balance or settings of this installation, and degraded when one is down or returns only errors to a worker, whose log
// has the reason. Throttling and pauses are healthy. So is a circuit that is to be retried, after a worker has started or
// at an operator's request: a load balancer that sends jobs only to healthy processes would otherwise never send the job
// that closes it.
func (h *healthHandler) checkUpstreams(ctx context.Context) healthCheck {
	workers, err := h.control.Workers(ctx)
	if err != nil {
		// The view of the circuit breakers may be outdated.
		return h.newCheck("upstreams", err, nil)
	}
	failing := []string{}
	for _, w := range workers {
		failing = append(failing, w.Failing...)
	}
	slices.Sort(failing)
	failing = slices.Compact(failing)
	now := h.now()
	view := h.control.View()
	refused, open := []string{}, map[string]any{}
	check := healthCheck{Name: "upstreams", Status: healthOK, Details: map[string]any{"failing": failing}}
	if len(failing) > 0 {
		check.Status = healthDegraded
	}
	for _, name := range job.Upstreams() {
		c := view.Circuit(name)
		if !c.Open() {
			continue
		}
		open[name] = map[string]any{"code": c.Code, "since": c.Since, "until": c.Until, "state": c.State}
		switch {
		case c.Retrial:
			// The next job will show whether the upstream works again.
		case c.Code == job.CodeMisconfigured:
			refused = append(refused, name)
			check.Status = healthError
		case c.Code != job.CodeThrottled && check.Status == healthOK:
			check.Status = healthDegraded
		}
	}
	if names := control.Providers(workers); len(names) > 0 {
		// While others serve, a provider is not a fault of the service; if none does, the circuit of the upstream is open.
		providers := map[string]any{}
		for _, name := range names {
			if c := view.Circuit(name); c.Open() {
				providers[name] = map[string]any{"code": c.Code, "since": c.Since, "until": c.Until, "state": c.State}
			}
		}
		check.Details["providers"] = providers
	}
	paused := map[string]any{}
	for _, kind := range job.Kinds() {
		if p := view.Pauses[kind]; p.Active(now) {
			paused[string(kind)] = map[string]any{"since": p.Since, "until": p.Until, "note": p.Note}
		}
	}
	check.Details["refused"], check.Details["closed"], check.Details["paused"] = refused, open, paused
	return check
}

// checkQueue shows how many jobs wait, and for how long. It is an error when NATS rejected the latest job.
func (h *healthHandler) checkQueue(ctx context.Context) healthCheck {
	states, err := h.queue.States(ctx)
	var waiting, inFlight int
	var oldest time.Duration
	for _, state := range states {
		waiting += state.Waiting
		inFlight += state.InFlight
		oldest = max(oldest, state.OldestAge)
	}
	refused := h.queue.Refusal()
	check := h.newCheck("queue", errors.Join(err, refused), map[string]any{
		"waiting": waiting, "in_hand": inFlight, "oldest_age_seconds": int(oldest.Seconds()),
	})
	if err == nil && errors.Is(refused, queue.ErrFull) {
		check.Status = healthDegraded
	}
	return check
}
