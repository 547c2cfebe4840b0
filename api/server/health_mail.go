package server

import "context"

// checkMail is degraded when nobody who has forgotten a password can be helped.
func (s *Server) checkMail(context.Context) healthCheck {
	check := healthCheck{Name: "mail", Status: healthOK, Details: map[string]any{}}
	delivers, failing := s.deps.Recovery.Delivers()
	reason := ""
	switch {
	case !delivers:
		reason = "mail_off"
	case failing:
		reason = "mail_failing"
	}
	if reason != "" {
		check.Status = healthDegraded
		check.Details = map[string]any{"reason": reason, "hint": hints[reason]}
	}
	return check
}
