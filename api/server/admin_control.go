package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// defaultPause and maxPause are the default and the maximum duration of a pause, in seconds.
	defaultPause = 3600
	maxPause     = 30 * 24 * 3600
	// maxNote bounds the reason that an operator gives, in characters.
	maxNote = 200
)

// controlHandler serves the operator's routes on circuit breakers, pauses, runtime switches and deployments.
type controlHandler struct {
	*operator
	control *control.Controller
	// switchDefaults are the values of switches that no operator has set.
	switchDefaults map[control.SwitchName]string
	now            func() time.Time
}

// upstreamView is an upstream as the operator sees it.
type upstreamView struct {
	Name  string               `json:"name"`
	State control.CircuitState `json:"state"`
	Kinds []job.Kind           `json:"kinds"`
	// Code and Status describe the error that opened the circuit at Since; the upstream is tried again at Until.
	Code   string    `json:"code,omitempty"`
	Status int       `json:"status,omitempty"`
	Since  *job.Time `json:"since,omitempty"`
	Until  *job.Time `json:"until,omitempty"`
	Trips  int       `json:"trips,omitempty"`
}

// kindView is a kind of job as the operator sees it.
type kindView struct {
	Kind   job.Kind  `json:"kind"`
	Paused bool      `json:"paused"`
	Since  *job.Time `json:"since,omitempty"`
	Until  *job.Time `json:"until,omitempty"`
	Note   string    `json:"note,omitempty"`
}

func newUpstreamView(c control.Circuit) upstreamView {
	v := upstreamView{Name: c.Upstream, State: c.State, Kinds: []job.Kind{}}
	upstream := c.Upstream
	if served, ok := job.ServedUpstream(c.Upstream); ok {
		upstream = served
	}
	for _, kind := range job.Kinds() {
		if kind.Upstream() == upstream {
			v.Kinds = append(v.Kinds, kind)
		}
	}
	if c.Open() {
		v.Code, v.Status, v.Since, v.Until, v.Trips = c.Code, c.Status, &c.Since, &c.Until, c.Trips
	}
	return v
}

func newKindView(kind job.Kind, p control.Pause, now time.Time) kindView {
	v := kindView{Kind: kind}
	if p.Active(now) {
		v.Paused, v.Since, v.Until, v.Note = true, &p.Since, &p.Until, p.Note
	}
	return v
}

