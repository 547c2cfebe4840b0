package server

import "context"

// checkMail is off when no mail server is configured, unless the operator requires mail. It is degraded when the last
// email could not be sent.
func (h *healthHandler) checkMail(context.Context) healthCheck {
	delivers, failing := h.recovery.Delivers()
	off := h.mail.Off || !delivers
	status, reason, hint := healthOK, "", ""
	switch {
	case off && h.mail.Required:
		status, reason, hint = healthDegraded, "mail_off", "mail_required"
	case off && delivers:
		status, reason, hint = healthOff, "mail_off", "mail_console"
	case off:
		status, reason, hint = healthOff, "mail_off", "mail_off"
	case failing:
		status, reason, hint = healthDegraded, "mail_failing", "mail_failing"
	}
	check := healthCheck{Name: "mail", Status: status, Details: map[string]any{}}
	if reason != "" {
		check.Details["reason"], check.Details["hint"] = reason, hints[hint]
	}
	return check
}
