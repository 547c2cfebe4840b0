package server

import "context"

// checkMail is off when no mail server is set up, which is a choice and no fault unless the operator requires mail. It is
// degraded when the last mail could not be sent.
func (s *Server) checkMail(context.Context) healthCheck {
	delivers, failing := s.deps.Recovery.Delivers()
	off := s.deps.Mail.Off || !delivers
	status, reason, hint := healthOK, "", ""
	switch {
	case off && s.deps.Mail.Required:
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
