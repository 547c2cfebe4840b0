package server

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// defaultPause and maxPause are for how many seconds a kind is paused when the operator does not say, and at the most.
	defaultPause = 3600
	maxPause     = 30 * 24 * 3600
	// maxNote bounds an operator's reason, in characters.
	maxNote = 200
)

// controlHandler serves the operator's routes on circuit breakers, pauses and runtime switches.
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
	// Code and Status are of the fault that closed it, Since is when and Until is when it is tried again.
	Code   string    `json:"code,omitempty"`
	Status int       `json:"status,omitempty"`
	Since  *job.Time `json:"since,omitempty"`
	Until  *job.Time `json:"until,omitempty"`
	Trips  int       `json:"trips,omitempty"`
}

// kindView is a kind of job as the operator sees it.
type kindView struct {
	Kind job.Kind `json:"kind"`
	// Paused says that an operator has paused it.
	Paused bool      `json:"paused"`
	Since  *job.Time `json:"since,omitempty"`
	Until  *job.Time `json:"until,omitempty"`
	Note   string    `json:"note,omitempty"`
}

func viewUpstream(c control.Circuit) upstreamView {
	v := upstreamView{Name: c.Upstream, State: c.State, Kinds: []job.Kind{}}
	for _, kind := range job.Kinds() {
		if kind.Upstream() == c.Upstream {
			v.Kinds = append(v.Kinds, kind)
		}
	}
	if c.Open() {
		v.Code, v.Status, v.Since, v.Until, v.Trips = c.Code, c.Status, &c.Since, &c.Until, c.Trips
	}
	return v
}

func viewKind(kind job.Kind, p control.Pause, now time.Time) kindView {
	v := kindView{Kind: kind}
	if p.Active(now) {
		v.Paused, v.Since, v.Until, v.Note = true, &p.Since, &p.Until, p.Note
	}
	return v
}

// showControl is GET /api/admin/control: which upstreams are closed, which kinds are paused, and the
// runtime switches.
func (h *controlHandler) showControl(c *gin.Context) error {
	view, now := h.control.View(), h.now()
	answer := struct {
		Upstreams []upstreamView `json:"upstreams"`
		Kinds     []kindView     `json:"kinds"`
		Switches  []switchView   `json:"switches"`
	}{Switches: h.switches()}
	for _, name := range job.Upstreams() {
		answer.Upstreams = append(answer.Upstreams, viewUpstream(view.Circuit(name)))
	}
	for _, kind := range job.Kinds() {
		answer.Kinds = append(answer.Kinds, viewKind(kind, view.Pauses[kind], now))
	}
	h.audit(c.Request.Context(), c, "show control", nil)
	respond.JSON(c, http.StatusOK, answer)
	return nil
}

// pauseRequest is the body of a pause; an absent body is an empty one.
type pauseRequest struct {
	Seconds *int   `json:"seconds"`
	Note    string `json:"note"`
}

// pauseKind is POST /api/admin/kinds/:kind/pause. Running jobs go on; a further pause replaces the one before.
func (h *controlHandler) pauseKind(c *gin.Context) error {
	kind, err := kindOf(c)
	if err != nil {
		return err
	}
	var ask pauseRequest
	b, err := bind.Optional(c, &ask)
	if err != nil {
		return err
	}
	seconds := defaultPause
	if ask.Seconds != nil {
		seconds = *ask.Seconds
	}
	if seconds < 1 || seconds > maxPause {
		b.Faults = append(b.Faults, bind.OutOfRange("/seconds", 1, maxPause))
	}
	if len([]rune(ask.Note)) > maxNote {
		b.Faults = append(b.Faults, bind.TooLong("/note", maxNote))
	}
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	pause, err := h.control.Pause(ctx, kind, h.now().Add(time.Duration(seconds)*time.Second), ask.Note)
	h.audit(ctx, c, "pause kind", err, slog.String("kind", string(kind)), slog.Int("seconds", seconds))
	if err != nil {
		return problem.Unavailable(err)
	}
	respond.JSON(c, http.StatusOK, viewKind(kind, pause, h.now()))
	return nil
}

// resumeKind is POST /api/admin/kinds/:kind/resume. A kind that is not paused is no error.
func (h *controlHandler) resumeKind(c *gin.Context) error {
	kind, err := kindOf(c)
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

// probeUpstream is POST /api/admin/upstreams/:name/probe: an upstream that refuses this installation or is down is tried
// at once, by the next job that needs it. One that asked for patience is left alone until then.
func (h *controlHandler) probeUpstream(c *gin.Context) error {
	name := c.Param("name")
	if !slices.Contains(job.Upstreams(), name) {
		return problem.Because(problem.CodeNotFound, "upstream")
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	circuit := h.control.View().Circuit(name)
	if circuit.Open() && circuit.Code == job.CodeThrottled {
		return &problem.Problem{Code: problem.CodeThrottledUpstream, RetryAfter: max(1, int(circuit.Until.Sub(h.now()).Seconds()))}
	}
	err := h.control.Reconsider(ctx, name, circuit.Code)
	h.audit(ctx, c, "probe upstream", err, slog.String("upstream", name))
	if err != nil {
		return problem.Unavailable(err)
	}
	respond.JSON(c, http.StatusOK, viewUpstream(h.control.View().Circuit(name)))
	return nil
}

// kindOf returns the kind in the path.
func kindOf(c *gin.Context) (job.Kind, error) {
	kind := job.Kind(c.Param("kind"))
	if !kind.Valid() {
		return "", problem.Because(problem.CodeNotFound, "kind")
	}
	return kind, nil
}
