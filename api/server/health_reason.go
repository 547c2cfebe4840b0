package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// hints maps a reason to advice for the operator.
var hints = map[string]string{
	"store_full": "The storage of NATS is full. Nothing new is accepted until something expires or is deleted, or the storage grows.",
	"no_answer": "NATS is reachable but does not respond to writes. After a disk error, such as a full disk, it accepts no writes until " +
		"it is restarted: free disk space, then restart it. A cluster without a leader looks the same for about ten seconds.",
	"disk_full": "The disk with DATA_DIR is full. Nothing new is accepted. Free disk space: NATS is then restarted within seconds, " +
		"without a restart of the program.",
	"disk_failed": "The disk with DATA_DIR accepts no writes, or the store on it is damaged; the log says which file and why. Nothing " +
		"new is accepted. Once writes succeed, NATS is restarted without a restart of the program.",
	"repaired": "The store in DATA_DIR was damaged and was repaired at startup; nothing is lost. Check the disk. The damaged files " +
		"are in DATA_DIR/damaged. This is shown for an hour.",
	reasonNoQuorum: "The NATS cluster has lost its quorum: too few of its servers are running, or they cannot reach each other, so " +
		"it has no leader. Nothing new is accepted, and nothing accepted is lost. Start the missing servers, or repair the network " +
		"between them, until a majority is running; the service then continues without a restart. More disk space does not help.",
	"incomplete": "Streams or consumers are missing in NATS; they are being declared again.",
	"queue_full": "The number of queued jobs has reached MAX_QUEUED_JOBS.",
	"data_lost": "NATS came back without the data that it had stored: accepted jobs and their results are lost. " +
		"This is shown for an hour.",
	"mail_off":      "Users who forget their password cannot reset it: SMTP_URL is not set.",
	"mail_console":  "Password reset links are printed on the console, and no email is sent: SMTP_URL is not set.",
	"mail_required": "MAIL is required, but SMTP_URL is not set.",
	"mail_failing":  "The mail server did not accept the last email; the log names the step.",
}

// reasonOf returns the reason for a check's error. The report does not contain the error itself, which may include internal
// addresses.
func (h *healthHandler) reasonOf(err error) string {
	switch {
	// NATS restarts after a disk error, so the connection may be down too.
	case errors.Is(err, broker.ErrDiskFull):
		return "disk_full"
	case errors.Is(err, broker.ErrDiskFailed):
		return "disk_failed"
	case !h.broker.Conn().IsConnected():
	case broker.NoQuorum(err):
		return reasonNoQuorum
	case errors.Is(err, broker.ErrIncomplete):
		return "incomplete"
	case errors.Is(err, queue.ErrFull):
		return "queue_full"
	case errors.Is(err, queue.ErrNoRoom), errors.Is(err, store.ErrFull), broker.NoRoom(err):
		return "store_full"
	case errors.Is(err, context.DeadlineExceeded):
		return "no_answer"
	}
	return "unavailable"
}

// reasonNoQuorum is the reason of every check that fails because the NATS cluster has no leader.
const reasonNoQuorum = "no_quorum"

// setNoQuorum sets this reason for all checks that got no response if any check shows that the cluster has no leader.
func (h *healthHandler) setNoQuorum(checks []healthCheck) {
	lost := slices.ContainsFunc(checks, func(c healthCheck) bool { return c.Details["reason"] == reasonNoQuorum })
	if !lost {
		return
	}
	for _, c := range checks {
		if reason := c.Details["reason"]; reason == "no_answer" || reason == "unavailable" || reason == "incomplete" {
			c.Details["reason"], c.Details["hint"] = reasonNoQuorum, hints[reasonNoQuorum]
		}
	}
}

// newCheck returns a check that is an error if err is not nil.
func (h *healthHandler) newCheck(name string, err error, details map[string]any) healthCheck {
	if err != nil {
		reason := h.reasonOf(err)
		details = map[string]any{"reason": reason}
		if hint, ok := hints[reason]; ok {
			details["hint"] = hint
		}
		return healthCheck{Name: name, Status: healthError, Details: details, err: err}
	}
	if details == nil {
		details = map[string]any{}
	}
	return healthCheck{Name: name, Status: healthOK, Details: details}
}

// healthLog logs when a check starts to fail and when it passes again, however often the report is read.
type healthLog struct {
	mu     sync.Mutex
	failed map[string]bool
}

func (l *healthLog) note(ctx context.Context, log *slog.Logger, check healthCheck) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failed := !check.passes()
	if failed == l.failed[check.Name] {
		return
	}
	l.failed[check.Name] = failed
	if !failed {
		log.InfoContext(ctx, "health check passes again", slog.String("check", check.Name))
		return
	}
	attrs := []any{slog.String("check", check.Name), slog.String("status", check.Status), slog.Any("details", check.Details)}
	if check.err != nil {
		attrs = append(attrs, slog.Any("error", check.err))
	}
	level := slog.LevelError
	if check.Status == healthDegraded {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "health check failed", attrs...)
}
