package server

import (
	"encoding/hex"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// switchView is a runtime switch as the operator sees it.
type switchView struct {
	Name control.SwitchName `json:"name"`
	// Value is what holds now, and Default what the environment of this process says.
	Value   string `json:"value"`
	Default string `json:"default"`
	// Set says that an operator has set the value.
	Set bool `json:"set"`
	// Since, Until, Reason and By are of the latest change, also when that was a reset or its time is over.
	Since  *job.Time      `json:"since,omitempty"`
	Until  *job.Time      `json:"until,omitempty"`
	Reason string         `json:"reason,omitempty"`
	By     *control.Actor `json:"by,omitempty"`
}

func (s *Server) viewSwitch(sw control.Switch, now time.Time) switchView {
	v := switchView{Name: sw.Name, Default: s.switchDefault(sw.Name), Reason: sw.Reason, Set: sw.InForce(now)}
	v.Value = v.Default
	if v.Set {
		v.Value = sw.Value
	}
	if !sw.Since.IsZero() {
		v.Since = &sw.Since
	}
	if !sw.Until.IsZero() {
		v.Until = &sw.Until
	}
	if sw.By != (control.Actor{}) {
		v.By = &sw.By
	}
	return v
}

// switchDefault returns the value of a switch that is not set.
func (s *Server) switchDefault(name control.SwitchName) string {
	if value, ok := s.deps.SwitchDefaults[name]; ok {
		return value
	}
	if name == control.SwitchLogLevel {
		return "error"
	}
	if name == control.SwitchAccept {
		return control.SwitchOn
	}
	return control.SwitchOff
}

// switches returns all of them.
func (s *Server) switches() []switchView {
	view, now := s.deps.Control.View(), s.deps.Now()
	list := make([]switchView, 0, len(control.SwitchNames()))
	for _, name := range control.SwitchNames() {
		list = append(list, s.viewSwitch(view.Switch(name), now))
	}
	return list
}

// listSwitches is GET /api/admin/switches.
func (s *Server) listSwitches(c *gin.Context) error {
	s.audit(c.Request.Context(), c, "list switches", nil)
	respond.JSON(c, http.StatusOK, map[string]any{"switches": s.switches()})
	return nil
}

// switchRequest is the body that sets a switch.
type switchRequest struct {
	Value string `json:"value"`
	// Seconds is for how long; without it the value holds until it is changed.
	Seconds *int   `json:"seconds"`
	Reason  string `json:"reason"`
}

// setSwitch is POST /api/admin/switches/:name. It replaces whatever was set before, in all processes.
func (s *Server) setSwitch(c *gin.Context) error {
	name, err := switchOf(c)
	if err != nil {
		return err
	}
	var ask switchRequest
	b, err := bind.JSON(c, &ask)
	if err != nil {
		return err
	}
	switch {
	case bind.Has(b.Faults, "/value"):
	case ask.Value == "":
		b.Add("/value", "required")
	case !slices.Contains(name.Values(), ask.Value):
		b.Add("/value", "unknown_value", "known", bind.Join(name.Values()))
	}
	if ask.Seconds != nil && (*ask.Seconds < 1 || *ask.Seconds > maxPause) {
		b.Faults = append(b.Faults, bind.OutOfRange("/seconds", 1, maxPause))
	}
	if len([]rune(ask.Reason)) > maxNote {
		b.Add("/reason", "too_long", "max", strconv.Itoa(maxNote))
	}
	if err := b.Err(); err != nil {
		return err
	}
	next := control.Switch{Name: name, Value: ask.Value, Reason: ask.Reason}
	if ask.Seconds != nil {
		next.Until = job.At(s.deps.Now().Add(time.Duration(*ask.Seconds) * time.Second))
	}
	return s.changeSwitch(c, "set switch", next)
}

// resetSwitch is DELETE /api/admin/switches/:name: the environment of each process decides again. A switch that is not set is
// no error.
func (s *Server) resetSwitch(c *gin.Context) error {
	name, err := switchOf(c)
	if err != nil {
		return err
	}
	return s.changeSwitch(c, "reset switch", control.Switch{Name: name})
}

func (s *Server) changeSwitch(c *gin.Context, act string, next control.Switch) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	next.By = control.Actor{Address: c.ClientIP(), Key: s.adminKeyID()}
	before, after, err := s.deps.Control.SetSwitch(ctx, next)
	now := s.deps.Now()
	attrs := []slog.Attr{slog.String("switch", string(next.Name))}
	if err == nil {
		attrs = append(attrs, slog.String("before", s.viewSwitch(before, now).Value), slog.String("after", s.viewSwitch(after, now).Value))
		if !after.Until.IsZero() {
			attrs = append(attrs, slog.String("until", after.Until.String()))
		}
	}
	s.audit(ctx, c, act, err, attrs...)
	if err != nil {
		return problem.Unavailable(err)
	}
	respond.JSON(c, http.StatusOK, s.viewSwitch(after, now))
	return nil
}

// switchOf returns the switch in the path.
func switchOf(c *gin.Context) (control.SwitchName, error) {
	name := control.SwitchName(c.Param("name"))
	if !slices.Contains(control.SwitchNames(), name) {
		return "", problem.Because(problem.CodeNotFound, "switch")
	}
	return name, nil
}

// adminKeyID identifies the ADMIN_KEY in force in logs. Without the installation's secret a key cannot be guessed from it.
func (s *Server) adminKeyID() string {
	return hex.EncodeToString(keys.Sum(s.keys.AdminKeyID, s.cfg.AdminKey.Reveal())[:4])
}

// retryNotAccepting and maxRetryNotAccepting are the Retry-After of a submission, in seconds, while the operator accepts
// none: when no end is known, and at the most, since the operator may end it earlier.
const (
	retryNotAccepting    = 60
	maxRetryNotAccepting = 3600
)

// notAccepting returns the problem of a submission while the operator accepts none, or nil.
func (s *Server) notAccepting() *problem.Problem {
	now := s.deps.Now()
	sw, accepting := s.deps.Control.View().Accepting(now)
	if accepting {
		return nil
	}
	p := &problem.Problem{Code: problem.CodeSubmissionsStopped, RetryAfter: retryNotAccepting, Args: map[string]string{"reason": sw.Reason}}
	if sw.Reason != "" {
		p.Reason = "reason"
	}
	if !sw.Until.IsZero() {
		left := sw.Until.Sub(now)
		p.RetryAfter = max(1, min(int((left+time.Second-1)/time.Second), maxRetryNotAccepting))
		p.Extra = map[string]any{"until": sw.Until}
	}
	return p
}

// checkAccepting fails with problem.CodeSubmissionsStopped while the operator accepts no jobs.
func (s *Server) checkAccepting() error {
	if p := s.notAccepting(); p != nil {
		return p
	}
	return nil
}