// getControl is GET /api/admin/control. It shows the circuit breakers, the pauses and the runtime switches.
func (h *controlHandler) getControl(c *gin.Context) error {
	view, now := h.control.View(), h.now()
	reply := struct {
		Upstreams []upstreamView `json:"upstreams"`
		Kinds     []kindView     `json:"kinds"`
		Switches  []switchView   `json:"switches"`
	}{Switches: h.switches()}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	providers, err := h.providers(ctx)
	if err != nil {
		return problem.Unavailable(err)
	}
	for _, name := range append(job.Upstreams(), providers...) {
		reply.Upstreams = append(reply.Upstreams, newUpstreamView(view.Circuit(name)))
	}
	for _, kind := range job.Kinds() {
		reply.Kinds = append(reply.Kinds, newKindView(kind, view.Pauses[kind], now))
	}
	h.audit(c.Request.Context(), c, "show control", nil)
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// pauseRequest is the body of a pause; a missing body is an empty one.
type pauseRequest struct {
	Seconds *int   `json:"seconds"`
	Note    string `json:"note"`
}

// pauseKind is POST /api/admin/kinds/:kind/pause. Running jobs continue; another pause replaces the previous one.
func (h *controlHandler) pauseKind(c *gin.Context) error {
	kind, err := kindParam(c)
	if err != nil {
		return err
	}
	var req pauseRequest
	b, err := bind.Optional(c, &req)
	if err != nil {
		return err
	}
	seconds := defaultPause
	if req.Seconds != nil {
		seconds = *req.Seconds
	}
	if err := checkChange(b, req.Seconds, "/note", req.Note); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	pause, err := h.control.Pause(ctx, kind, h.now().Add(time.Duration(seconds)*time.Second), req.Note)
	h.audit(ctx, c, "pause kind", err, slog.String("kind", string(kind)), slog.Int("seconds", seconds))
	if err != nil {
		return problem.Unavailable(err)
	}
	respond.JSON(c, http.StatusOK, newKindView(kind, pause, h.now()))
	return nil
}

// checkChange checks the duration and the note of an operator's change, and returns a problem with all errors of b.
func checkChange(b *bind.Binder, seconds *int, pointer, note string) error {
	if seconds != nil && (*seconds < 1 || *seconds > maxPause) {
		b.Faults = append(b.Faults, bind.OutOfRange("/seconds", 1, maxPause))
	}
	if utf8.RuneCountInString(note) > maxNote {
		b.Faults = append(b.Faults, bind.TooLong(pointer, maxNote))
	}
	return b.Err()
}

// resumeKind is POST /api/admin/kinds/:kind/resume. Resuming a kind that is not paused is not an error.
func (h *controlHandler) resumeKind(c *gin.Context) error {
	kind, err := kindParam(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	err = h.control.Resume(ctx, kind)
	h.audit(ctx, c, "resume kind", err, slog.String("kind", string(kind)))
	if err != nil {
		return problem.Unavailable(err)
	}
	respond.JSON(c, http.StatusOK, kindView{Kind: kind})
	return nil
}

// providers returns the circuit breakers of the providers that the workers have. It costs one request to NATS.
func (h *controlHandler) providers(ctx context.Context) ([]string, error) {
	workers, err := h.control.Workers(ctx)
	return control.Providers(workers), err
}

// probeUpstream is POST /api/admin/upstreams/:name/probe. It allows the next job to call an upstream, or a provider of one, that
// has rejected this installation or is down. One that asked to wait is not called earlier.
func (h *controlHandler) probeUpstream(c *gin.Context) error {
	name := c.Param("name")
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	providers, err := h.providers(ctx)
	if err != nil {
		return problem.Unavailable(err)
	}
	if !slices.Contains(append(job.Upstreams(), providers...), name) {
		return problem.Because(problem.CodeNotFound, "upstream")
	}
	circuit := h.control.View().Circuit(name)
	if circuit.Open() && circuit.Code == job.CodeThrottled {
		return &problem.Problem{Code: problem.CodeThrottledUpstream, RetryAfter: max(1, int(circuit.Until.Sub(h.now()).Seconds()))}
	}
	err = h.reconsider(ctx, name, providers)
	h.audit(ctx, c, "probe upstream", err, slog.String("upstream", name))
	if err != nil {
		return problem.Unavailable(err)
	}
	respond.JSON(c, http.StatusOK, newUpstreamView(h.control.View().Circuit(name)))
	return nil
}

// reconsider allows a probe of an upstream or a provider. That of a provider is also allowed while all providers of its upstream are
// avoided, and that of an upstream is one of its providers, except those that asked to wait.
func (h *controlHandler) reconsider(ctx context.Context, name string, providers []string) error {
	view := h.control.View()
	upstream, isProvider := job.ServedUpstream(name)
	names := []string{name}
	for _, p := range providers {
		if served, _ := job.ServedUpstream(p); served == name && view.Circuit(p).Code != job.CodeThrottled {
			upstream, names = name, append(names, p)
		}
	}
	var errs []error
	for _, n := range names {
		errs = append(errs, h.control.Reconsider(ctx, n, view.Circuit(n).Code))
	}
	if isProvider || len(names) > 1 {
		// The circuits of the providers say when each may be called.
		errs = append(errs, h.control.Reset(ctx, upstream))
	}
	return errors.Join(errs...)
}

// kindParam returns the kind of job in the path.
func kindParam(c *gin.Context) (job.Kind, error) {
	kind := job.Kind(c.Param("kind"))
	if !kind.Valid() {
		return "", problem.Because(problem.CodeNotFound, "kind")
	}
	return kind, nil
}
