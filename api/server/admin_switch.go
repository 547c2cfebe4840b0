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

// switchView is a runtime switch as the operator sees it.
type switchView struct {
	Name control.SwitchName `json:"name"`
	// Value is in force; Default is the value from the environment of this process.
	Value   string `json:"value"`
	Default string `json:"default"`
	// Set reports whether an operator has set the value.
	Set bool `json:"set"`
	// Since, Until, Reason and By describe the latest change, even if that was a reset or has expired.
	Since  *job.Time      `json:"since,omitempty"`
	Until  *job.Time      `json:"until,omitempty"`
	Reason string         `json:"reason,omitempty"`
	By     *control.Actor `json:"by,omitempty"`
}

func (h *controlHandler) newSwitchView(sw control.Switch, now time.Time) switchView {
	v := switchView{Name: sw.Name, Default: h.switchDefault(sw.Name), Reason: sw.Reason, Set: sw.InForce(now)}
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
func (h *controlHandler) switchDefault(name control.SwitchName) string {
	if value, ok := h.switchDefaults[name]; ok {
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

// switches returns all switches.
func (h *controlHandler) switches() []switchView {
	view, now := h.control.View(), h.now()
	list := make([]switchView, 0, len(control.SwitchNames()))
	for _, name := range control.SwitchNames() {
		list = append(list, h.newSwitchView(view.Switch(name), now))
	}
	return list
}

// listSwitches is GET /api/admin/switches.
func (h *controlHandler) listSwitches(c *gin.Context) error {
	h.audit(c.Request.Context(), c, "list switches", nil)
	respond.JSON(c, http.StatusOK, map[string]any{"switches": h.switches()})
	return nil
}

// switchRequest is the body that sets a switch.
type switchRequest struct {
	Value string `json:"value"`
	// Seconds is how long the value applies; without it, until it is changed.
	Seconds *int   `json:"seconds"`
	Reason  string `json:"reason"`
}

// setSwitch is POST /api/admin/switches/:name. It replaces the previous value, in all processes.
func (h *controlHandler) setSwitch(c *gin.Context) error {
	name, err := switchParam(c)
	if err != nil {
		return err
	}
	var req switchRequest
	b, err := bind.JSON(c, &req)
	if err != nil {
		return err
	}
	switch {
	case bind.Has(b.Faults, "/value"):
	case req.Value == "":
		b.Add("/value", "required")
	case !slices.Contains(name.Values(), req.Value):
		b.Add("/value", "unknown_value", "known", bind.Join(name.Values()))
	}
	if err := checkChange(b, req.Seconds, "/reason", req.Reason); err != nil {
		return err
	}
	next := control.Switch{Name: name, Value: req.Value, Reason: req.Reason}
	if req.Seconds != nil {
		next.Until = job.At(h.now().Add(time.Duration(*req.Seconds) * time.Second))
	}
	return h.changeSwitch(c, "set switch", next)
}

// resetSwitch is DELETE /api/admin/switches/:name. The value from the environment of each process applies again. Resetting a
// switch that is not set is not an error.
func (h *controlHandler) resetSwitch(c *gin.Context) error {
	name, err := switchParam(c)
	if err != nil {
		return err
	}
	return h.changeSwitch(c, "reset switch", control.Switch{Name: name})
}

func (h *controlHandler) changeSwitch(c *gin.Context, act string, next control.Switch) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	next.By = control.Actor{Address: c.ClientIP(), Key: h.keyIDOf(c)}
	before, after, err := h.control.SetSwitch(ctx, next)
	now := h.now()
	attrs := []slog.Attr{slog.String("switch", string(next.Name))}
	if err == nil {
		attrs = append(attrs, slog.String("before", h.newSwitchView(before, now).Value), slog.String("after", h.newSwitchView(after, now).Value))
		if !after.Until.IsZero() {
			attrs = append(attrs, slog.String("until", after.Until.String()))
		}
	}
	h.audit(ctx, c, act, err, attrs...)
	if err != nil {
		return problem.Unavailable(err)
	}
	respond.JSON(c, http.StatusOK, h.newSwitchView(after, now))
	return nil
}

// switchParam returns the switch in the path.
func switchParam(c *gin.Context) (control.SwitchName, error) {
	name := control.SwitchName(c.Param("name"))
	if !slices.Contains(control.SwitchNames(), name) {
		return "", problem.Because(problem.CodeNotFound, "switch")
	}
	return name, nil
}
