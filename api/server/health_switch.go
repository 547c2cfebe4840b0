package server

import (
	"context"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// checkSwitches shows which runtime switches an operator has set. It is always healthy.
func (h *healthHandler) checkSwitches(context.Context) healthCheck {
	set := map[string]any{}
	for name, sw := range h.control.View().InForce(h.now()) {
		details := switchHealth(sw)
		if name != control.SwitchAccept {
			// This reason is shown to users; the others are notes of the operator.
			delete(details, "reason")
		}
		set[string(name)] = details
	}
	return healthCheck{Name: "switches", Status: healthOK, Details: map[string]any{"set": set}}
}

func switchHealth(sw control.Switch) map[string]any {
	details := map[string]any{"value": sw.Value, "since": job.At(sw.Since.Time)}
	if !sw.Until.IsZero() {
		details["until"] = sw.Until
	}
	if sw.Reason != "" {
		details["reason"] = sw.Reason
	}
	return details
}
